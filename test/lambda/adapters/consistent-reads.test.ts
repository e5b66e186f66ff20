/** Reads that decide see the latest write of any Region, even before it reaches the Region's own copy. */
import { expect, it } from 'vitest';
import { createClients } from '../../../lambda/adapters/clients.ts';
import { createRegistry } from '../../../lambda/adapters/registry.ts';
import { TABLES, tableName } from '../../../lambda/contract/names.ts';
import { dynamodbClientOn } from '../../../local/dynamodb/client.ts';
import { Dynamodb } from '../../../local/dynamodb/dynamodb.ts';

const T0 = 1_795_430_000_000;

/** Two Regions of a strong table; nothing has been replicated between them yet. */
function apart(kind: 'clients' | 'registry') {
  const store = new Dynamodb({
    regions: ['a', 'b'],
    witness: 'w',
    modeOf: () => 'strong',
    nowMs: () => T0,
  });
  const table = tableName('test', kind);
  const KeySchema = TABLES[kind].keys.map((AttributeName) => ({ AttributeName }));
  store.ask('a', 'CreateTable', { TableName: table, KeySchema });
  return { table, a: dynamodbClientOn(store, 'a'), b: dynamodbClientOn(store, 'b') };
}

it('a client that was just created, disabled or given another key', async () => {
  const { table, a, b } = apart('clients');
  const record = { clientId: 'new', profile: 'strict', limit: null, createdAtMs: T0 } as const;
  await createClients(a, table).create({ ...record, salt: new Uint8Array(16), keys: [] });
  await createClients(a, table).setDisabled('new', true, T0);
  expect(await createClients(b, table).load('new')).toMatchObject({ clientId: 'new', disabled: true });
});

it('a registration that was just stored', async () => {
  const { table, a, b } = apart('registry');
  const options = { region: 'r', consistency: 'strong', clockErrorMs: 2_000 } as const;
  const made = { id: 'i'.repeat(43), clientId: 'c', userId: 'u', createdAtMs: T0, data: { user_id: 'u' } };
  await createRegistry(a, table, options).register(made, T0);
  expect(await createRegistry(b, table, options).read('c', made.id)).toEqual(made);
});
