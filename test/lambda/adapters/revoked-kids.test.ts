/**
 * Revoked kids of the platform's own keys, in a Region's `limits` table: after 10 s no signature of theirs is
 * accepted.
 */
import type { GetItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { describe, expect, it } from 'vitest';
import type { SdkDynamodb } from '../../../lambda/adapters/aws-sdk.ts';
import { createPublishedKeys } from '../../../lambda/adapters/published-keys.ts';
import { createRevokedKids } from '../../../lambda/adapters/revoked-kids.ts';
import { createRotationRecord } from '../../../lambda/adapters/rotation-record.ts';
import { tableName } from '../../../lambda/contract/names.ts';
import { readNonce } from '../../../protocol/nonce.ts';
import { NOTHING_PUBLISHED, type Published } from '../../../protocol/published.ts';
import { STAGE } from '../../support/dynalite.ts';
import { type Region, regionsForFile, startRegions } from '../../support/regions.ts';
import { makeClient, prepare, register } from '../../support/signer.ts';

const { platform, a, b } = await regionsForFile();
const signer = await makeClient(platform);

const revoke = (region: Region, purpose: 'nonce' | 'client-root', kids: string[]) =>
  createRevokedKids(region.dynamodb, tableName(STAGE, 'limits')).add(purpose, kids, platform.clock.nowMs);
const kidOf = (purpose: 'nonce' | 'client-root') => platform.secrets[purpose].keyset.keys[0]!.kid;

it('kids are added to the existing ones, and are stored for longer than any key lives', async () => {
  const kids = createRevokedKids(a.dynamodb, tableName(STAGE, 'limits'));
  expect(await kids.read('token')).toEqual([]);
  await kids.add('token', ['AAAAAA'], platform.clock.nowMs);
  await kids.add('token', ['BBBBBA', 'AAAAAA'], platform.clock.nowMs);
  await expect(kids.add('token', [], platform.clock.nowMs)).rejects.toThrow('no kids to revoke');
  expect([...(await kids.read('token'))].sort()).toEqual(['AAAAAA', 'BBBBBA']);
  const item = (await platform.items('limits', a)).find(
    ({ pk }) => (pk as { S: string }).S === 'revoked#token',
  );
  const years = (Number((item!.ttl as { N: string }).N) - platform.clock.nowMs / 1000) / (365 * 24 * 3600);
  expect(years).toBeGreaterThan(4);
});

it('reads are strongly consistent', async () => {
  const item = { Item: { kids: { SS: ['AAAAAA'] }, published: { S: '{"seq":7,"kids":{}}' } } };
  const lagging = {
    send: async ({ input }: GetItemCommand) => (input.ConsistentRead ? item : {}),
  } as unknown as SdkDynamodb;
  const table = tableName(STAGE, 'limits');
  expect(await createRevokedKids(lagging, table).read('nonce')).toEqual(['AAAAAA']);
  expect(await createPublishedKeys(lagging, table, 'nonce').read()).toEqual({ seq: 7, kids: {} });
});

it("the published keys are stored beside them: concurrent writers lose none of each other's changes", async () => {
  const keys = createPublishedKeys(a.dynamodb, tableName(STAGE, 'limits'), 'token');
  await keys.change(() => NOTHING_PUBLISHED, platform.clock.nowMs);
  expect(await keys.read()).toEqual(NOTHING_PUBLISHED);
  const adding = (kid: string) => (before: Published) => ({
    seq: before.seq + 1,
    kids: { ...before.kids, [kid]: null },
  });
  const kids = ['CCCCCA', 'DDDDDA', 'EEEEEA'];
  await Promise.all(kids.map((kid) => keys.change(adding(kid), platform.clock.nowMs)));
  expect(await keys.read()).toEqual({ seq: 3, kids: { CCCCCA: null, DDDDDA: null, EEEEEA: null } });
  expect([...(await createRevokedKids(a.dynamodb, tableName(STAGE, 'limits')).read('token'))].sort()).toEqual(
    ['AAAAAA', 'BBBBBA'],
  );
  // A writer that is always overtaken gives up.
  const busy = {
    send: async (command: GetItemCommand | UpdateItemCommand) => {
      if ('UpdateExpression' in command.input)
        throw Object.assign(new Error(), { name: 'ConditionalCheckFailedException' });
      return {};
    },
  } as unknown as SdkDynamodb;
  await expect(
    createPublishedKeys(busy, tableName(STAGE, 'limits'), 'token').change((before) => before, 0),
  ).rejects.toThrow('limits unavailable');
});

it('the reason why a rotation failed is stored beside them, until the next success removes it', async () => {
  const table = tableName(STAGE, 'limits');
  const record = createRotationRecord(a.dynamodb, table, 'token');
  const before = await platform.items('limits', a);
  await record.succeeded();
  expect(await platform.items('limits', a)).toEqual(before);
  expect(await record.read()).toBeNull();
  const failure = { at: '2026-11-23T00:00:00.000Z', action: 'createSecret', reason: 'Vault is sealed' };
  await record.failed({ ...failure, action: 'testSecret' });
  await record.failed(failure);
  expect(await record.read()).toEqual(failure);
  expect([...(await createRevokedKids(a.dynamodb, table).read('token'))].sort()).toEqual([
    'AAAAAA',
    'BBBBBA',
  ]);
  expect(await createRotationRecord(a.dynamodb, table, 'nonce').read()).toBeNull();
  await record.succeeded();
  expect(await record.read()).toBeNull();
});

describe('a revoked nonce key', () => {
  it('verifies nothing after 10 s in a Region that knows of it, whatever the secret says', async () => {
    const instance = a.instance();
    expect((await register(platform, instance, signer, { user_id: 'before' })).status).toBe(201);
    const ask = await prepare(platform, instance, signer, { user_id: 'after' });
    // Another key signs from now on; the copy of the secret still has the old one.
    const { keyset } = platform.secrets.nonce;
    const next = { ...keyset.keys[0]!, kid: 'AAAAAA', activates_at: platform.clock.nowMs + 1 };
    platform.secrets.nonce.keyset = { ...keyset, seq: keyset.seq + 1, keys: [...keyset.keys, next] };
    await revoke(a, 'nonce', [kidOf('nonce')]);
    platform.clock.nowMs += 10_001;
    expect((await a.instance().send(ask)).code).toBe('use_nonce');
    expect((await register(platform, a.instance(), signer, { user_id: 'after' })).status).toBe(201);
    expect((await register(platform, b, signer, { user_id: 'elsewhere' })).status).toBe(201);
  });

  it('issues no refused nonce: 503 while there is no other key, and the next key signs within a second', async () => {
    const instance = b.instance();
    const ask = () => instance.send({ method: 'GET', path: `/v1/nonce?client_id=${signer.clientId}` });
    expect((await ask()).status).toBe(200);
    const secret = platform.secrets.nonce;
    const { keyset } = secret;
    await revoke(
      b,
      'nonce',
      keyset.keys.map(({ kid }) => kid),
    );
    const late = await prepare(platform, instance, signer, { user_id: 'signed-before' });
    platform.clock.nowMs += 10_001;
    // Such an answer needs no key: it says when to retry, and carries no nonce.
    const { headers: told, code: refused } = await instance.send(late);
    expect([refused, told['replay-nonce'], told['retry-after']]).toEqual(['use_nonce', undefined, '1']);
    const claims = { iat: platform.clock.nowMs / 1000 + 3600, exp: platform.clock.nowMs / 1000 + 3660 };
    const early = await prepare(platform, instance, signer, { user_id: 'early' }, { nonce: 'x', claims });
    const { headers: skewed, code } = await instance.send(early);
    expect([code, skewed['replay-nonce'], skewed['retry-after']]).toEqual(['clock_skew', undefined, '1']);
    for (let i = 0; i < 3; i++) {
      const { status, code, headers } = await ask();
      expect([status, code, headers['retry-after']]).toEqual([503, 'unavailable', '1']);
      platform.clock.nowMs += 60_000;
    }
    const next = { ...keyset.keys[0]!, kid: 'DDDDDA', activates_at: platform.clock.nowMs };
    secret.keyset = {
      ...keyset,
      seq: keyset.seq + 1,
      revoked: keyset.keys.map(({ kid }) => kid),
      keys: [next],
    };
    platform.clock.nowMs += 1_000;
    const { status, json } = await ask();
    expect(status).toBe(200);
    const user = { user_id: 'after-the-next' };
    const ready = await prepare(platform, instance, signer, user, { nonce: json.nonce });
    expect((await instance.send(ready)).status).toBe(201);
  });
});

describe('a revoked client root', () => {
  it('also ends the keys derived from it, although they were made before', async () => {
    const instance = b.instance();
    const late = await makeClient(platform);
    expect((await register(platform, instance, signer, { user_id: 'root-before' })).status).toBe(201);
    await revoke(b, 'client-root', [kidOf('client-root')]);
    // The key is made just before the instance must know of the revocation. Without that, it would be cached
    // for 10 s.
    platform.clock.nowMs += 9_999;
    expect((await register(platform, instance, late, { user_id: 'root-late' })).status).toBe(201);
    platform.clock.nowMs += 2;
    for (const each of [signer, late])
      expect((await register(platform, instance, each, { user_id: 'root-after' })).code).toBe(
        'invalid_proof',
      );
  });
});

describe('a new nonce key', () => {
  it('is accepted at once by an instance that caches the old keyset', async () => {
    const [holds, has] = [a.instance(), a.instance()];
    expect((await register(platform, holds, signer, { user_id: 'nonce-held' })).status).toBe(201);
    platform.clock.nowMs += 10_000;
    const secret = platform.secrets.nonce;
    const { keyset } = secret;
    const next = { ...keyset.keys[0]!, kid: 'FFFFFA', activates_at: platform.clock.nowMs };
    secret.keyset = { ...keyset, seq: keyset.seq + 1, keys: [...keyset.keys, next] };
    const ready = await prepare(platform, has, signer, { user_id: 'nonce-new' });
    expect(readNonce(ready.nonce)?.kid).toBe('FFFFFA');
    expect((await holds.send(ready)).status).toBe(201);
  });
});

describe('a new client root', () => {
  it('that signs at once, as after a revocation, is accepted at once by an instance that caches the old keyset', async () => {
    const instance = a.instance();
    expect((await register(platform, instance, signer, { user_id: 'root-held' })).status).toBe(201);
    platform.clock.nowMs += 10_000;
    const secret = platform.secrets['client-root'];
    const next = { ...secret.keyset.keys[0]!, kid: 'CCCCCA', activates_at: platform.clock.nowMs };
    secret.keyset = { ...secret.keyset, seq: secret.keyset.seq + 1, keys: [...secret.keyset.keys, next] };
    const made = (await a
      .instance()
      .functions['admin-write'](
        { action: 'clients.create', params: { profile: 'strict' } },
        { awsRequestId: 'r' },
      )) as { ok: true; result: { client_id: string; kid: string; api_key: string } };
    const { client_id: clientId, kid, api_key: apiKey } = made.result;
    const fresh = { clientId, kid, apiKey };
    expect((await register(platform, instance, fresh, { user_id: 'root-new' })).status).toBe(201);
  });
});

it('if the table cannot be read, nothing is registered', async () => {
  const fresh = await startRegions();
  try {
    const [region] = fresh.regions;
    const someone = await makeClient(fresh);
    const broken = {
      send: async (command: { input: { Key?: { pk?: { S: string } } } }) => {
        if (command.input.Key?.pk?.S.startsWith('revoked#')) throw new Error('limits are down');
        return region.dynamodb.send(command as never);
      },
    } as unknown as SdkDynamodb;
    const instance = region.instance({}, { dynamodb: broken });
    expect((await register(fresh, instance, someone, { user_id: 'unread' })).code).toBe('unavailable');
  } finally {
    await fresh.stop();
  }
});
