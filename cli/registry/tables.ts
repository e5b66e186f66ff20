/**
 * Passes over one table of a Region: copy, removal of items that the source lacks, digest. Each can be
 * repeated.
 */
import {
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  ScanCommand,
} from '@aws-sdk/client-dynamodb';
import type { Item } from '../../lambda/adapters/dynamodb.ts';
import { PROBE_PREFIX } from '../../lambda/contract/names.ts';
import { type AwsCallOptions, callAws } from '../aws-limits.ts';
import { CliError, EXIT } from '../io.ts';
import {
  canonical,
  type Digest,
  DigestSum,
  isExpired,
  isOwnItem,
  type Kind,
  keyOf,
  unlessNewer,
} from './items.ts';

/** A table as the clients of one Region see it. */
export interface Place {
  readonly dynamodb: DynamoDBClient;
  readonly region: string;
  readonly kind: Kind;
  readonly table: string;
  /** Ends a call that is under way, and a pass between two pages. */
  readonly signal: AbortSignal;
  /** Takes the name of a table that has not answered for `LATE_MS`. */
  late?(what: string): void;
}

export interface Pass {
  /** Epoch seconds at which the run began. */
  readonly startS: number;
  /** Takes the items looked at so far. */
  progress(items: number): void;
}

export interface Copied {
  readonly read: number;
  readonly written: number;
  /** Items that are newer in the target: they were left as they are. */
  readonly newer: number;
}

/** Items in a page. DynamoDB ends a page at 1 MB in any case. */
const PAGE = 500;
/** Calls at the same time. */
const AT_ONCE = 25;
/** TTL may delete these from one side during the run: no digest holds them. */
const EXPIRING_S = 24 * 3600;
const CONFLICTS = 6;

/**
 * Writes each item of the source that the target lacks or has an older form of. Equal ones cost a read alone.
 */
export async function copyTable(source: Place, target: Place, pass: Pass): Promise<Copied> {
  const { kind } = source;
  let [read, written, newer] = [0, 0, 0];
  await eachItem(source, pass, async (item) => {
    if (isExpired(item, pass.startS)) return;
    read += 1;
    const there = await itemAt(target, keyOf(kind, item));
    if (there && canonical(there) === canonical(item)) return;
    if (await put(target, item)) written += 1;
    else newer += 1;
  });
  return { read, written, newer };
}

/** Deletes items of an earlier copy that the source no longer has. @returns how many */
export async function removeExtras(source: Place, target: Place, pass: Pass): Promise<number> {
  let removed = 0;
  await eachItem(target, pass, async (item) => {
    const Key = keyOf(target.kind, item);
    if (await itemAt(source, Key)) return;
    const command = new DeleteItemCommand({ TableName: target.table, Key });
    await ask(target, (options) => target.dynamodb.send(command, options));
    removed += 1;
  });
  return removed;
}

/**
 * @returns a digest of the items to copy, by strongly consistent reads
 * @throws CliError where an item shows that the table is of another kind
 */
export async function digestOf(place: Place, pass: Pass): Promise<Digest> {
  const sum = new DigestSum();
  await eachItem(place, pass, async (item) => {
    // Nothing is written yet. Ledger and limits have the key of registry: only an item tells them apart.
    unlessNewer(place.kind, item);
    if (!isExpired(item, pass.startS + EXPIRING_S)) sum.add(item);
  });
  return sum.value;
}

/** @returns the Regions that have written to the table: it serves, or has served */
export async function servedRegions({ kind, ...place }: Place): Promise<string[]> {
  if (kind !== 'registry') return [];
  const found: string[] = [];
  for await (const page of pages(place, {
    FilterExpression: 'begins_with(pk, :probe)',
    ExpressionAttributeValues: { ':probe': { S: PROBE_PREFIX } },
  }))
    for (const { pk } of page) found.push(pk!.S!.slice(PROBE_PREFIX.length));
  return found;
}

async function eachItem(place: Place, pass: Pass, work: (item: Item) => Promise<void>): Promise<void> {
  let items = 0;
  for await (const page of pages(place)) {
    const own = page.filter((item) => !isOwnItem(item));
    for (let at = 0; at < own.length; at += AT_ONCE) await Promise.all(own.slice(at, at + AT_ONCE).map(work));
    items += own.length;
    pass.progress(items);
  }
}

async function* pages(
  place: Omit<Place, 'kind'>,
  filter: Pick<ScanCommand['input'], 'FilterExpression' | 'ExpressionAttributeValues'> = {},
): AsyncGenerator<readonly Item[]> {
  let from: Item | undefined;
  do {
    if (place.signal.aborted) throw new CliError(EXIT.interrupted, `interrupted${GOES_ON}`);
    const scan = new ScanCommand({
      TableName: place.table,
      ConsistentRead: true,
      Limit: PAGE,
      ...filter,
      ...(from && { ExclusiveStartKey: from }),
    });
    const { Items = [], LastEvaluatedKey } = await ask(place, (options) =>
      place.dynamodb.send(scan, options),
    );
    yield Items;
    from = LastEvaluatedKey;
  } while (from);
}

async function itemAt(place: Place, Key: Item): Promise<Item | undefined> {
  const get = new GetItemCommand({ TableName: place.table, Key, ConsistentRead: true });
  return (await ask(place, (options) => place.dynamodb.send(get, options))).Item;
}

/** @returns false where the table has a newer item */
async function put(place: Place, item: Item): Promise<boolean> {
  const command = new PutItemCommand({
    TableName: place.table,
    Item: item,
    ...unlessNewer(place.kind, item),
  });
  return ask(place, async (options) => {
    for (let attempt = 1; ; attempt++)
      try {
        await place.dynamodb.send(command, options);
        return true;
      } catch (error) {
        const { name } = error as Error;
        if (name === 'ConditionalCheckFailedException') return false;
        // Another Region of a strong table writes the same item.
        if (name === 'ReplicatedWriteConflictException' && attempt < CONFLICTS) continue;
        throw error;
      }
  });
}

/** A call is tried for minutes before it fails. */
export const LATE_MS = 10_000;
/** For a run that ended early. */
const GOES_ON = '; run it again: it goes on';

export async function ask<T>(
  { table, region, signal, late }: Pick<Place, 'table' | 'region' | 'signal' | 'late'>,
  send: (options: AwsCallOptions) => Promise<T>,
): Promise<T> {
  const what = `table ${table} in ${region}`;
  const timer = late && setTimeout(late, LATE_MS, what);
  return callAws(what, signal, send, GOES_ON).finally(() => clearTimeout(timer));
}
