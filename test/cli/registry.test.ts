/**
 * `countersign registry`: a copy of the shared tables, on the replicating store and on the local platform.
 */
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CreateTableCommand, DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CliError, EXIT } from '../../cli/io.ts';
import { canonical, DigestSum, KINDS, type Kind, keyOf } from '../../cli/registry/items.ts';
import { readMark } from '../../cli/registry/mark.ts';
import { createClients } from '../../lambda/adapters/clients.ts';
import type { Item } from '../../lambda/adapters/dynamodb.ts';
import { createEndpoints } from '../../lambda/adapters/endpoints.ts';
import { WRITE_STOP_SETTLE_MS } from '../../lambda/contract/limits.ts';
import { TABLES, tableName } from '../../lambda/contract/names.ts';
import { AwsError } from '../../local/aws/protocol.ts';
import { type Carry, dynamodbClientOn } from '../../local/dynamodb/client.ts';
import { type Platform, startPlatform } from '../../local/platform.ts';
import {
  HOME,
  isCopied,
  NEW,
  OLD,
  OTHER,
  REGIONS,
  registration,
  T0,
  type World,
  world,
} from '../support/tables.ts';
import { Directory } from './cli.ts';

const HOUR_S = 3_600;

it('copies every item unchanged, and proves it by digests of both sides; a second run writes nothing', async () => {
  const at = await world();
  const first = await at.copy();
  expect(first).toMatchObject({ complete: true, stopped: true });
  expect(first.tables.map(({ kind, read, written, removed }) => [kind, read, written, removed])).toEqual([
    ['registry', 3, 3, 0],
    ['clients', 4, 4, 0],
  ]);
  at.expectCopied();
  const again = await at.copy();
  expect(again.tables.map(({ written }) => written)).toEqual([0, 0]);
  expect(again.tables.map(({ source }) => source)).toEqual(first.tables.map(({ source }) => source));
  // A strongly consistent read sees every Region's writes.
  for (const { source, target } of again.tables) expect(target).toEqual([{ region: HOME, ...source }]);
});

it('a table of several pages is copied completely, with progress output', async () => {
  const at = await world();
  for (let user = 0; user < 5_100; user++) at.put(OLD, registration(`n${user}`));
  expect(await at.copy()).toMatchObject({ complete: true, tables: [{ written: 5_103 }, {}] });
  at.expectCopied();
  expect(at.reports.join('\n')).toMatch(new RegExp(`registry: copying ${OLD} to ${NEW}: 5\\d{3} items`));
});

it('killed at any call, before or after its effect, and run again, it ends in the same state as one run', async () => {
  const whole = await world();
  let calls = 0;
  whole.carry = async ({ region, operation, input }, store) => {
    calls += 1;
    return store.ask(region, operation, input);
  };
  await whole.copy();
  expect(calls).toBeGreaterThan(20);
  for (let killed = 1; killed <= calls; killed++)
    for (const applied of [false, true]) {
      const at = await world();
      // A leftover of a rehearsal, so that a kill also hits the removal.
      at.put(NEW, registration('gone'));
      let call = 0;
      const { carry } = at;
      at.carry = async (asked, store) => {
        call += 1;
        if (call !== killed) return carry(asked, store);
        if (applied) await carry(asked, store);
        throw Object.assign(new Error('killed'), { name: 'Killed' });
      };
      await expect(at.copy()).rejects.toThrow(/killed/);
      at.carry = carry;
      expect(await at.copy()).toMatchObject({ complete: true });
      at.expectCopied();
    }
});

it('leaves a mark once it is complete, and none while another copy is under way: no later stop has it', async () => {
  const at = await world();
  const mark = () =>
    readMark({ dynamodb: dynamodbClientOn(at.store, HOME), region: HOME, table: NEW, signal });
  const { signal } = new AbortController();
  await at.copy({ whileWriting: true });
  expect(await mark()).toBeUndefined();
  expect(await at.copy()).toMatchObject({ complete: true });
  const stopped = at.shown[HOME]!.stopped_at!;
  expect(await mark()).toEqual({ from: OLD, stops: { [HOME]: stopped, [OTHER]: stopped }, without: {} });
  // The next one, of other tables, ends early.
  at.carry = async ({ region, operation, input }, store) => {
    if (operation === 'PutItem') at.interrupt.abort();
    return store.ask(region, operation, input);
  };
  at.put(OLD, registration('new'));
  await expect(at.copy()).rejects.toMatchObject({ exitCode: EXIT.interrupted });
  expect(await mark()).toBeUndefined();
});

it('updates the items of a rehearsal, and removes those that the source has lost since', async () => {
  const at = await world();
  const rehearsed = await at.copy({ whileWriting: true });
  expect(rehearsed).toMatchObject({ complete: false });
  // Writes go on, so an item that a rehearsal does not find may have been made since.
  at.put(NEW, registration('early'));
  const again = await at.copy({ whileWriting: true });
  expect(again.tables.map(({ removed }) => removed)).toEqual([0, 0]);
  expect(at.items(NEW)).toContain(canonical(registration('early')));
  const clients = createClients(dynamodbClientOn(at.store, HOME), 'countersign-live-clients-1');
  const key = {
    kid: '2',
    alg: 'HS256',
    usableAtS: 2,
    expiresAtS: 20,
    issuedBy: null,
    rootKid: 'r',
    jwk: null,
  };
  const acme = (await clients.load('acme'))!;
  await clients.endKey(acme, '1', 5);
  await clients.setDisabled('acme', false, T0 + 1);
  await clients.addKey(acme, key);
  await clients.revokeKey('acme', '1', T0 + 1);
  at.remove(OLD, { pk: { S: 'acme#id-c' } });
  at.put(OLD, { pk: { S: 'acme#id-a' }, deleted_at: { N: String(T0 + 9_000) }, w: { S: 'w' } });
  const result = await at.copy();
  expect(result).toMatchObject({ complete: true });
  expect(result.tables.map(({ removed }) => removed)).toEqual([2, 0]);
  at.expectCopied();
});

it('a client that was deleted and created again is copied in its current state, with its newer keys', async () => {
  const at = await world();
  await at.copy({ whileWriting: true });
  const clients = createClients(dynamodbClientOn(at.store, HOME), 'countersign-live-clients-1');
  await clients.remove('acme', Date.now());
  const key = {
    kid: '1',
    alg: 'HS256',
    usableAtS: 50,
    expiresAtS: 90,
    issuedBy: null,
    rootKid: 'r',
    jwk: null,
  };
  const record = { profile: 'strict', limit: null, salt: new Uint8Array([3]) } as const;
  await clients.create({ ...record, clientId: 'acme', createdAtMs: T0 + 9_000, keys: [key] });
  expect(await at.copy()).toMatchObject({ complete: true });
  at.expectCopied();
});

it('endpoints of callbacks, what they did not take and their dead letters are copied, and again where they changed', async () => {
  const at = await world();
  const source = tableName('live', 'clients', 1);
  const endpoints = createEndpoints(dynamodbClientOn(at.store, HOME), source);
  const retry = { event: 'evt_1', type: 'registration.created', timestamp: '', data: '{}' };
  const times = { firstAtMs: T0, nextAtMs: T0, lastStatus: 500, lastError: null };
  await endpoints.create(endpointOf('ep_1'));
  await endpoints.putRetry('ep_1', { ...retry, ...times, attempts: 1 });
  await endpoints.putDead('ep_1', { ...retry, ...times, attempts: 9, deadAtMs: T0 });
  await at.copy({ whileWriting: true });
  await endpoints.change((await endpoints.get('ep_1'))!, { cursor: 7 });
  await endpoints.putRetry('ep_1', { ...retry, ...times, attempts: 2 });
  expect(await at.copy()).toMatchObject({ complete: true, tables: [{}, { written: 2, newer: 0 }] });
  at.expectCopied();
});

const endpointOf = (id: string): Parameters<ReturnType<typeof createEndpoints>['create']>[0] => ({
  ...{ id, client: 'acme', holder: HOME, url: 'https://hooks.example.com', events: null, payload: 'thin' },
  ...{ rootKid: 'r', salt: new Uint8Array([1]), previous: [], state: 'active', cursor: 1, cursorAtMs: T0 },
  ...{ openSinceMs: null, probes: 0, probeAtMs: 0, failingSinceMs: null, ping: null, pinged: null },
  ...{
    clientSinceMs: 0,
    createdAtMs: T0,
    urlSinceMs: T0,
    verified: 'https://hooks.example.com',
    lease: null,
    leaseUntilMs: 0,
  },
});

it.each([
  ['deletion', 'deleted', 'deleted_at'],
  ['revocation', 'revoked#7', 'revoked_at'],
])('a later %s of the same name since a rehearsal is copied', async (_, sk, name) => {
  const at = await world();
  const source = tableName('live', 'clients', 1);
  const mark = (atMs: number): Item => ({ pk: { S: 'acme' }, sk: { S: sk }, [name]: { N: String(atMs) } });
  at.put(source, mark(T0 + 1_000));
  await at.copy({ whileWriting: true });
  at.put(source, mark(T0 + 9_000));
  expect(await at.copy()).toMatchObject({ complete: true, tables: [{}, { written: 1, newer: 0 }] });
  at.expectCopied();
});

it.each<[string, Kind, Item, Item]>([
  ['a registration that was made again', 'registry', registration('a', T0 + 60_000), registration('a')],
  [
    'a tombstone',
    'registry',
    { pk: { S: 'acme#id-a' }, deleted_at: { N: String(T0 + 60_000) } },
    registration('a'),
  ],
  [
    'a registration that was made after a deletion',
    'registry',
    registration('a', T0 + 121_000),
    { pk: { S: 'acme#id-a' }, deleted_at: { N: String(T0) } },
  ],
  [
    'a state',
    'clients',
    { pk: { S: 'acme' }, sk: { S: 'state' }, disabled: { BOOL: true }, changed_at: { N: '9' } },
    { pk: { S: 'acme' }, sk: { S: 'state' }, disabled: { BOOL: false }, changed_at: { N: '8' } },
  ],
  [
    'the earlier end of a key',
    'clients',
    { pk: { S: 'acme' }, sk: { S: 'key#7' }, usable_at: { N: '1' }, expires_at: { N: '5' } },
    { pk: { S: 'acme' }, sk: { S: 'key#7' }, usable_at: { N: '1' }, expires_at: { N: '9' } },
  ],
  [
    'a key of a client that was created later',
    'clients',
    { pk: { S: 'acme' }, sk: { S: 'key#7' }, usable_at: { N: '2' }, expires_at: { N: '9' } },
    { pk: { S: 'acme' }, sk: { S: 'key#7' }, usable_at: { N: '1' }, expires_at: { N: '5' } },
  ],
  [
    'the record of a client that was created later',
    'clients',
    { pk: { S: 'acme' }, sk: { S: 'client' }, created_at: { N: String(T0 + 1) } },
    { pk: { S: 'acme' }, sk: { S: 'client' }, created_at: { N: String(T0) } },
  ],
  [
    'a deletion',
    'clients',
    { pk: { S: 'acme' }, sk: { S: 'deleted' }, deleted_at: { N: String(T0 + 1) } },
    { pk: { S: 'acme' }, sk: { S: 'deleted' }, deleted_at: { N: String(T0) } },
  ],
  [
    'a revocation',
    'clients',
    { pk: { S: 'acme' }, sk: { S: 'revoked#1' }, revoked_at: { N: String(T0 + 1) } },
    { pk: { S: 'acme' }, sk: { S: 'revoked#1' }, revoked_at: { N: String(T0) } },
  ],
])('overwrites nothing newer, and then reports an incomplete copy: %s', async (_, kind, newer, older) => {
  const at = await world();
  at.put(tableName('live', kind, 1), older);
  at.put(tableName('live', kind, 2), newer);
  const result = await at.copy();
  expect(result.complete).toBe(false);
  expect(result.tables.find((each) => each.kind === kind)).toMatchObject({ newer: 1, equal: false });
  expect(at.items(tableName('live', kind, 2))).toContain(canonical(newer));
});

it.each<[Kind, Item]>([
  ['clients', { pk: { S: 'acme' }, sk: { S: 'callback#1' }, changed_at: { N: '9' } }],
  ['clients', { pk: { S: 'acme' }, sk: { S: 'toString' }, created_at: { N: '9' } }],
  ['clients', { pk: { S: 'acme' }, sk: { S: 'key#7' }, usable_at: { N: '9' } }],
  ['registry', { pk: { S: 'acme#id-a' }, changed_at: { N: '9' } }],
])(
  'refuses an item of %s whose form it does not know, since it cannot tell which is newer: %j',
  async (kind, item) => {
    const at = await world();
    at.put(tableName('live', kind, 1), item);
    await expect(at.copy()).rejects.toMatchObject({
      exitCode: EXIT.failed,
      message: expect.stringContaining(
        `(${Object.values(keyOf(kind, item))
          .map(({ S }) => S)
          .join(', ')}): copy with`,
      ),
    });
    expect(at.items(tableName('live', kind, 2))).not.toContain(canonical(item));
  },
);

it('refuses while any Region accepts writes, and waits until no write can be in progress', async () => {
  const at = await world();
  at.shown[OTHER] = { ...at.shown[OTHER]!, stopped_at: null, stopped_ms: null };
  await expect(at.copy()).rejects.toMatchObject({
    exitCode: EXIT.failed,
    message: expect.stringMatching(
      `writes go on in ${OTHER}, .* countersign registry stop-writes --stage live, or`,
    ),
  });
  expect(at.items(NEW)).toEqual([]);
  at.shown[OTHER] = { ...at.shown[HOME]!, stopped_ms: WRITE_STOP_SETTLE_MS - 5 };
  await at.copy();
  expect(at.reports[0]).toBe('waiting 5 ms until no write can be under way');
});

it.each(['strong', 'eventual'] as const)(
  'refuses if a Region of the %s stage is not named: it may still register, and the copy would lack that',
  async (mode) => {
    const at = await world(mode);
    at.shown[OTHER] = { ...at.shown[OTHER]!, stopped_at: null, stopped_ms: null };
    for (const whileWriting of [false, true])
      await expect(at.copy({ regions: [HOME], whileWriting })).rejects.toMatchObject({
        exitCode: EXIT.usage,
        message: expect.stringContaining(`the stage also has ${OTHER}`),
      });
    expect(at.items(NEW)).toEqual([]);
  },
);

it('reports an incomplete copy if writes happened in between, even if both sides are equal', async () => {
  const at = await world();
  const { carry } = at;
  at.carry = async (call, store) => {
    if (call.operation === 'PutItem')
      at.shown[OTHER] = { ...at.shown[OTHER]!, stopped_at: '2026-11-23T12:30:00.000Z' };
    return carry(call, store);
  };
  const result = await at.copy();
  expect(result.tables.every(({ equal }) => equal)).toBe(true);
  expect(result).toMatchObject({ complete: false, stopped: false });
});

it('reports an incomplete copy if the target lacks or changes anything: the digest covers every attribute', async () => {
  for (const harm of ['lost', 'changed', 'added'] as const) {
    const at = await world();
    const { carry } = at;
    at.carry = async (call, store) => {
      const { Item } = call.input as unknown as { Item?: Item };
      if (call.operation !== 'PutItem' || Item?.pk?.S !== 'acme#id-a') return carry(call, store);
      if (harm === 'lost') return {};
      if (harm === 'added') at.put(OLD, registration('late'));
      else Object.assign(Item, { data: { S: '{}' } });
      return carry(call, store);
    };
    const { complete, tables } = await at.copy();
    expect([harm, complete, tables.map(({ equal }) => equal)]).toEqual([harm, false, [false, true]]);
  }
});

it('a generation that serves or has served is never filled: items that only it has would be lost', async () => {
  const at = await world();
  at.put(NEW, { pk: { S: `#probe#${OTHER}` }, probed_at: { N: String(T0) } });
  at.put(NEW, registration('acknowledged'));
  await expect(at.copy()).rejects.toThrow(`${NEW} has served in ${OTHER}`);
  expect(at.items(NEW)).toHaveLength(2);
  await expect(at.copy({ toGeneration: 1 })).rejects.toThrow(`${HOME} uses ${OLD} already`);
  at.shown[OTHER] = { ...at.shown[OTHER]!, registry: 'countersign-live-registry-3' };
  await expect(at.copy()).rejects.toThrow('do not use the same tables');
});

it('accepts a restored table instead of the one in use, and identifies it by its keys', async () => {
  const at = await world();
  const table = 'countersign-live-registry-restored';
  at.create(table, 'registry');
  at.put(table, registration('a'));
  at.put(OLD, registration('d'));
  const { tables, complete } = await at.copy({ fromTables: [table] });
  expect(complete).toBe(true);
  expect(tables.map(({ from }) => from)).toEqual([table, 'countersign-live-clients-1']);
  expect(at.items(NEW)).toEqual([canonical(registration('a'))]);
  await expect(at.copy({ fromTables: [table, table] })).rejects.toThrow('are both of registry');
  await expect(at.copy({ fromTables: ['countersign-live-nothing'] })).rejects.toThrow(
    'table countersign-live-nothing in eu-west-1: not found',
  );
});

it.each([
  ['the target', NEW, `${NEW} is of the generation to fill`],
  ['the other target', tableName('live', 'clients', 2), 'is of the generation to fill'],
  ['the ledger', 'countersign-live-ledger-1', 'is a table of ledger'],
  ['a restored table of limits', 'countersign-live-limits-restored', 'is a table of limits'],
])('refuses %s as the source, and copies nothing', async (_, table, message) => {
  const at = await world();
  if (!table.endsWith('-2')) at.create(table, 'registry');
  await expect(at.copy({ fromTables: [table] })).rejects.toMatchObject({
    exitCode: EXIT.usage,
    message: expect.stringContaining(message),
  });
  expect(at.items(NEW)).toEqual([]);
});

it.each<[string, Item]>([
  ['ledger', { pk: { S: 'AXJnonce' }, w: { S: 'w' }, ttl: { N: '9999999999' } }],
  ['limits', { pk: { S: 'stop#writes' }, stopped_at: { N: '1' } }],
])(
  'refuses a source with an item of %s, whatever the name of the table, and copies nothing',
  async (_, item) => {
    const at = await world();
    at.create('restored', 'registry');
    at.put('restored', registration('a'));
    at.put('restored', item);
    await expect(at.copy({ fromTables: ['restored'] })).rejects.toMatchObject({
      exitCode: EXIT.failed,
      message: expect.stringContaining('from a table of registry'),
    });
    expect(at.items(NEW)).toEqual([]);
  },
);

it('compares the replicas of the table in use also if it is named', async () => {
  const at = await world('eventual');
  for (const table of at.store.replicated().eventual) table.deliverAll();
  at.put(OLD, registration('x'), OTHER);
  const { tables, complete } = await at.copy({ fromTables: [OLD] });
  expect([complete, tables[0]!.may_be_missing.length]).toEqual([false, 1]);
});

it('a tombstone of a clock that is behind replaces its registration from a rehearsal', async () => {
  const at = await world();
  at.put(OLD, registration('a'));
  await at.copy({ whileWriting: true });
  at.put(OLD, { pk: { S: 'acme#id-a' }, deleted_at: { N: String(T0 - 119_000) }, w: { S: 'w' } });
  expect(await at.copy()).toMatchObject({ complete: true, tables: [{ newer: 0 }, {}] });
  at.expectCopied();
  // The client registers again, as soon as the clocks allow.
  at.put(OLD, registration('a', T0 - 114_000));
  expect(await at.copy()).toMatchObject({ complete: true, tables: [{ newer: 0 }, {}] });
  at.expectCopied();
});

it('of eventual tables it uses the fullest replica, and reports items of other Regions that may be missing', async () => {
  const at = await world('eventual');
  for (const table of at.store.replicated().eventual) table.deliverAll();
  at.put(OLD, registration('x'), OTHER);
  at.put(OLD, registration('y'), OTHER);
  at.put(OLD, registration('z'), HOME);
  const { carry } = at;
  at.carry = async (call, store) => {
    // The new tables replicate at once, the tables in use do not.
    for (const table of store.replicated().eventual.slice(2)) table.deliverAll();
    return carry(call, store);
  };
  const result = await at.copy();
  expect(result.tables.map(({ equal }) => equal)).toEqual([true, true]);
  expect(result.complete).toBe(false);
  const [registry] = result.tables;
  expect(registry).toMatchObject({ from_region: OTHER, read: 5 });
  expect(registry!.may_be_missing).toMatchObject([{ region: HOME, items: 4 }]);
});

/** A Region of eventual tables that was cut off, and the others: each acknowledged something since. */
async function cutOffWorld(alone: string): Promise<World> {
  const at = await world('eventual');
  const tables = at.store.replicated().eventual;
  for (const table of tables) table.deliverAll();
  for (const table of tables.slice(0, 2)) table.cutOff(alone);
  const other = alone === HOME ? OTHER : HOME;
  for (const user of ['x', 'y', 'z']) at.put(OLD, registration(user), alone);
  at.put(OLD, registration('w'), other);
  const { carry } = at;
  at.carry = async (call, store) => {
    for (const table of store.replicated().eventual.slice(2)) table.deliverAll();
    return carry(call, store);
  };
  return at;
}

it.each(REGIONS)(
  'a Region that is cut off is left behind on demand, also if it is home: %s',
  async (alone) => {
    const at = await cutOffWorld(alone);
    const from = alone === HOME ? OTHER : HOME;
    // Nobody says which of them counts: no waiting makes it complete.
    const untold = await at.copy();
    expect(untold.complete).toBe(false);
    expect(untold.tables[0]!.may_be_missing).toMatchObject([{ replicates: false }]);
    const { complete, tables } = await at.copy({ from });
    expect(complete).toBe(true);
    expect(tables[0]).toMatchObject({
      ...{ from_region: from, may_be_missing: [], left_behind: [{ region: alone, items: 6 }] },
    });
    expect(at.items(NEW)).toEqual(at.items(OLD, from).filter(isCopied));
    const mark = await readMark({
      ...{ dynamodb: dynamodbClientOn(at.store, HOME), region: HOME, table: NEW },
      signal: new AbortController().signal,
    });
    expect(mark).toMatchObject({ from: OLD });
  },
);

it('what is left behind may be unreadable; an interruption is none of that', async () => {
  const at = await cutOffWorld(OTHER);
  const { carry } = at;
  at.carry = async (call, store) => {
    if (call.region === OTHER && call.operation === 'Scan' && call.input.TableName === OLD)
      throw new AwsError('ValidationException', 'KMS key disabled error', 400);
    return carry(call, store);
  };
  const { complete, tables } = await at.copy({ from: HOME });
  expect([complete, tables[0]!.left_behind]).toEqual([true, [{ region: OTHER, items: null }]]);
  at.carry = async (call, store) => {
    if (call.region === OTHER && call.operation === 'Scan') at.interrupt.abort();
    return carry(call, store);
  };
  await expect(at.copy({ from: HOME })).rejects.toMatchObject({ exitCode: EXIT.interrupted });
});

it('a Region that replicates with the named one is never left behind: it must have the same', async () => {
  const at = await world('eventual');
  for (const table of at.store.replicated().eventual) table.deliverAll();
  at.put(OLD, registration('late'), OTHER);
  const { complete, tables } = await at.copy({ from: HOME });
  expect(complete).toBe(false);
  expect(tables[0]).toMatchObject({ from_region: HOME, left_behind: [] });
  expect(tables[0]!.may_be_missing).toMatchObject([{ region: OTHER, replicates: true }]);
});

it('a strongly consistent table, and a restored one, are read in the named Region alone', async () => {
  const at = await world();
  const read: string[] = [];
  const { carry } = at;
  at.carry = async (call, store) => {
    if (call.operation === 'Scan' && call.input.TableName === OLD) read.push(call.region);
    return carry(call, store);
  };
  expect(await at.copy({ from: OTHER })).toMatchObject({
    complete: true,
    tables: [{ from_region: OTHER }, {}],
  });
  expect(new Set(read)).toEqual(new Set([OTHER]));
  at.expectCopied();
  const table = 'countersign-live-registry-restored';
  const KeySchema = [{ AttributeName: 'pk' }];
  at.store.ask(OTHER, 'CreateTable', { TableName: table, KeySchema });
  at.put(table, registration('r'), OTHER);
  expect(await at.copy({ from: OTHER, fromTables: [table] })).toMatchObject({ complete: true });
  expect(at.items(NEW)).toEqual([canonical(registration('r'))]);
  await expect(at.copy({ fromTables: [table] })).rejects.toThrow(`${table} in ${HOME}: not found`);
  await expect(at.copy({ from: 'eu-north-1' })).rejects.toMatchObject({ exitCode: EXIT.usage });
});

it('items that TTL may delete during the run do not count, and items that it deleted do not return', async () => {
  const at = await world();
  const tombstone = (user: string, ttl: number): Item => ({
    pk: { S: `acme#${user}` },
    deleted_at: { N: '1' },
    ttl: { N: String(ttl) },
  });
  at.put(OLD, tombstone('past', T0 / 1000 - 1));
  at.put(OLD, tombstone('soon', T0 / 1000 + HOUR_S));
  at.put(OLD, tombstone('later', T0 / 1000 + 48 * HOUR_S));
  const { carry } = at;
  at.carry = async (call, store) => {
    // TTL runs on the source only.
    if (call.operation === 'PutItem') at.remove(OLD, { pk: { S: 'acme#soon' } });
    return carry(call, store);
  };
  const { complete, tables } = await at.copy();
  expect([complete, tables[0]!.source.items]).toEqual([true, 4]);
  expect(at.items(NEW).join()).not.toContain('past');
});

it('repeats a write that conflicts with one of another Region, and fails if the conflict does not end', async () => {
  const conflict = (times: number): Carry => {
    let left = times;
    return async ({ region, operation, input }, store) => {
      if (operation === 'PutItem' && left-- > 0)
        throw Object.assign(new Error('conflict'), { name: 'ReplicatedWriteConflictException' });
      return store.ask(region, operation, input);
    };
  };
  const at = await world();
  at.carry = conflict(3);
  expect(await at.copy()).toMatchObject({ complete: true });
  at.expectCopied();
  const failing = await world();
  failing.carry = conflict(Number.POSITIVE_INFINITY);
  await expect(failing.copy()).rejects.toThrow(`table ${NEW} in ${HOME}`);
});

it('a table that does not answer is named with its Region, once, while the copy waits for it', async () => {
  const at = await world();
  const { carry } = at;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    at.carry = async (call, store) => {
      if (call.operation === 'PutItem') vi.advanceTimersByTime(60_000);
      return carry(call, store);
    };
    expect(await at.copy()).toMatchObject({ complete: true });
  } finally {
    vi.useRealTimers();
  }
  expect(at.reports).toEqual(
    KINDS.map((kind) => `table ${tableName('live', kind, 2)} in ${HOME} has not answered for 10 s: waiting`),
  );
});

it('Ctrl-C ends it between two pages, and it says that the next run continues', async () => {
  const at = await world();
  const { carry } = at;
  at.carry = async (call, store) => {
    if (call.operation === 'PutItem') at.interrupt.abort();
    return carry(call, store);
  };
  const error = await at.copy().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CliError);
  expect(error).toMatchObject({ exitCode: EXIT.interrupted, message: expect.stringContaining('it goes on') });
});

it('a digest does not depend on the order of items, attributes and sets, and differs for other content', () => {
  const value = fc.oneof(
    fc.string().map((S) => ({ S })),
    fc.integer().map((N) => ({ N: String(N) })),
    fc.uint8Array().map((B) => ({ B })),
    fc.uniqueArray(fc.string(), { minLength: 1 }).map((SS) => ({ SS })),
  );
  // An attribute may have the name of a type.
  const name = fc.oneof(fc.string(), fc.constantFrom('SS', 'NS', 'BS', 'B', 'L', 'M'));
  const items = fc.uniqueArray(fc.dictionary(name, value), {
    selector: (item) => canonical(item as Item),
  });
  const digest = (list: readonly object[]) => {
    const sum = new DigestSum();
    for (const item of list) sum.add(item as Item);
    return sum.value.digest;
  };
  fc.assert(
    fc.property(items, fc.nat(), (list, n) => {
      const turned = list.toReversed().map((item) =>
        Object.fromEntries(
          Object.entries(item)
            .toReversed()
            .map(([name, each]) => [name, 'SS' in each ? { SS: each.SS.toReversed() } : each]),
        ),
      );
      expect(digest(turned)).toBe(digest(list));
      const twice = list[n % (list.length || 1)];
      if (twice) expect(digest([...list, twice, twice])).not.toBe(digest(list));
      if (list.length > 0) expect(digest(list.slice(1))).not.toBe(digest(list));
    }),
  );
});

describe('on the local platform', () => {
  const directory = new Directory();
  let platform: Platform;
  let dynamodb: DynamoDBClient;
  let nowMs = Date.now();
  /** A Region whose functions cannot be reached. */
  let lost: string | undefined;
  /** A Region whose functions cannot reach DynamoDB. */
  let down: string | undefined;
  /** A Region whose functions can write to DynamoDB, and read nothing. */
  let blind: string | undefined;
  /** Takes a scan of a table, and answers once this is over. */
  let scan: (() => Promise<undefined>) | undefined;

  beforeAll(async () => {
    platform = await startPlatform({
      port: 0,
      nowMs: () => nowMs,
      awsFault: ({ region, service, operation }) =>
        operation === 'Scan' && scan
          ? scan()
          : (region === lost && service === 'lambda') ||
              (region === down && service === 'dynamodb') ||
              (region === blind && operation === 'GetItem')
            ? new AwsError('ServiceException', 'lost', 500)
            : undefined,
    });
    mkdirSync(`${directory.path}/.countersign`);
    directory.write('.countersign/local.json', JSON.stringify(platform.info));
    dynamodb = new DynamoDBClient({
      endpoint: platform.info.awsEndpoint,
      region: 'local-a',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    });
    for (const kind of KINDS)
      await dynamodb.send(
        new CreateTableCommand({
          TableName: tableName('local', kind, 2),
          BillingMode: 'PAY_PER_REQUEST',
          AttributeDefinitions: TABLES[kind].keys.map((name) => ({
            AttributeName: name,
            AttributeType: 'S',
          })),
          KeySchema: TABLES[kind].keys.map((name, i) => ({
            AttributeName: name,
            KeyType: i === 0 ? 'HASH' : 'RANGE',
          })),
        }),
      );
  });
  afterAll(async () => {
    dynamodb?.destroy();
    directory.remove();
    await platform?.stop();
  });

  const registry = (...args: string[]) => directory.run(['registry', ...args]);

  it('stops writes, copies, proves the copy, and allows writes again, each step with the right exit code', async () => {
    const early = await registry('copy', '--to-generation', '2');
    expect([early.code, early.stderr]).toEqual([
      1,
      expect.stringContaining('writes go on in local-a, local-b'),
    ]);
    const stopped = await registry('stop-writes');
    expect([stopped.code, stopped.stdout]).toEqual([0, 'writes are stopped: local-a, local-b\n']);
    nowMs += WRITE_STOP_SETTLE_MS;
    expect((await registry('show')).stdout).toMatch(
      /local-b +countersign-local-registry-1 .* stopped 25 s ago/,
    );
    const refused = await directory.run(['clients', 'create', 'late-one', '--profile', 'strict']);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('writes are stopped')]);

    const rehearsed = await registry('copy', '--to-generation', '2', '--while-writing');
    expect([rehearsed.code, rehearsed.stdout]).toEqual([1, expect.stringContaining('4 written')]);
    expect(rehearsed.stderr).toContain('error: a rehearsal proves nothing');
    const copied = await registry('copy', '--to-generation', '2', '--json');
    expect([copied.code, copied.stderr]).toEqual([0, '']);
    expect(copied.json).toMatchObject({ complete: true, stopped: true });
    const Key = { pk: { S: 'dev' }, sk: { S: 'client' } };
    const [before, after] = await Promise.all(
      [1, 2].map((n) =>
        dynamodb.send(new GetItemCommand({ TableName: tableName('local', 'clients', n), Key })),
      ),
    );
    expect(after!.Item).toEqual(before!.Item);
    expect(after!.Item).toBeDefined();

    expect((await registry('copy', '--to-generation', '2')).stdout).toMatch(/\ncomplete and equal\n$/);
    lost = 'local-b';
    const partly = await registry('resume-writes');
    expect([partly.code, partly.stdout]).toEqual([1, 'writes are allowed: local-a\n']);
    expect(partly.stderr).toContain('error: not confirmed by local-b: ');
    expect(partly.stderr).toMatch(
      /^local-b stays stopped until it confirms: .* run again: countersign registry resume-writes$/m,
    );
    const seen = await registry('show');
    expect([seen.code, seen.stdout, seen.stderr]).toEqual([
      1,
      expect.stringContaining('countersign-local-registry-1'),
      expect.stringContaining('error: local-b: '),
    ]);
    lost = undefined;
    const resumed = await registry('resume-writes');
    expect([resumed.code, resumed.stdout]).toEqual([0, 'writes are allowed: local-a, local-b\n']);
    const made = await directory.run(['clients', 'create', 'late-one', '--profile', 'strict']);
    expect(made.code).toBe(0);
  });

  it('a Region whose table is down keeps no other Region stopped, and show names it', async () => {
    await registry('stop-writes');
    down = 'local-a';
    const half = await registry('stop-writes');
    expect([half.code, half.stderr]).toEqual([
      1,
      expect.stringMatching(/^writes may go on in local-a: .* countersign registry resume-writes$/m),
    ]);
    const seen = await registry('show');
    expect([seen.code, seen.stdout, seen.stderr]).toEqual([
      1,
      expect.stringMatching(/^local-b .* stopped /m),
      expect.stringMatching(/^error: local-a: .*\(unavailable\)\n$/),
    ]);
    const partly = await registry('resume-writes');
    expect([partly.code, partly.stdout]).toEqual([1, 'writes are allowed: local-b\n']);
    expect(partly.stderr).toMatch(/error: not confirmed by local-a: .*\(unavailable\)/);
    down = undefined;
    expect((await registry('resume-writes')).code).toBe(0);
  });

  it('writes stay stopped in a Region that does not say which tables it uses', async () => {
    await registry('stop-writes');
    blind = 'local-a';
    const partly = await registry('resume-writes');
    blind = undefined;
    expect([partly.code, partly.stdout]).toEqual([1, 'writes are allowed: local-b\n']);
    expect(partly.stderr).toMatch(/error: not confirmed by local-a: .*\(unavailable\)/);
    expect((await registry('show')).stdout).toMatch(/^local-a .* stopped /m);
    expect((await registry('resume-writes')).code).toBe(0);
  });

  it.each<[string, (interrupt: () => void) => void]>([
    ['Ctrl-C', (interrupt) => interrupt()],
    // A signal to this process would also end the test.
    ['SIGTERM', () => process.listeners('SIGTERM').at(-1)!('SIGTERM')],
    ['SIGHUP', () => process.listeners('SIGHUP').at(-1)!('SIGHUP')],
  ])('%s ends a call of a table that does not answer, and the command says so', async (_, end) => {
    const over = Promise.withResolvers<undefined>();
    let interrupt = () => {};
    scan = () => {
      end(interrupt);
      return over.promise;
    };
    const ran = await directory.run(['registry', 'copy', '--to-generation', '2', '--while-writing'], {
      onReady: (press) => {
        interrupt = press;
      },
    });
    scan = undefined;
    over.resolve(undefined);
    expect([ran.code, ran.stderr]).toEqual([130, 'error: interrupted; run it again: it goes on\n']);
  });

  it('neither copies nor resumes writes if a Region of the stage is not named', async () => {
    await registry('stop-writes');
    const some = new Directory();
    mkdirSync(`${some.path}/.countersign`);
    const { info } = platform;
    some.write('.countersign/local.json', JSON.stringify({ ...info, regions: info.regions.slice(0, 1) }));
    for (const args of [['resume-writes'], ['copy', '--to-generation', '2']]) {
      const ran = await some.run(['registry', ...args]);
      expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining('the stage also has local-b')]);
    }
    some.remove();
    expect((await registry('show')).stdout.match(/stopped/g)).toHaveLength(2);
    expect((await registry('resume-writes')).code).toBe(0);
  });

  it('does not resume writes while the Regions use different tables', async () => {
    const asked: string[] = [];
    const regions = platform.info.regions.map(({ name }) => name);
    // A Lambda whose Regions are at different generations. The signature names the Region.
    const lambda = createServer((request, response) => {
      const region = request.headers.authorization!.split('/')[2];
      asked.push(request.url!);
      const registry = `countersign-local-registry-${regions.indexOf(region!) + 1}`;
      const result = { registry, clients: 'countersign-local-clients-1', consistency: 'strong', regions };
      response.end(JSON.stringify({ ok: true, result }));
    }).listen(0, '127.0.0.1');
    await once(lambda, 'listening');
    const awsEndpoint = `http://127.0.0.1:${(lambda.address() as AddressInfo).port}`;
    const halfway = new Directory();
    mkdirSync(`${halfway.path}/.countersign`);
    halfway.write('.countersign/local.json', JSON.stringify({ ...platform.info, awsEndpoint }));
    const ran = await halfway.run(['registry', 'resume-writes']);
    halfway.remove();
    lambda.close();
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining('do not use the same tables')]);
    expect(asked.filter((url) => url.includes('admin-write'))).toEqual([]);
  });

  it.each([
    [['copy'], 2, "required option '--to-generation <n>' not specified"],
    [['copy', '--to-generation', '0'], 2, 'It must be a whole number'],
    [['copy', '--to-generation', '1'], 2, 'local-a uses countersign-local-registry-1 already'],
    [['copy', '--to-generation', '7', '--while-writing'], 3, 'countersign-local-registry-7 in local-a'],
  ] as const)('%j is refused, and the message says what is wrong', async (args, code, message) => {
    const ran = await registry(...args);
    expect([ran.code, ran.stderr]).toEqual([code, expect.stringContaining(message)]);
  });
});
