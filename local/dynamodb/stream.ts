/** Records of a table's stream: one change to one item, with the item before and after. */
import type { Item } from './item.ts';

export interface StreamRecord {
  readonly eventName: 'INSERT' | 'MODIFY' | 'REMOVE';
  readonly key: string;
  readonly old: Item | undefined;
  readonly new: Item | undefined;
  /** Epoch milliseconds, by the Region's clock. */
  readonly atMs: number;
  /** Whether TTL removed the item. */
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
  if (JSON.stringify(before) === JSON.stringify(after)) return undefined;
  const eventName = before === undefined ? 'INSERT' : after === undefined ? 'REMOVE' : 'MODIFY';
  return { eventName, key, old: before, new: after, atMs, byTtl };
}
