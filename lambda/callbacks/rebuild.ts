/**
 * Works out events from what the tables hold, and writes those that the Region does not have: after a stream
 * stood still for longer than a day, or the table of events was lost. What a record was in between is not
 * known: a creation and a deletion are the deletion alone.
 */
import { type Dynamodb, ScanCommand } from '../adapters/aws/commands.ts';
import { call } from '../adapters/call.ts';
import type { Item } from '../adapters/dynamodb.ts';
import type { Events } from '../adapters/events.ts';
import { type GlobalTableKind, tableKinds } from '../contract/names.ts';
import { type ChangeEvent, eventOfItem } from './change.ts';
import { append } from './outbox.ts';

/** Where the next step begins. */
export interface RebuildPlace {
  readonly table: GlobalTableKind;
  readonly after?: Item | undefined;
}

export interface RebuildStep {
  /** Items that were looked at. */
  readonly looked: number;
  /** Events that were absent, and are written now. */
  readonly written: number;
  /** Keys of items that are not of the platform's form: what they tell is not known. */
  readonly unreadable: readonly string[];
  /** Undefined at the end. */
  readonly next: RebuildPlace | undefined;
}

export interface RebuildOptions {
  readonly dynamodb: Dynamodb;
  /** Names of the tables in use. */
  readonly tables: Readonly<Record<GlobalTableKind, string>>;
  readonly events: Events;
  readonly nowMs: () => number;
}

export const REBUILD_BEGINS: RebuildPlace = { table: 'registry' };

/** Few enough for one call of an operators' function. */
const ITEMS = 200;

/**
 * @param untilMs the outbox may still have what was changed later, in its order: a rebuild would come before
 * it
 * @throws Unavailable
 */
export async function rebuild(
  { dynamodb, tables, events, nowMs }: RebuildOptions,
  { sinceMs, untilMs }: { readonly sinceMs: number; readonly untilMs: number },
  { table, after }: RebuildPlace,
): Promise<RebuildStep> {
  const scan = new ScanCommand({
    TableName: tables[table],
    ConsistentRead: true,
    Limit: ITEMS,
    ExclusiveStartKey: after,
  });
  const { Items = [], LastEvaluatedKey } = (await call(table, () => dynamodb.send(scan))).answer;
  const unreadable: string[] = [];
  const made = Items.flatMap((item): ChangeEvent[] => {
    try {
      const event = eventOfItem(table, item);
      return event && event.changedMs >= sinceMs && event.changedMs <= untilMs ? [event] : [];
    } catch {
      // Another program wrote it: it holds up no other.
      unreadable.push(nameOf(item));
      return [];
    }
  });
  const known = await Promise.all(made.map(({ id }) => events.has(id)));
  const absent = made.filter((_, i) => !known[i]).sort((a, b) => a.changedMs - b.changedMs);
  await append(events, absent, nowMs);
  const following = tableKinds('global')[tableKinds('global').indexOf(table) + 1];
  return {
    looked: Items.length,
    written: absent.length,
    unreadable,
    next: LastEvaluatedKey ? { table, after: LastEvaluatedKey } : following && { table: following },
  };
}

const nameOf = ({ pk, sk }: Item): string => [pk?.S, sk?.S].filter((part) => part !== undefined).join('#');
