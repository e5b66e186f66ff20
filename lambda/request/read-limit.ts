/**
 * A limit on a client's reads, from this instance's memory only. A proof for reading can be repeated, and a
 * counter that all instances share would cost as much as the read. So this limit bounds the cost of a client
 * for one instance.
 */
import { LRUCache } from 'lru-cache';
import type { ClientRecord } from '../../protocol/client.ts';
import { rateLimitFields, secondsLeft, windowAt } from '../../protocol/quota.ts';

export interface ReadLimitOptions {
  /** Reads a minute; a client with a higher limit on signatures has that many reads. */
  readonly signaturesPerMinute: number;
  readonly nowMs: () => number;
}

/** A client that leaves this cache starts its window again. */
const CLIENTS = 10_000;

export class ReadLimit {
  readonly #options: ReadLimitOptions;
  readonly #reads = new LRUCache<string, { readonly window: number; readonly count: number }>({
    maxSize: CLIENTS,
    sizeCalculation: () => 1,
  });

  constructor(options: ReadLimitOptions) {
    this.#options = options;
  }

  /** Counts one read. @returns the headers of a refusal where the client has used up its minute */
  charge(client: Pick<ClientRecord, 'clientId' | 'limit'>): Readonly<Record<string, string>> | undefined {
    const { clientId } = client;
    // A lower limit is for signatures: the client may still read.
    const limit = Math.max(client.limit ?? 0, this.#options.signaturesPerMinute);
    const nowMs = this.#options.nowMs();
    const window = windowAt(nowMs);
    const held = this.#reads.get(clientId);
    const count = held?.window === window ? held.count : 0;
    if (count < limit) {
      this.#reads.set(clientId, { window, count: count + 1 });
      return undefined;
    }
    const seconds = secondsLeft(window, nowMs);
    return { ...rateLimitFields('reads', limit, 0, seconds), 'Retry-After': String(seconds) };
  }
}
