/**
 * Nonces of one Region, which alone redeems them. Answers bring the next one, so that a steady stream of calls
 * fetches none; those who find the pool empty at the same time share one request.
 */
import { abortable } from './abort.ts';

/** Nonces held for longer are dropped, long before they expire: a deletion outdates those from before it. */
const FRESH_MS = 5_000;

export class NoncePool {
  readonly #fetch: (count: number) => Promise<readonly string[]>;
  readonly #now: () => number;
  readonly #waiters: PromiseWithResolvers<string>[] = [];
  #held: { readonly nonce: string; readonly receivedMs: number }[] = [];
  /** Nonces that are on their way. */
  #requested = 0;
  #turn: ReturnType<typeof setTimeout> | undefined;

  /** @param fetch asks the Region for `count` nonces; gives at least one, perhaps fewer than asked for */
  constructor(fetch: (count: number) => Promise<readonly string[]>, now: () => number) {
    this.#fetch = fetch;
    this.#now = now;
  }

  /** Adds a nonce that the Region has just given: to whoever waits longest, else to the pool. */
  put(nonce: string): void {
    const waiter = this.#waiters.shift();
    if (waiter) waiter.resolve(nonce);
    else this.#held.push({ nonce, receivedMs: this.#now() });
  }

  /**
   * @returns a nonce that nobody else gets
   * @throws what the request for it failed with, or the reason of an aborted signal
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

  /** Drops every nonce that was given before now. */
  clear(): void {
    this.#held = [];
  }

  /** Asks on the next turn of the event loop, when everyone who waits since this one is counted. */
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
