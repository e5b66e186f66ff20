/** Operators' actions on endpoints: which keys and secrets they get, and what a replay does. */
import { exportJWK, generateKeyPair } from 'jose';
import { describe, expect, it } from 'vitest';
import { createEvents } from '../../../lambda/adapters/events.ts';
import { createPublicKeys } from '../../../lambda/adapters/public-keys.ts';
import { adminHandler } from '../../../lambda/admin/actions.ts';
import { webhookWriteActions } from '../../../lambda/admin/webhooks.ts';
import { append } from '../../../lambda/callbacks/outbox.ts';
import { publishKeys } from '../../../lambda/callbacks/publish-keys.ts';
import { createSigner } from '../../../lambda/callbacks/sign.ts';
import { TABLES, tableName } from '../../../lambda/contract/names.ts';
import { dynamodbClientOn } from '../../../local/dynamodb/client.ts';
import { Dynamodb } from '../../../local/dynamodb/dynamodb.ts';
import type { Keyset } from '../../../protocol/keyset.ts';
import {
  publicKeyText,
  readKey,
  readSignatures,
  signedContent,
  verifies,
} from '../../../protocol/webhook.ts';
import { memoryEndpoints, newEndpoint } from '../../support/delivery.ts';
import { initialKeyset } from '../../support/keyset.ts';

const T0 = 1_795_430_000_000;
const HOUR_MS = 3_600_000;
const LIMITS = tableName('test', 'limits');

async function ed25519(): Promise<Keyset> {
  const { privateKey } = await generateKeyPair('Ed25519', { extractable: true });
  return initialKeyset({ alg: 'Ed25519', jwk: await exportJWK(privateKey), maxLifeMs: HOUR_MS }, T0);
}

async function parts() {
  let now = T0;
  let keyset = await ed25519();
  let refused: string[] = [];
  let writes = 0;
  const nowMs = () => now;
  const store = new Dynamodb({ regions: ['a'], modeOf: () => 'regional', nowMs });
  for (const kind of ['limits', 'events'] as const) {
    const KeySchema = TABLES[kind].keys.map((AttributeName) => ({ AttributeName }));
    store.ask('a', 'CreateTable', { TableName: tableName('test', kind), KeySchema } as never);
  }
  const events = createEvents(dynamodbClientOn(store, 'a'), tableName('test', 'events'));
  const endpoints = memoryEndpoints();
  const copy = createPublicKeys(dynamodbClientOn(store, 'a'), LIMITS, 'webhook');
  const counted: typeof copy = {
    ...copy,
    async write(...half) {
      writes += 1;
      await copy.write(...half);
    },
  };
  let refusedRoots: string[] = [];
  const roots = initialKeyset(
    {
      alg: 'HKDF-SHA-256',
      jwk: { kty: 'oct', k: Buffer.alloc(32, 7).toString('base64url') },
      maxLifeMs: HOUR_MS,
    },
    T0,
  );
  const actions = webhookWriteActions({
    ...{ endpoints, events, region: 'a', nowMs, keysetMaxAgeMs: 24 * HOUR_MS },
    clients: {} as never,
    publicKeys: copy,
    refusedKeys: async () => refused,
    roots: { signingKey: async () => roots.keys[0] } as never,
    refusedRoots: async () => refusedRoots,
    publicRoots: { read: async () => ({ keyset: roots, atMs: now }) },
    isStopped: async () => false,
    guard: { urlFault: () => undefined, mayCall: () => true },
    resolve: async () => [{ address: '192.0.2.1', family: 4 }],
    wake: async () => {},
  });
  const signer = createSigner({
    webhook: { current: async () => keyset },
    roots: { current: async () => roots },
  });
  const context = { function: 'admin-write', region: 'a', errorDocsUrl: 'https://example.com' } as const;
  const handler = adminHandler({ ...context, log: () => {} }, actions);
  /** @returns the action's result, or its problem */
  async function ask(action: string, params: object): Promise<Record<string, string>> {
    const answer = await handler({ action, params }, { awsRequestId: 'r' });
    return (answer.ok ? answer.result : answer.problem) as Record<string, string>;
  }
  return {
    store,
    publish: publishKeys({ current: async () => keyset }, counted, nowMs),
    writes: () => writes,
    keyText: () => publicKeyText(keyset.keys[0]!.jwk),
    async renew() {
      const before = keyset;
      keyset = { ...(await ed25519()), seq: before.seq + 1 };
    },
    refuse: () => {
      refused = keyset.keys.map(({ kid }) => kid);
    },
    advance: (ms: number) => {
      now += ms;
    },
    endpoints,
    events,
    signer,
    nowMs,
    ask,
    refuseRoot: () => {
      refusedRoots = roots.keys.map(({ kid }) => kid);
    },
    async create() {
      const answer = await ask('webhooks.create', { all: true, url: 'https://hooks.example.com/' });
      return answer.public_key ?? answer.code;
    },
  };
}

it('an endpoint comes with the public key that signs, from a copy that holds nothing private', async () => {
  const { store, publish, create, keyText } = await parts();
  expect(await create()).toBe('unavailable');
  await publish();
  expect(await create()).toBe(keyText());
  const items = JSON.stringify(store.table('a', LIMITS).items('a', true));
  expect(items).toContain('Ed25519');
  expect(items).not.toMatch(/\\"(d|k)\\"/);
});

it('a key that was revoked since the copy, and a copy that is too old, are given to nobody', async () => {
  const { publish, create, refuse, renew, advance, keyText } = await parts();
  await publish();
  advance(24 * HOUR_MS);
  expect(await create()).toBe('unavailable');
  await publish();
  expect(await create()).toBe(keyText());
  refuse();
  expect(await create()).toBe('unavailable');
  await renew();
  await publish();
  expect(await create()).toBe(keyText());
});

it('the copy is written where the keys changed, and every hour', async () => {
  const { publish, renew, writes, advance } = await parts();
  await publish();
  advance(HOUR_MS - 1);
  await publish();
  expect(writes()).toBe(1);
  advance(1);
  await publish();
  expect(writes()).toBe(2);
  await renew();
  await publish();
  expect(writes()).toBe(3);
});

it('a root that was revoked moments ago makes no secret', async () => {
  const { publish, create, ask, endpoints, refuseRoot } = await parts();
  await publish();
  await create();
  const { id } = (await endpoints.list()).endpoints[0]!;
  refuseRoot();
  expect(await create()).toBe('unavailable');
  expect(await ask('webhooks.update', { id, new_secret: true })).toMatchObject({ code: 'unavailable' });
});

it('each secret of an endpoint signs for a day after the next one, and there are five at most', async () => {
  const { publish, ask, endpoints, signer, nowMs, advance } = await parts();
  await publish();
  const made = await ask('webhooks.create', { all: true, url: 'https://hooks.example.com/' });
  const { id } = made as { id: string };
  /** Of the secrets, those that sign. */
  const signing = async (secrets: readonly string[]) => {
    const body = new Uint8Array([1]);
    const { header } = await signer((await endpoints.get(id))!, { id: 'evt_1', body, nowMs: nowMs() });
    const content = signedContent('evt_1', Math.floor(nowMs() / 1000), body);
    const signs = await Promise.all(
      secrets.map(async (secret) => verifies(await readKey(secret)!(), content, readSignatures(header))),
    );
    return signs.flatMap((does, i) => (does ? [i] : []));
  };
  const secrets = [made.secret!];
  for (let i = 1; i < 5; i++) {
    advance(HOUR_MS);
    secrets.push((await ask('webhooks.update', { id, new_secret: true })).secret!);
  }
  expect(await signing(secrets)).toEqual([0, 1, 2, 3, 4]);
  expect(await ask('webhooks.update', { id, new_secret: true })).toMatchObject({ code: 'too_many_secrets' });
  // The first got its successor an hour after it was made.
  advance(21 * HOUR_MS);
  expect(await signing(secrets)).toEqual([1, 2, 3, 4]);
  secrets.push((await ask('webhooks.update', { id, new_secret: true })).secret!);
  expect(await signing(secrets)).toEqual([1, 2, 3, 4, 5]);
  advance(25 * HOUR_MS);
  expect(await signing(secrets)).toEqual([5]);
});

describe('a replay', () => {
  const ID = 'ep_0000000000000001';
  const event = (n: number) => ({
    ...{ id: `evt_${n}`, type: 'registration.created' as const, timestamp: new Date(T0 + n).toISOString() },
    data: { id: `${n}`, client_id: 'acme', version: `a.${T0 + n}.r` },
  });
  const retry = (id: string) => ({
    ...{ event: id, type: 'registration.created', timestamp: new Date(T0 + 5).toISOString(), data: '{}' },
    ...{ attempts: 5, firstAtMs: T0, nextAtMs: T0 + 10 * HOUR_MS, lastStatus: 500, lastError: null },
  });
  const letter = (id: string, atMs: number) => {
    const { nextAtMs: _, ...rest } = retry(id);
    return { ...rest, timestamp: new Date(atMs).toISOString(), deadAtMs: T0 + 1 };
  };
  async function replayed() {
    const made = await parts();
    await append(made.events, [1, 2, 3].map(event), made.nowMs);
    const { last } = (await made.events.range('acme'))!;
    await made.endpoints.create(
      newEndpoint(ID, {
        ...{ client: 'acme', holder: 'a', cursor: last, cursorAtMs: T0 },
        ...{ openSinceMs: T0, probes: 5, probeAtMs: T0 + 10 * HOUR_MS },
      }),
    );
    return { ...made, last };
  }

  it('since a time goes back, and makes what waits for a retry, and a probe, due', async () => {
    const { ask, endpoints, last } = await replayed();
    await endpoints.putRetry(ID, retry('evt_2'));
    await ask('webhooks.replay', { id: ID, since: new Date(T0).toISOString() });
    const after = (await endpoints.get(ID))!;
    expect(after.cursor).toBeLessThanOrEqual(last - 3);
    expect(after.probeAtMs).toBe(T0);
    expect((await endpoints.retries(ID)).map(({ nextAtMs }) => nextAtMs)).toEqual([T0]);
  });

  it('since a time takes out of the failures what comes again, and nothing else', async () => {
    const { ask, endpoints } = await replayed();
    const letters = [letter('evt_1', T0), letter('evt_2', T0 - 1), letter('evt_gone', T0)];
    for (const each of letters) await endpoints.putDead(ID, each);
    await endpoints.putDead(ID, { ...letter('evt_3', T0), type: 'client.disabled' });
    await endpoints.change((await endpoints.get(ID))!, { events: ['registration.created'] });
    await ask('webhooks.replay', { id: ID, since: new Date(T0).toISOString() });
    const left = (await endpoints.dead(ID, undefined, 10)).letters.map(({ event }) => event);
    expect(left.sort()).toEqual(['evt_2', 'evt_3', 'evt_gone']);
  });

  it('of one event makes its retry due, or brings it back from the failures', async () => {
    const { ask, endpoints } = await replayed();
    await endpoints.putRetry(ID, retry('evt_1'));
    await endpoints.putRetry(ID, retry('evt_2'));
    await endpoints.putDead(ID, letter('evt_3', T0));
    await ask('webhooks.replay', { id: ID, event: 'evt_1' });
    await ask('webhooks.replay', { id: ID, event: 'evt_3' });
    const due = (await endpoints.retries(ID)).filter(({ nextAtMs }) => nextAtMs === T0);
    expect(due.map(({ event, attempts }) => [event, attempts])).toEqual([
      ['evt_1', 5],
      ['evt_3', 0],
    ]);
    expect((await endpoints.dead(ID, undefined, 10)).letters).toEqual([]);
    expect((await endpoints.get(ID))!.probeAtMs).toBe(T0);
    expect(await ask('webhooks.replay', { id: ID, event: 'evt_4' })).toMatchObject({ code: 'not_found' });
  });
});
