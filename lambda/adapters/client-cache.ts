/** Clients held in memory on the request path (design: 2-protocol, check 4 and "Revocation"). */
import { LRUCache } from 'lru-cache';
import type { ClientRecord } from '../../protocol/client.ts';
import type { Clients } from './clients.ts';

/** How long a disabled client or a revoked key may still pass on an instance. */
export const CLIENT_CACHE_MS = 10_000;
/** At most one strong re-read per client in this time, whatever does not verify. */
const REREAD_MS = 1_000;
const ENTRIES = 10_000;

interface Entry {
  readonly readAtMs: number;
  readonly record: Promise<ClientRecord | undefined>;
}

export class ClientCache {
  readonly #clients: Pick<Clients, 'load'>;
  readonly #nowMs: () => number;
  // Bounded, since anybody can name clients that do not exist; misses are held like hits.
  readonly #held = new LRUCache<string, Entry>({ max: ENTRIES });

  constructor(clients: Pick<Clients, 'load'>, nowMs: () => number) {
    this.#clients = clients;
    this.#nowMs = nowMs;
  }

  /**
   * @param fresh whether the copy in memory did not do
   * @returns the client; undefined where there is none; null where `fresh` and it was read a moment ago
   * @throws Unavailable
   */
  async get(clientId: string, fresh: boolean): Promise<ClientRecord | undefined | null> {
    const entry = this.#held.get(clientId);
    // From the start of the read: what changed after it may not be in the answer.
    const age = entry ? this.#nowMs() - entry.readAtMs : Number.POSITIVE_INFINITY;
    if (entry && age >= 0 && age < (fresh ? REREAD_MS : CLIENT_CACHE_MS)) return fresh ? null : entry.record;
    const read = { readAtMs: this.#nowMs(), record: this.#clients.load(clientId) };
    this.#held.set(clientId, read);
    try {
      return await read.record;
    } catch (error) {
      if (this.#held.peek(clientId) === read) this.#held.delete(clientId);
      throw error;
    }
  }
}
