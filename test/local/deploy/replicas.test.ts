/** The replicas that the emulator lacks, of whatever generation the config uses. */
import { GetItemCommand, ListTablesCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { tableName } from '../../../lambda/contract/names.ts';
import { replicasOf } from '../../../local/deploy/replicas.ts';
import { createTables, dynamodb, STAGE, startDynalite } from '../../support/dynalite.ts';

const [HOME, OTHER] = ['eu-west-1', 'eu-central-1'] as const;
const stores = new Map<string, Awaited<ReturnType<typeof startDynalite>>>();
beforeAll(async () => {
  for (const region of [HOME, OTHER]) stores.set(region, await startDynalite());
});
afterAll(async () => {
  for (const store of stores.values()) await store.stop();
});

it('are made for each generation of the config, hold the same items, and are removed', async () => {
  const aws = (region: string) => ({
    endpoint: stores.get(region)!.endpoint,
    region,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  const [home, other] = [HOME, OTHER].map((region) => dynamodb(stores.get(region)!.endpoint, region)) as [
    ReturnType<typeof dynamodb>,
    ReturnType<typeof dynamodb>,
  ];
  for (const generation of [2, 3]) await createTables(home, ['registry', 'clients'], generation);
  const replicas = replicasOf(STAGE, [HOME, OTHER], aws);
  await replicas.create([2]);
  // A later deployment has another generation as well.
  await replicas.create([3, 2]);
  for (const generation of [2, 3]) {
    const TableName = tableName(STAGE, 'registry', generation);
    const item = { pk: { S: `u${generation}` } };
    await home.send(new PutItemCommand({ TableName, Item: item }));
    await replicas.synchronise();
    expect((await other.send(new GetItemCommand({ TableName, Key: item }))).Item).toEqual(item);
  }
  await replicas.remove();
  // A deletion takes the store a moment.
  await expect.poll(async () => (await other.send(new ListTablesCommand({}))).TableNames).toEqual([]);
});
