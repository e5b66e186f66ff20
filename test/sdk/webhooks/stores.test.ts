/** One suite for every store of a receiver. */
import { CreateTableCommand, type DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import fc from 'fast-check';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { dynamodbStore } from '../../../sdk/typescript/webhooks/dynamodb.ts';
import { memoryStore, type WebhookStore } from '../../../sdk/typescript/webhooks/index.ts';
import { dynamodb, startDynalite } from '../../support/dynalite.ts';

const engine = await startDynalite();
afterAll(() => engine.stop());
const client = dynamodb(engine.endpoint);
const table = 'webhooks';
await client.send(
  new CreateTableCommand({
    TableName: table,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
  }),
);

const NO_TABLE = { name: 'ResourceNotFoundException' };
const LEASE_MS = 60_000;
const REMEMBER_MS = 1_000_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

let ids = 0;
const newId = () => `evt_${ids++}`;
const pass = (ms: number) => vi.setSystemTime(Date.now() + ms);

const STORES: [string, () => WebhookStore][] = [
  ['memory', memoryStore],
  ['DynamoDB', () => dynamodbStore({ client, table })],
];

describe.each(STORES)('the store in %s', (_, create) => {
  it('gives a lease to one run at a time, and says how long it lasts', async () => {
    const [store, id] = [create(), newId()];
    expect(await store.begin(id, 'a', LEASE_MS)).toBe('begun');
    pass(20_000);
    expect(await store.begin(id, 'b', LEASE_MS)).toEqual({ heldForMs: 40_000 });
    pass(39_999);
    expect(await store.begin(id, 'b', LEASE_MS)).toEqual({ heldForMs: 1 });
    pass(1);
    expect(await store.begin(id, 'b', LEASE_MS)).toBe('begun');
    expect(await store.begin(id, 'c', LEASE_MS)).toEqual({ heldForMs: LEASE_MS });
  });

  it('gives one of many runs that begin together the lease', async () => {
    const [store, id] = [create(), newId()];
    const runs = await Promise.all(Array.from({ length: 20 }, (_, i) => store.begin(id, `${i}`, LEASE_MS)));
    expect(runs.filter((begun) => begun === 'begun')).toHaveLength(1);
  });

  it('lengthens a lease only for the run that has it', async () => {
    const [store, id] = [create(), newId()];
    expect(await store.renew(id, 'a', LEASE_MS)).toBe(false);
    await store.begin(id, 'a', LEASE_MS);
    pass(50_000);
    expect(await store.renew(id, 'b', LEASE_MS)).toBe(false);
    expect(await store.renew(id, 'a', LEASE_MS)).toBe(true);
    pass(50_000);
    expect(await store.begin(id, 'b', LEASE_MS)).toEqual({ heldForMs: 10_000 });
    pass(10_000);
    await store.begin(id, 'b', LEASE_MS);
    expect(await store.renew(id, 'a', LEASE_MS)).toBe(false);
  });

  it('knows what is done for as long as it was asked to, whatever an older run does', async () => {
    const [store, id] = [create(), newId()];
    await store.begin(id, 'a', LEASE_MS);
    pass(LEASE_MS);
    await store.begin(id, 'b', LEASE_MS);
    await store.done(id, 'b', REMEMBER_MS);
    await store.release(id, 'a');
    await store.release(id, 'b');
    expect(await store.renew(id, 'a', LEASE_MS)).toBe(false);
    expect(await store.begin(id, 'c', LEASE_MS)).toBe('done');
    pass(REMEMBER_MS - 1);
    expect(await store.begin(id, 'c', LEASE_MS)).toBe('done');
  });

  it('ends the lease of a run that failed, and no other', async () => {
    const [store, id] = [create(), newId()];
    await store.begin(id, 'a', LEASE_MS);
    await store.release(id, 'b');
    expect(await store.begin(id, 'b', LEASE_MS)).toEqual({ heldForMs: LEASE_MS });
    await store.release(id, 'a');
    expect(await store.begin(id, 'b', LEASE_MS)).toBe('begun');
  });

  it('keeps events apart', async () => {
    const [store, one, other] = [create(), newId(), newId()];
    await store.begin(one, 'a', LEASE_MS);
    await store.done(one, 'a', REMEMBER_MS);
    expect(await store.begin(other, 'b', LEASE_MS)).toBe('begun');
  });
});

it('both stores answer alike, in any order of calls', async () => {
  const [memory, remote] = [memoryStore(), dynamodbStore({ client, table })];
  const call = fc.record({
    what: fc.constantFrom('begin', 'begin', 'renew', 'done', 'release'),
    run: fc.constantFrom('a', 'b', 'c'),
    passMs: fc.constantFrom(0, 1, 30_000, 60_000),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 12 }), async (calls) => {
      const id = newId();
      for (const { what, run, passMs } of calls) {
        pass(passMs);
        // DynamoDB deletes what is forgotten some days later, so nothing is forgotten here.
        const ms = what === 'done' ? 10 ** 12 : LEASE_MS;
        const ask = (store: WebhookStore) => store[what as 'begin'](id, run, ms);
        expect(await ask(memory), JSON.stringify(calls)).toEqual(await ask(remote));
      }
    }),
    { numRuns: 60 },
  );
});

describe('the store in memory', () => {
  it('forgets what is done, also of events that come no more', async () => {
    const store = memoryStore();
    await store.done('evt_a', 'a', REMEMBER_MS);
    pass(REMEMBER_MS);
    expect(await store.begin('evt_a', 'b', LEASE_MS)).toBe('begun');
  });
});

describe('the store in DynamoDB', () => {
  it('knows its own lease where the answer to it was lost', async () => {
    const losing = {
      send: async (command: never) => {
        await client.send(command).catch(() => {});
        return client.send(command);
      },
    } as unknown as DynamoDBClient;
    const store = dynamodbStore({ client: losing, table });
    const id = newId();
    expect(await store.begin(id, 'a', LEASE_MS)).toBe('begun');
    expect(await store.begin(id, 'b', LEASE_MS)).toEqual({ heldForMs: LEASE_MS });
  });

  it('throws what is no refusal of its condition', async () => {
    const store = dynamodbStore({ client, table: 'missing' });
    await expect(store.begin(newId(), 'a', LEASE_MS)).rejects.toMatchObject(NO_TABLE);
    await expect(store.renew(newId(), 'a', LEASE_MS)).rejects.toMatchObject(NO_TABLE);
  });

  it('has every item deleted in the end', async () => {
    const store = dynamodbStore({ client, table });
    const [leased, done] = [newId(), newId()];
    await store.begin(leased, 'a', LEASE_MS);
    await store.done(done, 'a', REMEMBER_MS);
    const { Items = [] } = await client.send(new ScanCommand({ TableName: table }));
    const ttlOf = (id: string) => Number(Items.find((item) => item.id!.S === id)!.ttl!.N);
    expect(ttlOf(done)).toBe(Math.ceil((Date.now() + REMEMBER_MS) / 1000));
    expect(ttlOf(leased)).toBeGreaterThan((Date.now() + LEASE_MS) / 1000);
    expect(Items.every(({ ttl }) => ttl?.N !== undefined)).toBe(true);
  });

  it.each([{ client }, { client, table: '' }, { table }, { client: {}, table }])(
    'says what is missing',
    (wrong) => {
      expect(() => dynamodbStore(wrong as never)).toThrow(
        expect.objectContaining({ code: 'invalid_argument' }),
      );
    },
  );
});
