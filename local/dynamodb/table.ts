/**
 * A table as one Region's clients see it, whether it is replicated with eventual or strong consistency, or
 * not at all.
 */
import type { Item, KeySchema } from './item.ts';
import type { Stream } from './stream.ts';
import type { Written } from './write.ts';

/** @param held the existing item @throws if the condition fails; then nothing changes */
export type Change = (held: Item | undefined) => Written;

/** A write that has begun. Nothing has changed yet. */
export interface Writing {
  /** @throws what the change throws; DynamodbException where the Region can no longer write */
  commit(change: Change): Written['answer'];
  /** Ends the write without a change. */
  abandon(): void;
}

export interface Table {
  readonly keys: KeySchema;
  /** @throws DynamodbException where the Region cannot answer such a read */
  get(region: string, key: string, consistent: boolean): Item | undefined;
  /** @returns all items, in the order of their keys @throws DynamodbException as `get` */
  items(region: string, consistent: boolean): readonly Item[];
  /** @throws DynamodbException where another Region writes the item, or the Region cannot write */
  begin(region: string, key: string): Writing;
  /** @returns the Region's stream, if the table has streams */
  stream(region: string): Stream | undefined;
}

export const inOrder = (items: ReadonlyMap<string, Item>): Item[] =>
  [...items].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item);
