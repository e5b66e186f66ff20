/**
 * An eventually consistent global table, or the table of one Region. A condition is checked against the
 * Region's own copy. Changes reach the other Regions later, in order for each item. Of two changes to one
 * item the later one wins, even if both were acknowledged.
 */
import type { Item, KeySchema } from './item.ts';
import type { Network } from './network.ts';
import { recordOf, Stream } from './stream.ts';
import { inOrder, type Table, type Writing } from './table.ts';

export interface EventualTableOptions {
  readonly keys: KeySchema;
  readonly replicas: readonly string[];
  readonly network: Network;
  /** Each Region's own clock, which decides which of two writes is the later one. */
  readonly nowMs: (region: string) => number;
  readonly streams: boolean;
}

/** Orders writes: by time, then by Region and number, so that no two are equal. */
interface Stamp {
  readonly atMs: number;
  readonly region: string;
  readonly number: number;
}

interface Version {
  /** Undefined: deleted. The stamp stays, so that an older write does not bring the item back. */
  readonly item: Item | undefined;
  readonly stamp: Stamp;
}

interface Copy {
  readonly versions: Map<string, Version>;
  readonly stream: Stream | undefined;
}

/** Changes of one item on their way from one Region to another. */
export interface Link {
  readonly from: string;
  readonly to: string;
  readonly key: string;
}

export class EventualTable implements Table {
  readonly keys: KeySchema;
  readonly #options: EventualTableOptions;
  readonly #copies: ReadonlyMap<string, Copy>;
  readonly #underWay = new Map<string, { readonly link: Link; readonly versions: Version[] }>();
  /** The Regions whose replica was taken out of the replication. */
  readonly #cutOff = new Set<string>();
  #number = 0;

  constructor(options: EventualTableOptions) {
    this.keys = options.keys;
    this.#options = options;
    const { replicas, nowMs, streams } = options;
    const streamOf = (name: string) => (streams ? new Stream(() => nowMs(name)) : undefined);
    this.#copies = new Map(replicas.map((name) => [name, { versions: new Map(), stream: streamOf(name) }]));
  }

  /**
   * Reads the Region's own copy: writes of other Regions may be missing, even from a strongly consistent
   * read.
   */
  get(region: string, key: string): Item | undefined {
    return this.#copies.get(region)!.versions.get(key)?.item;
  }

  items(region: string): readonly Item[] {
    const live = new Map<string, Item>();
    for (const [key, { item }] of this.#copies.get(region)!.versions) if (item) live.set(key, item);
    return inOrder(live);
  }

  begin(region: string, key: string): Writing {
    return {
      commit: (change) => {
        const { item, answer } = change(this.get(region, key));
        this.#write(region, key, item, false);
        return answer;
      },
      abandon: () => {},
    };
  }

  /** Removes items that have expired by the Region's clock. The removals are replicated as any write is. */
  sweep(region: string, attribute: string): void {
    const nowS = this.#options.nowMs(region) / 1000;
    for (const [key, { item }] of [...this.#copies.get(region)!.versions]) {
      const expiresS = item?.[attribute]?.N;
      if (expiresS !== undefined && Number(expiresS) < nowS) this.#write(region, key, undefined, true);
    }
  }

  /**
   * @returns the changes that can arrive now, in no order. Changes of one item from one Region arrive in
   * order.
   */
  links(): Link[] {
    const { network } = this.#options;
    return [...this.#underWay.values()].flatMap(({ link }) =>
      network.reaches(link.from, link.to) ? [link] : [],
    );
  }

  /** @returns how many changes are on their way to the Region, or to any Region */
  underWay(to?: string): number {
    let count = 0;
    for (const { link, versions } of this.#underWay.values())
      if (to === undefined || link.to === to) count += versions.length;
    return count;
  }

  /** Lets the oldest change of the link arrive, or only the newest one, which replaces all earlier ones. */
  deliver(link: Link, combined = false): void {
    const id = linkId(link);
    const { versions } = this.#underWay.get(id)!;
    const version = combined ? versions.splice(0).at(-1)! : versions.shift()!;
    if (versions.length === 0) this.#underWay.delete(id);
    const held = this.#copies.get(link.to)!.versions.get(link.key);
    if (held === undefined || isLater(version.stamp, held.stamp)) this.#apply(link.to, link.key, version);
  }

  /** Lets all changes arrive that can. */
  deliverAll(): void {
    for (let links = this.links(); links.length > 0; links = this.links())
      for (const link of links) this.deliver(link);
  }

  /** Drops the changes on their way from a Region that is lost for good. */
  forget(region: string): void {
    for (const [id, { link }] of this.#underWay) if (link.from === region) this.#underWay.delete(id);
  }

  /** Makes the Region's replica a table of its own, for good, as a customer key that was unusable does. */
  cutOff(region: string): void {
    this.#cutOff.add(region);
    for (const [id, { link }] of this.#underWay)
      if (link.from === region || link.to === region) this.#underWay.delete(id);
  }

  replicatesTo(region: string): string[] {
    const { replicas } = this.#options;
    if (this.#cutOff.has(region)) return [];
    return replicas.filter((other) => other !== region && !this.#cutOff.has(other));
  }

  stream(region: string): Stream | undefined {
    return this.#copies.get(region)!.stream;
  }

  #write(region: string, key: string, item: Item | undefined, byTtl: boolean): void {
    // A write is always later than the item it replaces, even if the clocks disagree: otherwise the Regions
    // would never agree.
    const replaced = this.#copies.get(region)!.versions.get(key)?.stamp.atMs ?? 0;
    const atMs = Math.max(this.#options.nowMs(region), replaced + 1);
    const stamp = { atMs, region, number: ++this.#number };
    const version = { item, stamp };
    this.#apply(region, key, version, byTtl);
    for (const to of this.replicatesTo(region)) {
      const link = { from: region, to, key };
      const id = linkId(link);
      const queue = this.#underWay.get(id) ?? { link, versions: [] };
      queue.versions.push(version);
      this.#underWay.set(id, queue);
    }
  }

  /** @param byTtl only in the Region whose TTL it was: elsewhere the removal counts as replicated */
  #apply(region: string, key: string, version: Version, byTtl = false): void {
    const { versions, stream } = this.#copies.get(region)!;
    const before = versions.get(key)?.item;
    versions.set(key, version);
    const record = recordOf(key, before, version.item, this.#options.nowMs(region), byTtl);
    if (record) stream?.append(record);
  }
}

const linkId = ({ from, to, key }: Link): string => `${from}\u0000${to}\u0000${key}`;

function isLater(a: Stamp, b: Stamp): boolean {
  if (a.atMs !== b.atMs) return a.atMs > b.atMs;
  return a.region === b.region ? a.number > b.number : a.region > b.region;
}
