/** What the platform says of itself (`GET /.well-known/countersign`), kept for as long as it allows. */
import { UnexpectedAnswerError } from './errors.ts';
import { type Answer, answerError } from './http.ts';

export interface RegionInfo {
  readonly name: string;
  /** Base URL. */
  readonly url: string;
}

export interface Discovery {
  /** `aud` of every proof. */
  readonly issuer: string;
  /** In the order to prefer. */
  readonly regions: readonly RegionInfo[];
  /** Longest life of a proof, in seconds. */
  readonly proofMaxLifeS: number;
  /** Most nonces that one request gives. */
  readonly maxNonceCount: number;
}

/** When a failed refresh, or an answer without `max-age`, is tried again. */
const DEFAULT_MAX_AGE_MS = 60_000;

export class DiscoveryCache {
  readonly #fetch: () => Promise<Answer>;
  readonly #now: () => number;
  #held: Discovery | undefined;
  #staleAtMs = 0;
  #pending: Promise<Discovery> | undefined;

  /** @param fetch gets the document */
  constructor(fetch: () => Promise<Answer>, now: () => number) {
    this.#fetch = fetch;
    this.#now = now;
  }

  /** @returns the copy held, which is refreshed in the background once stale; the first one is waited for */
  current(): Promise<Discovery> {
    if (this.#held && this.#now() < this.#staleAtMs) return Promise.resolve(this.#held);
    this.#pending ??= this.#load().finally(() => {
      this.#pending = undefined;
    });
    if (!this.#held) return this.#pending;
    // A platform that cannot be asked just now has not changed: the old copy serves until it can.
    this.#pending.catch(() => {});
    this.#staleAtMs = this.#now() + DEFAULT_MAX_AGE_MS;
    return Promise.resolve(this.#held);
  }

  async #load(): Promise<Discovery> {
    const answer = await this.#fetch();
    if (answer.status === 429 || answer.status >= 500) throw answerError(answer);
    const discovery = answer.status === 200 ? readDiscovery(answer.json) : undefined;
    if (!discovery) throw new UnexpectedAnswerError(answer.origin, answer.status);
    const maxAge = /(?:^|[,\s])max-age=(\d+)/i.exec(answer.headers.get('Cache-Control') ?? '')?.[1];
    this.#staleAtMs = this.#now() + (maxAge === undefined ? DEFAULT_MAX_AGE_MS : Number(maxAge) * 1000);
    this.#held = discovery;
    return discovery;
  }
}

function readDiscovery(value: unknown): Discovery | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { issuer, regions, proof_max_life, max_nonce_count } = value as Record<string, unknown>;
  if (typeof issuer !== 'string' || !Array.isArray(regions) || regions.length === 0) return undefined;
  if (!regions.every(isRegion)) return undefined;
  return {
    issuer,
    regions,
    proofMaxLifeS: positive(proof_max_life) ?? 60,
    maxNonceCount: positive(max_nonce_count) ?? 1,
  };
}

const isRegion = (value: unknown): value is RegionInfo =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as RegionInfo).name === 'string' &&
  isBaseUrl((value as RegionInfo).url);

const positive = (value: unknown): number | undefined =>
  typeof value === 'number' && value >= 1 ? Math.floor(value) : undefined;

/** https, or http to this machine alone; no `/` at the end, no query. */
export function isBaseUrl(url: unknown): url is string {
  if (typeof url !== 'string' || url.endsWith('/') || !URL.canParse(url)) return false;
  const { protocol, hostname, search, hash } = new URL(url);
  if (search !== '' || hash !== '') return false;
  return (
    protocol === 'https:' || (protocol === 'http:' && /^(localhost|127\.0\.0\.1|\[::1\])$/.test(hostname))
  );
}
