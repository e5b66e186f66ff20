/**
 * The nonces of one Region; no other Region can redeem them. Each answer brings the next nonce, so a steady
 * stream of calls fetches none. Calls that find the pool empty at the same time share one request.
 */
import { abortable } from './abort.ts';

/** Older nonces are dropped, long before they expire: a deletion makes the nonces from before it useless. */
const FRESH_MS = 5_000;

export class NoncePool {
  readonly #fetch: (count: number) => Promise<readonly string[]>;
  readonly #now: () => number;
  readonly #waiters: PromiseWithResolvers<string>[] = [];
  #held: { readonly nonce: string; readonly receivedMs: number }[] = [];
  /** Number of nonces that were requested and have not arrived yet. */
  #requested = 0;
  #turn: ReturnType<typeof setTimeout> | undefined;

  /** @param fetch asks the Region for `count` nonces; it returns at least one, maybe fewer than `count` */
  constructor(fetch: (count: number) => Promise<readonly string[]>, now: () => number) {
    this.#fetch = fetch;
    this.#now = now;
  }

  /**
   * Adds a nonce that the Region has just issued: the call that has waited longest gets it, else the pool.
   */
  put(nonce: string): void {
    const waiter = this.#waiters.shift();
    if (waiter) waiter.resolve(nonce);
    else this.#held.push({ nonce, receivedMs: this.#now() });
  }

  /**
   * @returns a nonce that no other call gets
   * @throws the error of the request for nonces, or the reason of an aborted signal
   */
  async take(signals: readonly AbortSignal[]): Promise<string> {
    const newest = this.#held.pop();
    if (newest && Math.abs(this.#now() - newest.receivedMs) < FRESH_MS) return newest.nonce;
    this.#held = [];
    const waiter = Promise.withResolvers<string>();
    this.#waiters.push(waiter);
    this.#schedule();
    try {
      return await abortable(waiter.promise, signals);
    } finally {
      const left = this.#waiters.indexOf(waiter);
      if (left >= 0) this.#waiters.splice(left, 1);
    }
  }

  /** Drops every nonce in the pool. */
  clear(): void {
    this.#held = [];
  }

  /** Sends the request on the next turn of the event loop, so that it covers every call of this turn. */
  #schedule(): void {
    if (this.#waiters.length <= this.#requested) return;
    this.#turn ??= setTimeout(() => {
      this.#turn = undefined;
      void this.#request(this.#waiters.length - this.#requested);
    }, 0);
  }

  async #request(count: number): Promise<void> {
    if (count <= 0) return;
    this.#requested += count;
    try {
      for (const nonce of await this.#fetch(count)) this.put(nonce);
    } catch (error) {
      for (const waiter of this.#waiters.splice(0, count)) waiter.reject(error);
    }
    this.#requested -= count;
    this.#schedule();
  }
}
