/**
 * The replicas of global tables in the other Regions, which the emulator does not make. `synchronise` makes
 * them equal, so that its caller decides how long the replication lag is.
 */
import { isDeepStrictEqual } from 'node:util';
import {
  CreateTableCommand,
  DeleteItemCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  PutItemCommand,
  ResourceInUseException,
  ScanCommand,
} from '@aws-sdk/client-dynamodb';
import type { Item } from '../../lambda/adapters/dynamodb.ts';
import { TABLES, type TableKind, tableKinds, tableName } from '../../lambda/contract/names.ts';

export interface Replicas {
  /** Creates the missing tables of these generations, empty. */
  create(generations: readonly number[]): Promise<void>;
  /** Copies each change since the last call to all other Regions. Of two changes to one item, one wins. */
  synchronise(): Promise<void>;
  remove(): Promise<void>;
}

/** Options for the AWS SDK clients of a Region. */
type Aws = (region: string) => {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
};

/** @param regions the home Region first */
export function replicasOf(stage: string, regions: readonly string[], aws: Aws): Replicas {
  const [home, ...others] = regions.map((region) => new DynamoDBClient(aws(region)));
  const kinds = tableKinds('global');
  /** By name, the tables that were made, and the items of all Regions after the last synchronisation. */
  const made = new Map<string, { readonly kind: TableKind; agreed: Items }>();

  return {
    async create(generations) {
      for (const generation of generations)
        for (const kind of kinds) {
          const TableName = tableName(stage, kind, generation);
          const { Table } = await home!.send(new DescribeTableCommand({ TableName }));
          const { AttributeDefinitions, KeySchema } = Table!;
          const table = {
            TableName,
            AttributeDefinitions,
            KeySchema,
            BillingMode: 'PAY_PER_REQUEST',
            StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' },
          } as const;
          for (const dynamodb of others)
            await unless(ResourceInUseException, dynamodb.send(new CreateTableCommand(table)));
          if (!made.has(TableName)) made.set(TableName, { kind, agreed: new Map() });
        }
    },

    async synchronise() {
      for (const [TableName, table] of made) {
        const { kind, agreed: before } = table;
        const { keys } = TABLES[kind];
        const found = await Promise.all(
          [home!, ...others].map(async (dynamodb) => ({
            dynamodb,
            items: await scan(dynamodb, kind, TableName),
          })),
        );
        const after = new Map<string, Item>();
        for (const id of new Set([...before.keys(), ...found.flatMap(({ items }) => [...items.keys()])])) {
          const was = before.get(id);
          const changed = found.find(({ items }) => !isDeepStrictEqual(items.get(id), was));
          const now = changed ? changed.items.get(id) : was;
          if (now) after.set(id, now);
          for (const { dynamodb, items } of found) {
            if (isDeepStrictEqual(items.get(id), now)) continue;
            const Key = Object.fromEntries(keys.map((key) => [key, (now ?? was)![key]!]));
            await (now
              ? dynamodb.send(new PutItemCommand({ TableName, Item: now }))
              : dynamodb.send(new DeleteItemCommand({ TableName, Key })));
          }
        }
        table.agreed = after;
      }
    },

    async remove() {
      for (const TableName of made.keys())
        for (const dynamodb of others) await dynamodb.send(new DeleteTableCommand({ TableName }));
    },
  };
}

type Items = ReadonlyMap<string, Item>;

/** @returns the items by their key */
async function scan(dynamodb: DynamoDBClient, kind: TableKind, TableName: string): Promise<Items> {
  const items = new Map<string, Item>();
  let ExclusiveStartKey: Item | undefined;
  do {
    const page = await dynamodb.send(
      new ScanCommand({ TableName, ...(ExclusiveStartKey && { ExclusiveStartKey }) }),
    );
    for (const item of page.Items ?? [])
      items.set(JSON.stringify(TABLES[kind].keys.map((key) => item[key]!.S)), item);
    ExclusiveStartKey = page.LastEvaluatedKey;
  } while (ExclusiveStartKey);
  return items;
}

/** @throws every other error */
async function unless(expected: new (...args: never[]) => Error, work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof expected)) throw error;
  });
}
