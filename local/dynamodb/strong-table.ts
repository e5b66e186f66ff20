/**
 * A strongly consistent global table: one log of writes for all Regions. A write, or a strongly consistent
 * read, needs a second replica that it can reach. A write to an item that another Region is writing is
 * refused, and can be tried again. There is no TTL.
 */
import { DynamodbException } from './exception.ts';
import type { Item, KeySchema } from './item.ts';
import type { Network } from './network.ts';
import { recordOf, Stream, type StreamRecord } from './stream.ts';
import { inOrder, type Table, type Writing } from './table.ts';

export interface StrongTableOptions {
  readonly keys: KeySchema;
  /** Three: all with clients, or two and a witness. */
  readonly replicas: readonly string[];
  readonly network: Network;
  readonly nowMs: (region: string) => number;
}

interface Entry {
  readonly key: string;
  readonly item: Item | undefined;
  readonly record: StreamRecord | undefined;
}

/** The part of the log that a Region has received, for its eventually consistent reads and its stream. */
interface Copy {
  applied: number;
  readonly items: Map<string, Item>;
  stream: Stream | undefined;
}

export class StrongTable implements Table {
  readonly keys: KeySchema;
  readonly replicas: readonly string[];
  readonly #options: StrongTableOptions;
  readonly #log: Entry[] = [];
  readonly #items = new Map<string, Item>();
  readonly #copies: ReadonlyMap<string, Copy>;
  /** By the item's key, the Regions that write it now. */
  readonly #writing = new Map<string, string[]>();

  constructor(options: StrongTableOptions) {
    this.keys = options.keys;
    this.replicas = options.replicas;
    this.#options = options;
    this.#copies = new Map(
      options.replicas.map((name) => [name, { applied: 0, items: new Map(), stream: undefined }]),
    );
  }

  get(region: string, key: string, consistent: boolean): Item | undefined {
    return this.#readable(region, consistent).get(key);
  }

  items(region: string, consistent: boolean): readonly Item[] {
    return inOrder(this.#readable(region, consistent));
  }

  begin(region: string, key: string): Writing {
    this.#needQuorum(region);
    const writers = this.#writing.get(key) ?? [];
    if (writers.some((other) => other !== region)) {
      const message = 'Write to this item is in progress in another Region';
      throw new DynamodbException('ReplicatedWriteConflictException', message);
    }
    this.#writing.set(key, [...writers, region]);
    let open = true;
    const end = () => {
      if (!open) throw new Error('this write has ended');
      open = false;
      const rest = this.#writing.get(key)!;
      rest.splice(rest.indexOf(region), 1);
      if (rest.length === 0) this.#writing.delete(key);
    };
    return {
      commit: (change) => {
        end();
        this.#needQuorum(region);
        const held = this.#items.get(key);
        const { item, answer } = change(held);
        set(this.#items, key, item);
        this.#log.push({ key, item, record: recordOf(key, held, item, this.#options.nowMs(region)) });
        this.advance(region);
        return answer;
      },
      abandon: end,
    };
  }

  /** @returns how many writes of the log the Region has not received */
  behind(region: string): number {
    return this.#log.length - this.#copies.get(region)!.applied;
  }

  /** Lets the Region receive the next writes, in the log's order. @param count @default all */
  advance(region: string, count = this.behind(region)): void {
    const copy = this.#copies.get(region)!;
    const end = Math.min(copy.applied + count, this.#log.length);
    for (const { key, item, record } of this.#log.slice(copy.applied, end)) {
      set(copy.items, key, item);
      if (record) copy.stream?.append(record);
    }
    copy.applied = end;
  }

  /** Of one replica alone. Its records begin with the next write that the Region receives. */
  turnOnStream(region: string): void {
    this.#copies.get(region)!.stream = new Stream(() => this.#options.nowMs(region));
  }

  stream(region: string): Stream | undefined {
    return this.#copies.get(region)!.stream;
  }

  #readable(region: string, consistent: boolean): ReadonlyMap<string, Item> {
    if (!consistent) return this.#copies.get(region)!.items;
    this.#needQuorum(region);
    return this.#items;
  }

  #needQuorum(region: string): void {
    const { network } = this.#options;
    if (this.replicas.some((other) => other !== region && network.reaches(region, other))) return;
    throw new DynamodbException('InternalServerError', 'The request could not reach a second Region', 500);
  }
}

function set(items: Map<string, Item>, key: string, item: Item | undefined): void {
  if (item === undefined) items.delete(key);
  else items.set(key, item);
}
