/**
 * The mark of a complete copy, in the registry that it filled: which tables were in use, and by which stop of
 * the writes nothing changed there. `countersign deploy` takes a generation into use by it.
 */
import { DeleteItemCommand, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import type { Item } from '../../lambda/adapters/dynamodb.ts';
import { COPIED_KEY } from '../../lambda/contract/names.ts';
import { ask, type Place } from './tables.ts';

export interface CopyMark {
  /** The registry that was in use. */
  readonly from: string;
  /** By Region, since when its writes were stopped. */
  readonly stops: Readonly<Record<string, string>>;
  /** By Region that the copy left out, when it had last left its mark in `from`; null if it had left none. */
  readonly without: Readonly<Record<string, string | null>>;
}

type Registry = Omit<Place, 'kind'>;

const Key: Item = { pk: { S: COPIED_KEY } };

export async function readMark({ dynamodb, ...place }: Registry): Promise<CopyMark | undefined> {
  const get = new GetItemCommand({ TableName: place.table, Key, ConsistentRead: true });
  const { Item } = await ask(place, (options) => dynamodb.send(get, options));
  if (!Item) return undefined;
  const stops = Object.entries(Item.stops?.M ?? {}).map(([region, { S = '' }]) => [region, S]);
  const without = Object.entries(Item.without?.M ?? {}).map(([region, { S }]) => [region, S || null]);
  return {
    from: Item.copied_from?.S ?? '',
    stops: Object.fromEntries(stops),
    without: Object.fromEntries(without),
  };
}

export async function writeMark(
  { dynamodb, ...place }: Registry,
  { from, stops, without }: CopyMark,
): Promise<void> {
  const Item: Item = { ...Key, copied_from: { S: from }, stops: timesOf(stops), without: timesOf(without) };
  const put = new PutItemCommand({ TableName: place.table, Item });
  await ask(place, (options) => dynamodb.send(put, options));
}

const timesOf = (times: Readonly<Record<string, string | null>>): Item[string] => ({
  M: Object.fromEntries(Object.entries(times).map(([region, at]) => [region, { S: at ?? '' }])),
});

export async function removeMark({ dynamodb, ...place }: Registry): Promise<void> {
  const remove = new DeleteItemCommand({ TableName: place.table, Key });
  await ask(place, (options) => dynamodb.send(remove, options));
}
