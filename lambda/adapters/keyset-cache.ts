/** A keyset as a reader holds it (design: 3-keys "Readers"). */
import { type Keyset, newerKeyset, parseKeyset } from '../../protocol/keyset.ts';
import { describeError, type Log } from '../log.ts';
import { Unavailable } from '../unavailable.ts';

/** Age from which a copy is refreshed, in the background. */
const REFRESH_MS = 60_000;
/** Least time between two reads: forged kids and a failing store are no load. */
const COOLDOWN_MS = 10_000;

export interface KeysetCacheOptions {
  readonly purpose: string;
  /** @returns the secret's text */
  readonly read: () => Promise<string>;
  readonly nowMs: () => number;
  /** Hard limit on the age of a copy: beyond it a request waits for a refresh, then fails. */
  readonly maxAgeMs: number;
  readonly log: Log;
}

export class KeysetCache {
  readonly #options: KeysetCacheOptions;
  #keyset: Keyset | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #refreshing: Promise<void> | undefined;

  constructor(options: KeysetCacheOptions) {
    this.#options = options;
  }

  /**
   * @returns a copy no older than the hard limit; below it no call waits for a refresh
   * @throws Unavailable where there is none
   */
  async current(): Promise<Keyset> {
    const age = this.#options.nowMs() - this.#readAtMs;
    // An instance may have slept for hours: the age is wall time, judged at use.
    if (!this.#keyset || age > this.#options.maxAgeMs) {
      await this.#refresh();
      if (this.#options.nowMs() - this.#readAtMs > this.#options.maxAgeMs || !this.#keyset)
        throw new Unavailable(`keyset ${this.#options.purpose}`);
    } else if (age > REFRESH_MS) void this.#refreshUnlessTried();
    return this.#keyset;
  }

  /** @returns the keyset, read again first unless that was tried within the cooldown @throws Unavailable */
  async refreshed(): Promise<Keyset> {
    await this.#refreshUnlessTried();
    return this.current();
  }

  #refreshUnlessTried(): Promise<void> | undefined {
    if (this.#options.nowMs() - this.#triedAtMs < COOLDOWN_MS) return this.#refreshing;
    return this.#refresh();
  }

  /** One read at a time; a failed one leaves the copy that is held, and is logged. */
  #refresh(): Promise<void> {
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #read(): Promise<void> {
    const { read, nowMs, log, purpose } = this.#options;
    const startedMs = nowMs();
    this.#triedAtMs = startedMs;
    try {
      this.#keyset = newerKeyset(this.#keyset, parseKeyset(await read()));
      this.#readAtMs = startedMs;
    } catch (error) {
      log({ level: 'ERROR', message: 'keyset', purpose, ...describeError(error) });
    }
  }
}
