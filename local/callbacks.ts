/** Events on this machine: each Region has the real outbox. Mappings of streams call it, as on AWS. */
import { randomUUID } from 'node:crypto';
import { outboxName, tableKinds, tableName } from '../lambda/contract/names.ts';
import { outbox } from '../lambda/entry/compose/callbacks.ts';
import type { Log } from '../lambda/log.ts';
import { EventSourceMapping } from './aws/event-source-mapping.ts';
import type { LambdaHandler } from './aws/lambda.ts';
import type { Dynamodb } from './dynamodb/dynamodb.ts';
import type { AwsClients } from './region.ts';
import { STAGE } from './stage.ts';

/** On AWS, Lambda reads a stream four times a second. */
const POLL_MS = 250;
const BATCH = 100;

export interface CallbackOptions {
  readonly regions: readonly {
    readonly name: string;
    readonly aws: AwsClients;
    /** The Region's functions by full name. The outbox is added here. */
    readonly functions: Map<string, LambdaHandler>;
  }[];
  readonly store: Dynamodb;
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
export function startCallbacks({ regions, store, nowMs, log }: CallbackOptions): LocalCallbacks {
  let mappings: EventSourceMapping[] = [];

  function useTables(generation: number): void {
    mappings = regions.flatMap(({ name, aws, functions }) => {
      const tables = tableKinds('global').map((kind) => tableName(STAGE, kind, generation));
      const env = {
        COUNTERSIGN_STAGE: STAGE,
        COUNTERSIGN_REGION: name,
        ...tableVariables(generation),
      };
      const handler = outbox({ env, nowMs, log, dynamodb: aws.dynamodb }) as LambdaHandler;
      functions.set(outboxName(STAGE), handler);
      const invoke = (event: object) => handler(event, { awsRequestId: randomUUID() });
      return tables.map(
        (TableName) =>
          new EventSourceMapping({
            streamArn: (store.ask(name, 'DescribeTable', { TableName }) as Described).Table.LatestStreamArn,
            batchSize: BATCH,
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
  return {
    useTables,
    async stop() {
      clearInterval(timer);
      await polling;
    },
  };
}

const tableVariables = (generation: number) => ({
  COUNTERSIGN_REGISTRY_TABLE: tableName(STAGE, 'registry', generation),
  COUNTERSIGN_CLIENTS_TABLE: tableName(STAGE, 'clients', generation),
  COUNTERSIGN_EVENTS_TABLE: tableName(STAGE, 'events'),
});

interface Described {
  readonly Table: { readonly LatestStreamArn: string };
}
