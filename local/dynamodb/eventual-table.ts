/**
 * A global table in eventual mode, or the table of one Region. A condition is judged on the Region's own copy; changes
 * travel later, each item's in its order, and of two the later one stays, whatever was answered meanwhile.
 */
import type { Item, KeySchema } from './item.ts';
import type { Network } from './network.ts';
import { recordOf, type StreamRecord } from './stream.ts';
import { inOrder, type Table, type Writing } from './table.ts';

export interface EventualTableOptions {
  readonly keys: KeySchema;
  readonly replicas: readonly string[];
  readonly network: Network;
  /** Each Region's own clock: the later of two writes is later by these. */
  readonly nowMs: (region: string) => number;
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
  readonly byTtl: boolean;
}

interface Copy {
  readonly versions: Map<string, Version>;
  readonly records: StreamRecord[];
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
  #number = 0;

  constructor(options: EventualTableOptions) {
    this.keys = options.keys;
    this.#options = options;
    this.#copies = new Map(options.replicas.map((name) => [name, { versions: new Map(), records: [] }]));
  }

  /** A strong read of the Region's own copy: the other Regions' writes may be missing. */
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

  /** Removes what has expired by the Region's clock; the removals travel as any write does. */
  sweep(region: string, attribute: string): void {
    const nowS = this.#options.nowMs(region) / 1000;
    for (const [key, { item }] of [...this.#copies.get(region)!.versions]) {
      const expiresS = item?.[attribute]?.N;
      if (expiresS !== undefined && Number(expiresS) < nowS) this.#write(region, key, undefined, true);
    }
  }

  /** What can arrive now, in no order: each item's changes from one Region keep theirs. */
  links(): Link[] {
    const { network } = this.#options;
    return [...this.#underWay.values()].flatMap(({ link }) =>
      network.reaches(link.from, link.to) ? [link] : [],
    );
  }

  /** @returns how many changes are on their way to the Region, or to any */
  underWay(to?: string): number {
    let count = 0;
    for (const { link, versions } of this.#underWay.values())
      if (to === undefined || link.to === to) count += versions.length;
    return count;
  }

  /** The oldest change of the link arrives; or the newest alone, which stands for all before it. */
  deliver(link: Link, combined = false): void {
    const id = linkId(link);
    const { versions } = this.#underWay.get(id)!;
    const version = combined ? versions.splice(0).at(-1)! : versions.shift()!;
    if (versions.length === 0) this.#underWay.delete(id);
    const held = this.#copies.get(link.to)!.versions.get(link.key);
    if (held === undefined || isLater(version.stamp, held.stamp)) this.#apply(link.to, link.key, version);
  }

  /** All that can arrive, arrives. */
  deliverAll(): void {
    for (let links = this.links(); links.length > 0; links = this.links())
      for (const link of links) this.deliver(link);
  }

  /** What is under way from a Region that does not come back is gone. */
  forget(region: string): void {
    for (const [id, { link }] of this.#underWay) if (link.from === region) this.#underWay.delete(id);
  }

  records(region: string): readonly StreamRecord[] {
    return this.#copies.get(region)!.records;
  }

  #write(region: string, key: string, item: Item | undefined, byTtl: boolean): void {
    // A write is later than what it replaces, whatever the clocks say: else the Regions would never agree.
    const replaced = this.#copies.get(region)!.versions.get(key)?.stamp.atMs ?? 0;
    const atMs = Math.max(this.#options.nowMs(region), replaced + 1);
    const stamp = { atMs, region, number: ++this.#number };
    const version = { item, stamp, byTtl };
    this.#apply(region, key, version);
    for (const to of this.#options.replicas) {
      if (to === region) continue;
      const link = { from: region, to, key };
      const id = linkId(link);
      const queue = this.#underWay.get(id) ?? { link, versions: [] };
      queue.versions.push(version);
      this.#underWay.set(id, queue);
    }
  }

  #apply(region: string, key: string, version: Version): void {
    const { versions, records } = this.#copies.get(region)!;
    const before = versions.get(key)?.item;
    versions.set(key, version);
    const record = recordOf(key, before, version.item, this.#options.nowMs(region), version.byTtl);
    if (record) records.push(record);
  }
}

const linkId = ({ from, to, key }: Link): string => `${from}\u0000${to}\u0000${key}`;

function isLater(a: Stamp, b: Stamp): boolean {
  if (a.atMs !== b.atMs) return a.atMs > b.atMs;
  return a.region === b.region ? a.number > b.number : a.region > b.region;
}
