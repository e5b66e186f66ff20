/**
 * Readers of the registry's streams in two Regions, under a scheduler. It decides when registrations are
 * written, replicated and read, how the shards split, which calls fail, and when a reader crashes. One seed
 * is one history.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Scheduler } from 'fast-check';
import { createRegistry } from '../../lambda/adapters/registry.ts';
import { LONGEST_CHANGE_MS } from '../../lambda/contract/defaults.ts';
import { TABLES, tableName } from '../../lambda/contract/names.ts';
import type {
  EventSourceMapping,
  EventSourceMappingOptions,
  StreamEvent,
} from '../../local/aws/event-source-mapping.ts';
import { type Carry, dynamodbClientOn } from '../../local/dynamodb/client.ts';
import { Dynamodb } from '../../local/dynamodb/dynamodb.ts';
import { EventualTable } from '../../local/dynamodb/eventual-table.ts';
import { type Item, keyText } from '../../local/dynamodb/item.ts';
import { replicate } from '../../local/dynamodb/replication.ts';
import { StrongTable } from '../../local/dynamodb/strong-table.ts';
import { registrationId } from '../../protocol/registration.ts';
import { type Fate, scheduledCalls } from './calls.ts';

export const REGIONS = ['a', 'b'] as const;
export type RegionName = (typeof REGIONS)[number];
export type Mode = 'strong' | 'eventual';

export interface Write {
  readonly kind: 'register' | 'delete';
  readonly region: RegionName;
  readonly user: string;
}

export type Disturbance =
  | { readonly kind: 'partition' | 'heal' | 'replicate' }
  /** Lets one change arrive, perhaps combined with the later ones of its item. */
  | { readonly kind: 'deliver'; readonly pick: number; readonly combined: boolean }
  | { readonly kind: 'lose' | 'return' | 'restart'; readonly region: RegionName }
  | { readonly kind: 'split'; readonly region: RegionName; readonly pick: number; readonly children: number }
  | { readonly kind: 'time'; readonly ms: number };

/** What the function does with one record. `hangs`: it gets no further, and only a restart helps. */
export type Outcome = 'handled' | 'reported' | 'thrown' | 'hangs';

export interface Plan {
  readonly mode: Mode;
  readonly shards: number;
  readonly batchSize: number;
  readonly writes: readonly Write[];
  readonly disturbances: readonly Disturbance[];
  /** Polls of each Region's reader, also at the same time, before the end, when it reads all that is left. */
  readonly polls: number;
  readonly picks: () => number;
  readonly fates: () => Fate;
  readonly outcomes: () => Outcome;
}

/** A record that the function has handled. */
export interface Handled {
  readonly eventId: string;
  readonly key: string;
  readonly old: Item | undefined;
  readonly new: Item | undefined;
}

export interface History {
  /** A change that its writer was told of, and a text that only this change has. */
  readonly acknowledged: readonly {
    readonly region: RegionName;
    readonly key: string;
    readonly mark: string;
  }[];
  /** By Region, with repetitions, in the order in which it happened. */
  readonly handled: Readonly<Record<RegionName, readonly Handled[]>>;
  /** By Region and key, at the end. */
  readonly items: Readonly<Record<RegionName, ReadonlyMap<string, Item>>>;
  /** Calls of the store and of its streams. */
  readonly operations: number;
  readonly trace: readonly string[];
}

const T0 = 1_795_430_000_000;
const STAGE = 'model';
const CLIENT = 'c';
const TABLE = tableName(STAGE, 'registry');
const { keys } = TABLES.registry;
/** Less than a record lives, so that none may be missing. */
const LONGEST_MS = 23 * 3600 * 1000;

/** @param Reader a mapping, or a naive variant of one */
export async function run(s: Scheduler, plan: Plan, Reader: typeof EventSourceMapping): Promise<History> {
  let elapsedMs = 0;
  let operations = 0;
  let invocations = 0;
  let scheduled = true;
  const nowMs = () => T0 + elapsedMs;
  const store = new Dynamodb({ ...{ regions: REGIONS, witness: 'w', nowMs }, modeOf: () => plan.mode });
  const StreamSpecification = { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' };
  store.ask('a', 'CreateTable', {
    TableName: TABLE,
    KeySchema: keys.map((AttributeName) => ({ AttributeName })),
    StreamSpecification,
  });
  if (plan.mode === 'strong') store.ask('b', 'UpdateTable', { TableName: TABLE, StreamSpecification });
  const table = store.table('a', TABLE);
  for (const region of REGIONS) split(region, 0, plan.shards);

  const trace: string[] = [];
  const point = async (label: string) => {
    if (!scheduled) return;
    await s.schedule(Promise.resolve(), label);
    trace.push(label);
  };
  const fates = () => (scheduled ? plan.fates() : 'answered');
  const carry: Carry = scheduledCalls({ point, fates, onCall: () => operations++ });

  const acknowledged: { region: RegionName; key: string; mark: string }[] = [];
  const write = async ({ kind, region, user }: Write, i: number) => {
    const registry = createRegistry(dynamodbClientOn(store, region, carry), TABLE, {
      ...{ region, consistency: plan.mode, clockErrorMs: 0 },
      pause: (longestMs) => point(`a wait of up to ${longestMs} ms ends in ${region}`),
    });
    await point(`${kind} ${i} of ${user} reaches ${region}`);
    if (store.network.isLost(region)) return;
    elapsedMs += 1;
    const [id, mark] = [registrationId(CLIENT, user), `w${i}`];
    const made = { id, clientId: CLIENT, userId: user, createdAtMs: nowMs(), data: { user_id: user, mark } };
    const isDone =
      kind === 'register'
        ? (await registry.register(made, nowMs())).kind === 'stored'
        : await registry.remove(CLIENT, id, nowMs(), mark);
    if (isDone) acknowledged.push({ region, key: `${CLIENT}#${id}`, mark });
  };

  const handled: Record<RegionName, Handled[]> = { a: [], b: [] };
  const invoke = (region: RegionName) => async (event: StreamEvent) => {
    invocations += 1;
    for (const { eventID, dynamodb } of event.Records) {
      await point(`record ${dynamodb.SequenceNumber} in ${region}`);
      const outcome = plan.outcomes();
      if (outcome === 'hangs' && scheduled) await new Promise(() => {});
      if (outcome === 'hangs') readers[region].restart();
      if (outcome === 'thrown' || outcome === 'hangs') throw new Error('the function failed');
      if (outcome === 'reported') return { batchItemFailures: [{ itemIdentifier: dynamodb.SequenceNumber }] };
      const { Keys, OldImage, NewImage } = dynamodb;
      handled[region].push({ eventId: eventID, key: keyText(keys, Keys), old: OldImage, new: NewImage });
    }
    return {};
  };
  const ask =
    (region: RegionName): EventSourceMappingOptions['ask'] =>
    async (operation, input) => {
      // The list comes in pages, and a page may be shorter than what is there.
      const Limit = operation === 'DescribeStream' ? 3 : scheduled ? 1 + (plan.picks() % plan.batchSize) : 10;
      const isPage = operation === 'DescribeStream' || operation === 'GetRecords';
      return carry({ region, operation, input: { ...input, ...(isPage && { Limit }) } as object }, store);
    };
  const readerOf = (region: RegionName) => {
    const described = store.ask(region, 'DescribeTable', { TableName: TABLE }) as {
      Table: { LatestStreamArn: string };
    };
    return new Reader({
      ...{ streamArn: described.Table.LatestStreamArn, batchSize: plan.batchSize, nowMs },
      ...{ ask: ask(region), invoke: invoke(region), maxAgeMs: LONGEST_CHANGE_MS },
      onFailure: (discarded) => {
        throw new Error(`records expired: ${JSON.stringify(discarded)}`);
      },
    });
  };
  const readers = { a: readerOf('a'), b: readerOf('b') };
  const poll = async (region: RegionName) => {
    await point(`a poll in ${region}`);
    const shards = await readers[region].readable();
    if (shards.length > 0) await readers[region].step(shards[plan.picks() % shards.length]!);
  };

  function split(region: RegionName, pick: number, children: number): void {
    const stream = table.stream(region)!;
    const open = stream.shards().filter(({ end }) => end === undefined);
    stream.split(open[pick % open.length]!.id, children);
  }
  const disturb = async (disturbance: Disturbance) => {
    await point(JSON.stringify(disturbance));
    const { kind } = disturbance;
    if (kind === 'replicate') replicate(store);
    if (kind === 'partition') store.network.partition([['a'], ['b', 'w']]);
    if (kind === 'heal') store.network.heal();
    if (kind === 'lose') store.network.lose(disturbance.region);
    if (kind === 'return') store.network.bringBack(disturbance.region);
    if (kind === 'restart') readers[disturbance.region].restart();
    if (kind === 'split') split(disturbance.region, disturbance.pick, disturbance.children);
    if (kind === 'time' && elapsedMs + disturbance.ms < LONGEST_MS) elapsedMs += disturbance.ms;
    if (kind === 'deliver') {
      if (table instanceof StrongTable) table.advance(REGIONS[disturbance.pick % 2]!, 1);
      const links = table instanceof EventualTable ? table.links() : [];
      if (links.length > 0)
        (table as EventualTable).deliver(links[disturbance.pick % links.length]!, disturbance.combined);
    }
  };

  // A write without an answer has failed for its caller.
  for (const [i, each] of plan.writes.entries()) void write(each, i).catch(() => {});
  // A poll that is throttled, lost or unanswered leaves it to the next one.
  for (const region of REGIONS) for (let i = 0; i < plan.polls; i++) void poll(region).catch(() => {});
  for (const disturbance of plan.disturbances) void disturb(disturbance);
  await s.waitIdle();

  scheduled = false;
  store.network.heal();
  for (const region of REGIONS) store.network.bringBack(region);
  replicate(store);
  for (const region of REGIONS) await readAll(readers[region]);
  const itemsOf = (region: RegionName) =>
    new Map(table.items(region, true).map((item) => [keyText(keys, item), item]));
  return { acknowledged, handled, items: { a: itemsOf('a'), b: itemsOf('b') }, operations, trace };

  /** Reads until nothing is left. Its calls get through, but the function fails as before. */
  async function readAll(reader: EventSourceMapping): Promise<void> {
    reader.restart();
    let [before, now] = ['', 'start'];
    while (now !== before) {
      const shards = await reader.readable();
      for (const shard of shards) await reader.step(shard);
      [before, now] = [now, `${invocations} ${shards}`];
    }
  }
}

/**
 * Judges a history by what the function got, and by the table, not by the stream.
 *
 * @returns what is wrong with it, or undefined
 */
export function violationOf({ acknowledged, handled, items }: History, mode: Mode): string | undefined {
  for (const region of REGIONS) {
    const seen = new Set<string>();
    /** By key, the item as the records so far leave it. */
    const state = new Map<string, Item | undefined>();
    for (const { eventId, key, old, new: now } of handled[region]) {
      if (seen.has(eventId)) continue;
      seen.add(eventId);
      if (!isDeepStrictEqual(state.get(key), old))
        return `${region} handled a change of ${key} before an earlier one, or without it`;
      state.set(key, now);
    }
    for (const [key, item] of items[region])
      if (!isDeepStrictEqual(state.get(key), item)) return `${region} missed the last change of ${key}`;
    for (const { region: by, key, mark } of acknowledged) {
      // In eventual mode another Region may see several changes as one.
      if (mode === 'eventual' && by !== region) continue;
      const isSeen = handled[region].some(({ key: its, new: now }) => its === key && markOf(now) === mark);
      if (!isSeen) return `${region} missed the change ${mark} of ${key}, acknowledged in ${by}`;
    }
  }
  return undefined;
}

const markOf = (item: Item | undefined): string | undefined =>
  item?.data?.S === undefined ? item?.w?.S : JSON.parse(item.data.S).mark;
