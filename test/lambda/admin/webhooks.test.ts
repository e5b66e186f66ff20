/** Which public key an operator gets with an endpoint: from the copy that delivery makes of its keys. */
import { exportJWK, generateKeyPair } from 'jose';
import { expect, it } from 'vitest';
import { createPublicKeys } from '../../../lambda/adapters/public-keys.ts';
import { adminHandler } from '../../../lambda/admin/actions.ts';
import { webhookWriteActions } from '../../../lambda/admin/webhooks.ts';
import { publishKeys } from '../../../lambda/callbacks/publish-keys.ts';
import { TABLES, tableName } from '../../../lambda/contract/names.ts';
import { dynamodbClientOn } from '../../../local/dynamodb/client.ts';
import { Dynamodb } from '../../../local/dynamodb/dynamodb.ts';
import type { Keyset } from '../../../protocol/keyset.ts';
import { publicKeyText } from '../../../protocol/webhook.ts';
import { memoryEndpoints } from '../../support/delivery.ts';
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
  const KeySchema = TABLES.limits.keys.map((AttributeName) => ({ AttributeName }));
  store.ask('a', 'CreateTable', { TableName: LIMITS, KeySchema } as never);
  const copy = createPublicKeys(dynamodbClientOn(store, 'a'), LIMITS, 'webhook');
  const counted: typeof copy = {
    ...copy,
    async write(...half) {
      writes += 1;
      await copy.write(...half);
    },
  };
  const root = initialKeyset(
    {
      alg: 'HKDF-SHA-256',
      jwk: { kty: 'oct', k: Buffer.alloc(32, 7).toString('base64url') },
      maxLifeMs: HOUR_MS,
    },
    T0,
  );
  const actions = webhookWriteActions({
    ...{ endpoints: memoryEndpoints(), region: 'a', nowMs, keysetMaxAgeMs: 24 * HOUR_MS },
    events: { range: async () => undefined } as never,
    clients: {} as never,
    publicKeys: copy,
    refusedKeys: async () => refused,
    roots: { signingKey: async () => root.keys[0] } as never,
    refusedRoots: async () => [],
    guard: { urlFault: () => undefined, mayCall: () => true },
    resolve: async () => [{ address: '192.0.2.1', family: 4 }],
    wake: async () => {},
  });
  const context = { function: 'admin-write', region: 'a', errorDocsUrl: 'https://example.com' } as const;
  const handler = adminHandler({ ...context, log: () => {} }, actions);
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
    async create() {
      const params = { all: true, url: 'https://hooks.example.com/' };
      const answer = await handler({ action: 'webhooks.create', params }, { awsRequestId: 'r' });
      return answer.ok ? (answer.result as { public_key: string }).public_key : answer.problem.code;
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
