/**
 * The outbox: turns what the streams of `registry` and `clients` say into the Region's events. A stream sends
 * a record again until the function handled it, so an event may be written twice, with one id; it is never
 * left out.
 */
import type { PlatformEvent } from '../../protocol/event.ts';
import type { Item } from '../adapters/dynamodb.ts';
import { ALL_CLIENTS, type Events } from '../adapters/events.ts';
import type { Conflict } from '../adapters/notices.ts';
import { LONGEST_CLOCK_ERROR_MS } from '../contract/defaults.ts';
import type { GlobalTableKind } from '../contract/names.ts';
import { describeError, type Log } from '../log.ts';
import { allOf } from './all-of.ts';
import { type ChangeEvent, conflictOf, eventOf, type Silent, silentOf } from './change.ts';

/** What Lambda's event source mapping sends (AWS Lambda developer guide, "DynamoDB"). */
export interface StreamEvent {
  readonly Records: readonly {
    readonly eventSourceARN: string;
    readonly dynamodb: {
      readonly SequenceNumber: string;
      readonly OldImage?: Item;
      readonly NewImage?: Item;
    };
  }[];
}

/** The first record that was not handled; those before it were. */
export interface StreamAnswer {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

/** The event of a schedule has no records. */
export type OutboxHandler = (event: Partial<StreamEvent>) => Promise<StreamAnswer>;

export interface OutboxOptions {
  readonly events: Events;
  /** Names of the tables in use. */
  readonly tables: Readonly<Record<GlobalTableKind, string>>;
  /**
   * @returns when the writes were stopped for the copy that filled the tables: older items were announced
   * when they were made. Undefined for tables that no copy filled
   */
  readonly copiedMs: () => Promise<number | undefined>;
  /** Tells every Region of a conflict; undefined where none is possible. */
  readonly announce: ((conflict: Conflict) => Promise<void>) | undefined;
  /** Wakes the endpoints of clients. */
  readonly wake: (clients: ReadonlySet<string>) => Promise<void>;
  readonly region: string;
  readonly nowMs: () => number;
  readonly log: Log;
}

/** An event, and the place in the batch of the record that it is from. */
interface Found {
  readonly index: number;
  readonly event: ChangeEvent;
}

export function outboxHandler(options: OutboxOptions) {
  const { events, announce, nowMs, log, region } = options;
  return async ({ Records }: StreamEvent): Promise<StreamAnswer> => {
    const [first] = Records;
    if (!first) return { batchItemFailures: [] };
    const source = sourceOf(first.eventSourceARN, options.tables);
    if (!source) {
      // Tables of a later generation, while a deployment that takes them into use goes back.
      log({ level: 'ERROR', message: 'outbox', region, reason: 'other_table' });
      return { batchItemFailures: [{ itemIdentifier: first.dynamodb.SequenceNumber }] };
    }
    const announcedMs = Math.max(
      source.streamMs - LONGEST_CLOCK_ERROR_MS,
      source.isInUse ? ((await options.copiedMs()) ?? 0) : 0,
    );
    const isCopy = (
      { changedMs }: Pick<ChangeEvent, 'changedMs'>,
      { dynamodb }: StreamEvent['Records'][number],
    ) => !dynamodb.OldImage && changedMs <= announcedMs;
    const seen = Records.map((record) => read(options, source.kind, record));
    const found = seen.flatMap(({ event }, index): Found[] =>
      event && !isCopy(event, Records[index]!) ? [{ index, event }] : [],
    );
    const conflicts = announce
      ? seen.flatMap(({ conflict }, index) => (conflict ? [{ index, conflict }] : []))
      : [];
    const silent = seen.flatMap(({ silent }, index) =>
      silent && !isCopy(silent, Records[index]!) ? [{ index, silent }] : [],
    );
    let left: readonly { readonly index: number }[] = [...conflicts, ...found, ...silent];
    try {
      await allOf(conflicts.map(({ conflict }) => announce!(conflict)));
      left = [...found, ...silent];
      // Events of one record keep their order: each round has one of them at most.
      for (const round of rounds(found)) {
        await append(
          events,
          round.map(({ event }) => event),
          nowMs,
        );
        left = left.filter((each) => !round.includes(each as Found));
      }
      for (const each of silent) await keepSilent(options, each.silent);
      left = [];
      await wakeAll(options, found);
      return { batchItemFailures: [] };
    } catch (error) {
      log({ level: 'ERROR', message: 'outbox', region, reason: 'events', ...describeError(error) });
      const lowest = Math.min(...left.map(({ index }) => index));
      return { batchItemFailures: [{ itemIdentifier: Records[lowest]!.dynamodb.SequenceNumber }] };
    }
  };
}

/** Where the event before is written, a rebuild must not take the change for one that was missed. */
async function keepSilent({ events, nowMs }: OutboxOptions, { after, id }: Silent): Promise<void> {
  if (after === undefined || (await events.has(after))) await events.remember(id, nowMs());
}

/** Where a batch comes from. */
interface Source {
  readonly kind: GlobalTableKind;
  /** False: the tables before, whose last changes come while the next ones are taken into use. */
  readonly isInUse: boolean;
  /**
   * When the stream was made. The items of a new replica may come through its stream as if they were made
   * then: they were announced where they were made. 0 where the ARN does not say it.
   */
  readonly streamMs: number;
}

function sourceOf(arn: string, tables: OutboxOptions['tables']): Source | undefined {
  const [, name, label] = /:table\/([^/]+)\/stream\/(.+)$/.exec(arn) ?? [];
  const parts = (table: string) => /^(.*-)(\d+)$/.exec(table);
  for (const kind of Object.keys(tables) as GlobalTableKind[]) {
    const isInUse = name === tables[kind];
    const [its, own] = [parts(name ?? ''), parts(tables[kind])];
    const isBefore = its && own && its[1] === own[1] && Number(its[2]) < Number(own[2]);
    if (!isInUse && !isBefore) continue;
    const streamMs = /^\d{4}-/.test(label!) ? Date.parse(`${label}Z`) : 0;
    return { kind, isInUse, streamMs };
  }
  return undefined;
}

/** A wake-up that fails costs a minute, not the batch. */
async function wakeAll({ wake, region, log }: OutboxOptions, found: readonly Found[]): Promise<void> {
  if (found.length === 0) return;
  try {
    await wake(new Set(found.map(({ event }) => event.data.client_id)));
  } catch (error) {
    log({ level: 'WARN', message: 'outbox', region, reason: 'wake', ...describeError(error) });
  }
}

interface Seen {
  readonly event?: ChangeEvent | undefined;
  readonly conflict?: Conflict | undefined;
  readonly silent?: Silent | undefined;
}

/** No repetition helps a record that cannot be read: it is reported, and does not hold up the others. */
function read(
  { region, log }: OutboxOptions,
  table: GlobalTableKind,
  { dynamodb }: StreamEvent['Records'][number],
): Seen {
  try {
    const change = { table, old: dynamodb.OldImage, new: dynamodb.NewImage };
    return { event: eventOf(change), conflict: conflictOf(change), silent: silentOf(change) };
  } catch (error) {
    log({ level: 'ERROR', message: 'outbox', region, reason: 'record', ...describeError(error) });
    return {};
  }
}

function rounds(found: readonly Found[]): Found[][] {
  const seen = new Map<string, number>();
  const made: Found[][] = [];
  for (const each of found) {
    const record = JSON.stringify(each.event.record);
    const round = seen.get(record) ?? 0;
    seen.set(record, round + 1);
    made[round] = [...(made[round] ?? []), each];
  }
  return made;
}

/**
 * Writes events to their clients' orders and to that of all clients.
 *
 * @throws Unavailable; then some of them may be written
 */
export async function append(
  events: Events,
  list: readonly PlatformEvent[],
  nowMs: () => number,
): Promise<void> {
  const orders = new Map([[ALL_CLIENTS, list]]);
  for (const event of list)
    orders.set(event.data.client_id, [...(orders.get(event.data.client_id) ?? []), event]);
  await allOf([...orders].map(([order, its]) => appendTo(events, order, its, nowMs)));
  await allOf(list.map(({ id }) => events.remember(id, nowMs())));
}

async function appendTo(
  events: Events,
  order: string,
  list: readonly PlatformEvent[],
  nowMs: () => number,
): Promise<void> {
  let left = list;
  while (left.length > 0) {
    const last = await events.take(order, left.length, nowMs());
    const first = last - left.length + 1;
    const isWritten = await allOf(left.map((event, i) => events.put(order, first + i, event, nowMs())));
    // A reader did not wait for these and closed their numbers.
    left = left.filter((_, i) => !isWritten[i]);
  }
}
