/** The copy of a keyset that a function holds (docs/key-life-cycle.md, "The windows"). */
import { type Keyset, type KeysetKey, newerKeyset, parseKeyset, signingKey } from '../../protocol/keyset.ts';
import { algorithmOf, type Purpose } from '../contract/purposes.ts';
import { describeError, type Log } from '../log.ts';
import { Copy } from './copy.ts';

/**
 * `refreshMs`: a copy of this age is refreshed in the background. `cooldownMs`: least time between two tries.
 */
const KEYSET_TIMES = { refreshMs: 60_000, cooldownMs: 10_000 };
/**
 * Where the signing key is revoked: the keyset with the next key comes soon, and clients cannot cause these
 * reads.
 */
const REVOKED_KEY_COOLDOWN_MS = 1_000;
/** A revoked kid is refused after 10 s: no key is used with an older copy of the revoked kids. */
const REVOKED_TIMES = { refreshMs: 5_000, cooldownMs: 1_000, maxAgeMs: 10_000 };

export interface KeysetCacheOptions {
  readonly purpose: Purpose;
  /** @returns the secret's text, or that of a public copy */
  readonly read: () => Promise<string>;
  /** @default takes a secret's text */
  readonly parse?: (text: string) => Keyset;
  /**
   * @returns the kids that an operator revoked, from the Region's `limits` table, by a strongly consistent
   * read: needed where the secret's copy is stale or its primary Region lost
   */
  readonly readRevoked?: () => Promise<readonly string[]>;
  readonly nowMs: () => number;
  /** Hard limit on the age of a copy: with an older one a request waits for a refresh, then fails. */
  readonly maxAgeMs: number;
  readonly log: Log;
}

export class KeysetCache {
  readonly #keyset: Copy<Keyset>;
  readonly #revoked: Copy<readonly string[]> | undefined;
  /** The keyset with the revoked kids of the table, made once for each pair. */
  #merged: { readonly of: Keyset; readonly with: readonly string[]; readonly keyset: Keyset } | undefined;

  constructor(options: KeysetCacheOptions) {
    const { purpose, read, readRevoked, nowMs, maxAgeMs, log } = options;
    const { parse = (text) => parseKeyset(text, algorithmOf(purpose)) } = options;
    const failed = (reason?: string) => (error: unknown) =>
      log({
        level: 'ERROR',
        message: 'keyset',
        purpose,
        reason: error instanceof OlderKeyset ? 'older_keyset' : reason,
        ...describeError(error),
      });
    this.#keyset = new Copy({
      ...KEYSET_TIMES,
      part: `keyset ${purpose}`,
      read: async (held) => {
        const keyset = parse(await read());
        if (newerKeyset(held, keyset) !== keyset) throw new OlderKeyset();
        return keyset;
      },
      maxAgeMs,
      nowMs,
      failed: failed(),
    });
    this.#revoked =
      readRevoked &&
      new Copy({
        ...REVOKED_TIMES,
        part: `revoked kids ${purpose}`,
        read: readRevoked,
        nowMs,
        failed: failed('revoked_kids'),
      });
  }

  /**
   * Below the hard limit no call waits for a refresh of the keyset.
   *
   * @returns a copy no older than the hard limit; it lacks every key that was revoked more than 10 s ago
   * @throws Unavailable where there is none
   */
  async current(): Promise<Keyset> {
    // At once: a first request waits for one of them only.
    const [keyset, revoked] = await Promise.all([this.#keyset.current(), this.#revoked?.current()]);
    if (!revoked) return keyset;
    if (this.#merged?.of !== keyset || this.#merged.with !== revoked)
      this.#merged = { of: keyset, with: revoked, keyset: withRevoked(keyset, revoked) };
    return this.#merged.keyset;
  }

  /** @returns the keyset, read again first unless that was tried within the cooldown @throws Unavailable */
  async refreshed(): Promise<Keyset> {
    await this.#keyset.refreshUnlessTried();
    return this.current();
  }

  /**
   * A copy whose signing key is revoked is out of date, even if another of its keys could sign: it is read
   * again first.
   *
   * @returns the key that signs at `nowMs`, or undefined @throws Unavailable
   */
  async signingKey(nowMs: number): Promise<KeysetKey | undefined> {
    const key = signingKey(await this.current(), nowMs);
    if (key && key === signingKey(await this.#keyset.current(), nowMs)) return key;
    await this.#keyset.refreshUnlessTried(REVOKED_KEY_COOLDOWN_MS);
    return signingKey(await this.current(), nowMs);
  }

  /** @returns how much longer the copy may be used, in milliseconds: a consumer's cache may add that */
  remainingMs(): number {
    return this.#keyset.remainingMs();
  }
}

/**
 * The secret was emptied or rolled back. The held copy is newer; its age counts on as if the read had failed.
 */
class OlderKeyset extends Error {
  constructor() {
    super('the secret has a lower seq than the held copy');
    this.name = 'OlderKeyset';
  }
}

const withRevoked = (keyset: Keyset, revoked: readonly string[]): Keyset =>
  revoked.length === 0 ? keyset : { ...keyset, revoked: [...keyset.revoked, ...revoked] };
