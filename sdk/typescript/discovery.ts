/** The platform's own description (`GET /.well-known/countersign`), cached for as long as it allows. */
import { isBaseUrl } from '../../protocol/base-url.ts';
import { type CountersignError, ForeignRegionsError } from './errors.ts';
import { type Answer, answerError, unexpectedAnswer } from './http.ts';

export interface RegionInfo {
  readonly name: string;
  /** Base URL. */
  readonly url: string;
}

export interface Discovery {
  /** `aud` of every proof. */
  readonly issuer: string;
  /** In the order of preference. */
  readonly regions: readonly RegionInfo[];
  /** Longest life of a proof, in seconds. */
  readonly proofMaxLifeS: number;
  /** Largest number of nonces that one request returns. */
  readonly maxNonceCount: number;
  /** JSON Schema of users, if the platform names one. */
  readonly schema: object | undefined;
}

/**
 * Shortest `max-age` that is followed, which is also the platform's own; and the wait after a failed refresh.
 */
const SHORTEST_AGE_MS = 60_000;
/** Longest `max-age` that is followed: the client notices a moved Region within this time. */
const LONGEST_AGE_MS = 3_600_000;
/** Limits of the protocol (docs/protocol.md). The client does not follow a larger value in an answer. */
const LONGEST_PROOF_LIFE_S = 300;
const MOST_NONCES = 100;
const MOST_REGIONS = 32;

export class DiscoveryCache {
  readonly #fetch: () => Promise<Answer>;
  readonly #trusts: (url: string) => boolean;
  readonly #now: () => number;
  readonly #onStale: (error: CountersignError) => void;
  #held: Discovery | undefined;
  #heldSinceMs = 0;
  #maxAgeMs = 0;
  #pending: Promise<Discovery> | undefined;

  /**
   * @param fetch fetches the document
   * @param trusts whether a Region's base URL may be used; other Regions are left out
   * @param now epoch milliseconds
   * @param onStale gets the error of a refresh, which no call gets
   */
  constructor(
    fetch: () => Promise<Answer>,
    trusts: (url: string) => boolean,
    now: () => number,
    onStale: (error: CountersignError) => void = () => {},
  ) {
    this.#fetch = fetch;
    this.#trusts = trusts;
    this.#now = now;
    this.#onStale = onStale;
  }

  /**
   * @returns the cached document. A stale one is returned too, and refreshed in the background. Only the
   * first call waits.
   * @throws CountersignError where the first fetch fails
   */
  current(): Promise<Discovery> {
    // `abs`: a clock that was set back must not make the copy look fresh.
    if (this.#held && Math.abs(this.#now() - this.#heldSinceMs) < this.#maxAgeMs)
      return Promise.resolve(this.#held);
    this.#pending ??= this.#load().finally(() => {
      this.#pending = undefined;
    });
    if (!this.#held) return this.#pending;
    // If the refresh fails, keep using the old copy and try again later.
    this.#pending.catch(this.#onStale);
    this.#keep(this.#held, SHORTEST_AGE_MS);
    return Promise.resolve(this.#held);
  }

  async #load(): Promise<Discovery> {
    const answer = await this.#fetch();
    if (answer.status === 429 || answer.status >= 500) throw answerError(answer);
    const named = answer.status === 200 ? readDiscovery(answer.json) : undefined;
    if (!named) throw unexpectedAnswer(answer);
    const regions = named.regions.filter(({ url }) => this.#trusts(url));
    if (regions.length === 0) {
      const origins = new Set(named.regions.map(({ url }) => new URL(url).origin));
      throw new ForeignRegionsError(answer.origin, [...origins]);
    }
    const seconds = /(?:^|[,\s])max-age=(\d+)/i.exec(answer.headers.get('Cache-Control') ?? '')?.[1] ?? 0;
    const maxAgeMs = Math.min(Math.max(Number(seconds) * 1000, SHORTEST_AGE_MS), LONGEST_AGE_MS);
    return this.#keep({ ...named, regions }, maxAgeMs);
  }

  #keep(discovery: Discovery, maxAgeMs: number): Discovery {
    this.#held = discovery;
    this.#heldSinceMs = this.#now();
    this.#maxAgeMs = maxAgeMs;
    return discovery;
  }
}

function readDiscovery(value: unknown): Discovery | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { issuer, regions, proof_max_life, max_nonce_count, registration_schema } = value as Record<
    string,
    unknown
  >;
  if (typeof issuer !== 'string' || issuer.length > 2048 || !Array.isArray(regions)) return undefined;
  if (regions.length === 0 || regions.length > MOST_REGIONS || !regions.every(isRegion)) return undefined;
  return {
    issuer,
    regions: regions.map(({ name, url }) => ({ name, url })),
    proofMaxLifeS: Math.min(positive(proof_max_life) ?? 60, LONGEST_PROOF_LIFE_S),
    maxNonceCount: Math.min(positive(max_nonce_count) ?? 1, MOST_NONCES),
    schema:
      typeof registration_schema === 'object' && registration_schema !== null
        ? registration_schema
        : undefined,
  };
}

const isRegion = (value: unknown): value is RegionInfo =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as RegionInfo).name === 'string' &&
  isBaseUrl((value as RegionInfo).url);

const positive = (value: unknown): number | undefined =>
  typeof value === 'number' && value >= 1 ? Math.floor(value) : undefined;
