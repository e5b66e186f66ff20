/**
 * Clients held in memory on the request path, for check 4 (signature); docs/protocol.md, "Revocation", has
 * the bound.
 */
import { LRUCache } from 'lru-cache';
import type { ClientRecord } from '../../protocol/client.ts';
import type { ClientLookup, Reread } from '../../protocol/proof/verify.ts';

/** How long a disabled client or a revoked key may still pass on an instance. */
export const CLIENT_CACHE_MS = 10_000;
/** At most one re-read per client in this time, however many proofs do not verify. */
const REREAD_MS = 1_000;
const ENTRIES = 10_000;

interface Entry<T> {
  readonly readAtMs: number;
  readonly record: Promise<T | undefined>;
  /** When a proof last failed to verify. Failures alone hold re-reads back, never a proof that verifies. */
  unresolvedAtMs: number;
}

/** What the request path needs of clients. */
export interface ClientLookups {
  /** @param kid of the key that is needed @throws Unavailable, as `again` does */
  get(clientId: string, kid?: string): Promise<ClientLookup>;
}

/** @typeParam T what is held: a client, or one key of it */
export class ClientCache<T = ClientRecord> {
  readonly #clients: { load(id: string): Promise<T | undefined> };
  readonly #nowMs: () => number;
  // Bounded, since anybody can name clients that do not exist; misses are held like hits. By size, since
  // `max` would allocate every place when an instance starts, which takes milliseconds.
  readonly #held = new LRUCache<string, Entry<T>>({ maxSize: ENTRIES, sizeCalculation: () => 1 });

  constructor(clients: { load(id: string): Promise<T | undefined> }, nowMs: () => number) {
    this.#clients = clients;
    this.#nowMs = nowMs;
  }

  /** @throws Unavailable, as `again` does */
  async get(clientId: string): Promise<ClientLookup<T>> {
    let entry = this.#held.get(clientId);
    // The age counts from the start of the read: a later change may not be in the answer.
    const held = entry !== undefined && this.#isWithin(CLIENT_CACHE_MS, entry.readAtMs);
    if (!entry || !held) entry = this.#read(clientId);
    const used = entry;
    return { client: await used.record, again: () => this.#again(clientId, used, !held) };
  }

  /**
   * A failure causes one read, either this one or the request's first. Only earlier failures can prevent this
   * read. So the reads do not reveal whether a client is known, or sent a request a moment ago.
   */
  async #again(clientId: string, used: Entry<T>, isFresh: boolean): Promise<Reread<T>> {
    const latest = this.#held.peek(clientId) ?? used;
    // Another request has read it meanwhile.
    if (latest !== used) return { kind: 'read', client: await latest.record };
    if (this.#isWithin(REREAD_MS, used.unresolvedAtMs)) return { kind: 'held_back' };
    const entry = isFresh ? used : this.#read(clientId);
    entry.unresolvedAtMs = this.#nowMs();
    return { kind: 'read', client: await entry.record };
  }

  #read(clientId: string): Entry<T> {
    const entry: Entry<T> = {
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
