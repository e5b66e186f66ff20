/** Clients held in memory on the request path (design: 2-protocol, check 4 and "Revocation"). */
import { LRUCache } from 'lru-cache';
import type { ClientRecord } from '../../protocol/client.ts';
import type { ClientLookup } from '../../protocol/proof/verify.ts';
import type { Clients } from '../adapters/clients.ts';

/** How long a disabled client or a revoked key may still pass on an instance. */
export const CLIENT_CACHE_MS = 10_000;
/** At most one strong re-read per client in this time, whatever does not verify. */
const REREAD_MS = 1_000;
const ENTRIES = 10_000;

interface Entry {
  readonly readAtMs: number;
  readonly record: Promise<ClientRecord | undefined>;
  /** When a proof did not verify: this alone holds re-reads back, never what the client itself sends. */
  unresolvedAtMs: number;
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

  /** @throws Unavailable, as `again` does */
  async get(clientId: string): Promise<ClientLookup> {
    let entry = this.#held.get(clientId);
    // From the start of the read: what changed after it may not be in the answer.
    const held = entry !== undefined && this.#isWithin(CLIENT_CACHE_MS, entry.readAtMs);
    if (!entry || !held) entry = this.#read(clientId);
    const used = entry;
    return { client: await used.record, again: () => this.#again(clientId, used, !held) };
  }

  /**
   * What a failure reads follows from earlier failures alone. It is one read for each request, be it this one or the
   * request's first: so it tells nobody whether the client is known, and was here a moment ago.
   */
  async #again(clientId: string, used: Entry, isFresh: boolean): Promise<ClientRecord | undefined | null> {
    const latest = this.#held.peek(clientId) ?? used;
    // Another request has read it meanwhile.
    if (latest !== used) return latest.record;
    if (this.#isWithin(REREAD_MS, used.unresolvedAtMs)) return null;
    const entry = isFresh ? used : this.#read(clientId);
    entry.unresolvedAtMs = this.#nowMs();
    return entry.record;
  }

  #read(clientId: string): Entry {
    const entry: Entry = {
      readAtMs: this.#nowMs(),
      record: this.#clients.load(clientId),
      unresolvedAtMs: Number.NEGATIVE_INFINITY,
    };
    this.#held.set(clientId, entry);
    entry.record.catch(() => {
      if (this.#held.peek(clientId) === entry) this.#held.delete(clientId);
    });
    return entry;
  }

  #isWithin(ms: number, sinceMs: number): boolean {
    const age = this.#nowMs() - sinceMs;
    return age >= 0 && age < ms;
  }
}
