/**
 * Events and callbacks on this machine: each Region has the real outbox and the real delivery. Mappings of
 * streams call the outbox, as on AWS; timers take the place of the queue and the schedule.
 */
import { randomUUID } from 'node:crypto';
import type { Wake } from '../lambda/callbacks/deliver.ts';
import type { DeliverHandler } from '../lambda/callbacks/deliver-handler.ts';
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
/** How often the outbox looks which keys of clients end soon. */
const EXPIRING_EVERY_MS = 3_600_000;
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
  useTables(generation: number): void;
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
  let mappings: EventSourceMapping[] = [];
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

  function useTables(generation: number): void {
    deliveries = [];
    mappings = regions.flatMap(({ name, aws, functions }) => {
      const tables = tableKinds('global').map((kind) => tableName(STAGE, kind, generation));
      const url = 'http://127.0.0.1';
      const env = servingEnvironment({
        ...{ stage: STAGE, region: name, baseUrl: url, entryUrl: url, regions: [], consistency },
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
      return tables.map(
        (TableName) =>
          new EventSourceMapping({
            streamArn: (store.ask(name, 'DescribeTable', { TableName }) as Described).Table.LatestStreamArn,
            ...{ batchSize: BATCH, maxAgeMs: LONGEST_CHANGE_MS },
            ask: async (operation, input) => store.ask(name, operation, input as never),
            invoke,
            onFailure: () => log({ level: 'ERROR', message: 'outbox', region: name, reason: 'expired' }),
            nowMs,
          }),
      );
    });
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

  useTables(1);
  let polling: Promise<unknown> | undefined;
  const timer = setInterval(() => {
    polling ??= pollAll().finally(() => {
      polling = undefined;
    });
  }, POLL_MS);
  const hourly = setInterval(() => {
    for (const { functions } of regions)
      functions.get(outboxName(STAGE))!({}, { awsRequestId: randomUUID() }).catch(() => {});
  }, EXPIRING_EVERY_MS);
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
      clearInterval(hourly);
      clearInterval(schedule);
      for (const each of timers) clearTimeout(each);
      await Promise.all(running);
      await polling;
    },
  };
}

interface Described {
  readonly Table: { readonly LatestStreamArn: string };
}
