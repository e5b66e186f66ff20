/**
 * One Region's stream of a table: what changed, item by item, in shards. An item's records lie in one shard,
 * in order, and go on in a child of that shard once it is closed. How many shards there are, and when they
 * split, is not known in advance: the caller decides. A shard is closed after about four hours in any case,
 * and a record is gone after 24 hours (docs/aws-truths.md, "Streams").
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Item } from './item.ts';

export interface StreamRecord {
  readonly eventName: 'INSERT' | 'MODIFY' | 'REMOVE';
  readonly key: string;
  readonly old: Item | undefined;
  readonly new: Item | undefined;
  /** Epoch milliseconds, by the Region's clock. */
  readonly atMs: number;
  /** Whether TTL removed the item, in this Region. */
  readonly byTtl: boolean;
}

/** @returns the record of a change; undefined where nothing changed, of which a stream has no record */
export function recordOf(
  key: string,
  before: Item | undefined,
  after: Item | undefined,
  atMs: number,
  byTtl = false,
): StreamRecord | undefined {
  if (isDeepStrictEqual(before, after)) return undefined;
  const eventName = before === undefined ? 'INSERT' : after === undefined ? 'REMOVE' : 'MODIFY';
  return { eventName, key, old: before, new: after, atMs, byTtl };
}

/** A record with its number. Numbers rise over all shards of a stream. */
export interface Numbered {
  readonly number: number;
  readonly record: StreamRecord;
}

export interface Shard {
  readonly id: string;
  readonly parent: string | undefined;
  /** Number that was the next one when the shard was opened; no record needs to have it. */
  readonly start: number;
  /** Number at which the shard was closed: its records have lower ones. Undefined while it is open. */
  readonly end: number | undefined;
}

interface HeldShard extends Shard {
  end: number | undefined;
  /** Hashes of the keys whose records it takes: from the first, up to and without the second. */
  readonly range: readonly [number, number];
  readonly openedMs: number;
  closedMs: number | undefined;
  readonly records: (Numbered & { readonly arrivedMs: number })[];
  /** Number of the last record that is gone. */
  trimmed: number;
}

export const RECORD_LIFE_MS = 24 * 3600 * 1000;
const SHARD_LIFE_MS = 4 * 3600 * 1000;
const HASHES = 2 ** 32;

export class Stream {
  readonly createdMs: number;
  readonly #nowMs: () => number;
  #number = 1;
  /** In the order in which they were opened. */
  #shards: HeldShard[] = [];

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.createdMs = nowMs();
    this.#open(undefined, [0, HASHES]);
  }

  append(record: StreamRecord): void {
    const arrivedMs = this.#age();
    const hash = hashOf(record.key);
    const shard = this.#shards.find(
      ({ end, range: [from, to] }) => end === undefined && from <= hash && hash < to,
    )!;
    shard.records.push({ number: this.#number++, record, arrivedMs });
  }

  /** @returns all shards that hold records or take them, in no order that means anything */
  shards(): readonly Shard[] {
    this.#age();
    return this.#shards.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** @returns the shard; undefined if there is none, or no longer */
  shard(id: string): Shard | undefined {
    this.#age();
    return this.#find(id);
  }

  /** Closes an open shard. Its items' later records are in its children. */
  split(id: string, children: number): void {
    this.#age();
    const shard = this.#find(id)!;
    if (shard.end !== undefined) throw new Error(`shard ${id} is closed`);
    this.#close(shard, children);
  }

  #close(shard: HeldShard, children: number): void {
    shard.end = this.#number++;
    shard.closedMs = this.#nowMs();
    const [from, to] = shard.range;
    const bound = (i: number) => from + Math.floor((i * (to - from)) / children);
    for (let i = 0; i < children; i++) this.#open(shard.id, [bound(i), bound(i + 1)]);
  }

  /** @returns the number below which the records of a shard that `shard` found are gone */
  horizon(id: string): number {
    const { start, trimmed } = this.#find(id)!;
    return Math.max(start, trimmed + 1);
  }

  /** @returns the number that the next record of any shard will have */
  get next(): number {
    return this.#number;
  }

  /** @returns the records of such a shard with this number or a higher one, the oldest first */
  read(id: string, from: number, limit: number): readonly Numbered[] {
    const { records } = this.#find(id)!;
    const first = records.findIndex(({ number }) => number >= from);
    return first === -1 ? [] : records.slice(first, first + limit);
  }

  /** @returns all records that are not gone yet, in the order of their numbers */
  records(): readonly StreamRecord[] {
    this.#age();
    const numbered = this.#shards.flatMap(({ records }) => records);
    return numbered.sort((a, b) => a.number - b.number).map(({ record }) => record);
  }

  #find(id: string): HeldShard | undefined {
    return this.#shards.find((shard) => shard.id === id);
  }

  #open(parent: string | undefined, range: readonly [number, number]): void {
    const start = this.#number++;
    const id = `shardId-${createHash('sha256').update(`${start}`).digest('hex').slice(0, 20)}`;
    const openedMs = this.#nowMs();
    this.#shards.push({
      ...{ id, parent, start, end: undefined, range, openedMs, closedMs: undefined },
      ...{ records: [], trimmed: 0 },
    });
  }

  /** Closes and removes what is too old. @returns the time */
  #age(): number {
    const nowMs = this.#nowMs();
    const isGone = (sinceMs: number) => sinceMs <= nowMs - RECORD_LIFE_MS;
    this.#shards = this.#shards.filter(({ closedMs }) => closedMs === undefined || !isGone(closedMs));
    for (const shard of [...this.#shards]) {
      while (shard.records.length > 0 && isGone(shard.records[0]!.arrivedMs))
        shard.trimmed = shard.records.shift()!.number;
      if (shard.end === undefined && nowMs >= shard.openedMs + SHARD_LIFE_MS) this.#close(shard, 1);
    }
    return nowMs;
  }
}

const hashOf = (key: string): number => createHash('sha256').update(key).digest().readUInt32BE();
