/**
 * Events and callbacks on this machine: each Region has the real outbox and the real delivery. Mappings of
 * streams call the outbox, as on AWS; timers take the place of the queue and the schedule.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Wake } from '../lambda/callbacks/deliver.ts';
import type { DeliverHandler } from '../lambda/callbacks/deliver-handler.ts';
import {
  type DescribedTable,
  STREAM_VIEW,
  streamOf,
  type TableStreams,
} from '../lambda/callbacks/table-stream.ts';
import { LONGEST_CHANGE_MS } from '../lambda/contract/defaults.ts';
import { deliverName, outboxName, tableKinds, tableName } from '../lambda/contract/names.ts';
import { servingEnvironment, type TableConsistency } from '../lambda/contract/serving-environment.ts';
import { outbox } from '../lambda/entry/compose/callbacks.ts';
import { deliver } from '../lambda/entry/compose/deliver.ts';
import type { Log } from '../lambda/log.ts';
import { EventSourceMapping } from './aws/event-source-mapping.ts';
import type { LambdaHandler } from './aws/lambda.ts';
import type { Dynamodb } from './dynamodb/dynamodb.ts';
import { LOOPBACK_TOO } from './loopback.ts';
import type { AwsClients } from './region.ts';
import { STAGE } from './stage.ts';

/** On AWS, Lambda reads a stream four times a second. */
const POLL_MS = 250;
const BATCH = 100;
/** How often the outbox looks which keys of clients end soon, and how late other Regions are. */
const OUTBOX_EVERY_MS = 600_000;
/** On AWS a minute; here a person waits for what an operator's command changed. */
const SCHEDULE_MS = 1_000;

export interface CallbackOptions {
  readonly regions: readonly {
    readonly name: string;
    readonly aws: AwsClients;
    /** The Region's functions by full name. The outbox is added here. */
    readonly functions: Map<string, LambdaHandler>;
  }[];
  readonly store: Dynamodb;
  readonly consistency: TableConsistency;
  readonly nowMs: () => number;
  readonly log: Log;
}

export interface LocalCallbacks {
  /** Reads the streams of other tables from now on, as a Region's stack does that was deployed for them. */
  useTables(generation: number): Promise<void>;
  /** Ends the polls, the last one included. */
  stop(): Promise<void>;
}

/** Each Region's outbox reads the streams of its replicas. */
export async function startCallbacks({
  regions,
  store,
  consistency,
  nowMs,
  log,
}: CallbackOptions): Promise<LocalCallbacks> {
  const mappings: EventSourceMapping[] = [];
  let deliveries: DeliverHandler[] = [];
  const running = new Set<Promise<unknown>>();
  const timers = new Set<NodeJS.Timeout>();

  /** A turn that fails is logged, and the schedule tries again. */
  const run = (delivery: DeliverHandler, event: Parameters<DeliverHandler>[0]): void => {
    const turn = delivery(event).catch(() => {});
    running.add(turn);
    void turn.finally(() => running.delete(turn));
  };
  const later = (delayMs: number, work: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      work();
    }, delayMs);
    timers.add(timer);
  };

  async function useTables(generation: number): Promise<void> {
    deliveries = [];
    const made = regions.map(async ({ name, aws, functions }) => {
      const tables = tableKinds('global').map((kind) => tableName(STAGE, kind, generation));
      const url = 'http://127.0.0.1';
      const env = servingEnvironment({
        ...{ stage: STAGE, region: name, baseUrl: url, entryUrl: url, consistency },
        regions: regions.map((each) => ({ name: each.name, url })),
        tableGeneration: generation,
      });
      const runtime = { env, nowMs, log, dynamodb: aws.dynamodb, secrets: aws.secrets };
      const wake: Wake = async (ids, delayMs) => {
        const Records = ids.map((body) => ({ messageId: randomUUID(), body }));
        later(delayMs, () => run(delivery, { Records }));
      };
      const delivery = deliver(runtime, { guard: LOOPBACK_TOO, wake });
      functions.set(deliverName(STAGE), delivery as LambdaHandler);
      deliveries.push(delivery);
      const handler = outbox(runtime, wake) as LambdaHandler;
      functions.set(outboxName(STAGE), handler);
      const invoke = (event: object) => handler(event, { awsRequestId: randomUUID() });
      const streams = streamsIn(store, name);
      const arns = await Promise.all(tables.map((table) => streamOf(table, streams)));
      return arns.map(
        (streamArn) =>
          new EventSourceMapping({
            streamArn: streamArn!,
            ...{ batchSize: BATCH, maxAgeMs: LONGEST_CHANGE_MS },
            ask: async (operation, input) => store.ask(name, operation, input as never),
            invoke,
            onFailure: () => log({ level: 'ERROR', message: 'outbox', region: name, reason: 'expired' }),
            nowMs,
          }),
      );
    });
    // Those of the tables before read their last changes.
    mappings.push(...(await Promise.all(made)).flat());
  }

  /** A Region that is lost is read again once it is back. */
  const poll = async (mapping: EventSourceMapping) => {
    try {
      await Promise.all((await mapping.readable()).map((shard) => mapping.step(shard)));
    } catch {
      // The next poll reads on.
    }
  };
  const pollAll = () => Promise.all(mappings.map(poll));

  await useTables(1);
  let polling: Promise<unknown> | undefined;
  const timer = setInterval(() => {
    polling ??= pollAll().finally(() => {
      polling = undefined;
    });
  }, POLL_MS);
  const onOutboxSchedule = () => {
    for (const { functions } of regions)
      functions.get(outboxName(STAGE))!({}, { awsRequestId: randomUUID() }).catch(() => {});
  };
  onOutboxSchedule();
  const outboxSchedule = setInterval(onOutboxSchedule, OUTBOX_EVERY_MS);
  const onSchedule = () => {
    for (const delivery of deliveries) run(delivery, {});
  };
  // Operators get the public keys that this copies.
  onSchedule();
  await Promise.all(running);
  const schedule = setInterval(onSchedule, SCHEDULE_MS);
  return {
    useTables,
    async stop() {
      clearInterval(timer);
      clearInterval(outboxSchedule);
      clearInterval(schedule);
      for (const each of timers) clearTimeout(each);
      await Promise.all(running);
      await polling;
    },
  };
}

/** As the custom resource of a Region's stack sees its tables. No change of one takes time here. */
const streamsIn = (store: Dynamodb, region: string): TableStreams => ({
  describe: async (TableName) =>
    (store.ask(region, 'DescribeTable', { TableName }) as { Table: DescribedTable }).Table,
  async turnOn(TableName) {
    const StreamSpecification = { StreamEnabled: true, StreamViewType: STREAM_VIEW };
    store.ask(region, 'UpdateTable', { TableName, StreamSpecification });
  },
  nowMs: Date.now,
  sleep,
});
