/** The client gets its next key by itself: against the real handlers, on a clock that the test controls. */
import { randomUUID } from 'node:crypto';
import { CreateTableCommand, PutItemCommand, ResourceInUseException } from '@aws-sdk/client-dynamodb';
import { exportJWK, generateKeyPair } from 'jose';
import { afterEach, expect, it, test, vi } from 'vitest';
import { tableName } from '../../lambda/contract/names.ts';
import {
  type ClientOptions,
  CountersignClient,
  InvalidProofError,
  type RotatedKey,
} from '../../sdk/typescript/index.ts';
import { STAGE } from '../support/dynalite.ts';
import { type Region, regionsForFile } from '../support/regions.ts';
import { makeBasicClient, makeClient } from '../support/signer.ts';

const { platform, a, b } = await regionsForFile();
const DAY_MS = 24 * 3600 * 1000;
const MINUTE_MS = 60_000;

/** What was sent, e.g. `POST /v1/keys 2`: with the kid that signed. */
let sent: string[] = [];
let served: (region: Region) => Region = (region) => region;
const clients: CountersignClient[] = [];
afterEach(async () => {
  served = (region) => region;
  sent = [];
  for (const client of clients.splice(0)) await client.close();
});

const throughHandlers = (async (url: string, init: RequestInit) => {
  const { hostname, pathname, search } = new URL(url);
  const region = served(hostname.startsWith(b.name) ? b : a);
  const headers = Object.fromEntries(new Headers(init.headers));
  const proof = headers.authorization?.split(' ')[1]?.split('.')[0];
  const kid = proof && JSON.parse(Buffer.from(proof, 'base64url').toString()).kid;
  sent.push([init.method, pathname, ...(kid ? [kid] : [])].join(' '));
  const body = init.body as Uint8Array | undefined;
  const answer = await region.send({
    method: init.method!,
    path: pathname + search,
    headers,
    ...(body && { body }),
  });
  const date = new Date(platform.clock.nowMs).toUTCString();
  return new Response(answer.status === 204 ? null : answer.text, {
    status: answer.status,
    headers: { ...answer.headers, Date: date },
  });
}) as unknown as typeof fetch;

function connect(options: Partial<ClientOptions> & object): CountersignClient {
  const client = new CountersignClient(
    { url: 'https://api.example.com', fetch: throughHandlers, logLevel: 'off', ...options } as ClientOptions,
    { now: () => platform.clock.nowMs, sleep: async () => {} },
  );
  clients.push(client);
  return client;
}
const register = (client: CountersignClient) => client.register({ user_id: randomUUID() });
/** However busy the machine is. */
const until = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 30_000 });
const settled = (times: number) => until(() => expect(asked()).toBe(times));
const asked = () => sent.filter((line) => line.startsWith('POST /v1/keys')).length;
const signedBy = () =>
  sent.filter((line) => line.startsWith('POST /v1/register')).map((line) => line.split(' ')[2]);

it('asks for nothing until 14 days before the end; then once, unasked, and signs with the next key', async () => {
  const { apiKey } = await makeClient(platform);
  const client = connect({ apiKey });
  platform.clock.nowMs += 75 * DAY_MS;
  await register(client);
  expect(asked()).toBe(0);
  platform.clock.nowMs += 2 * DAY_MS;
  await Promise.all([register(client), register(client), register(client)]);
  await settled(1);
  await until(async () => {
    await register(client);
    expect(signedBy().at(-1)).toBe('2');
  });
  expect(asked()).toBe(1);
  // Past the end of the first key.
  platform.clock.nowMs += 20 * DAY_MS;
  await register(client);
});

it('the callback has the key before the client signs with it; while it fails, the old key signs', async () => {
  const { apiKey } = await makeClient(platform);
  const stored: RotatedKey[] = [];
  let disk = false;
  const client = connect({
    apiKey,
    onKeyRotated: async (key) => {
      if (!disk) throw new Error('the disk is full');
      expect(signedBy()).not.toContain('2');
      stored.push(key);
    },
  });
  platform.clock.nowMs += 80 * DAY_MS;
  await register(client);
  await settled(1);
  platform.clock.nowMs += 59 * MINUTE_MS;
  for (let i = 0; i < 3; i++) await register(client);
  expect(asked()).toBe(1);
  expect(new Set(signedBy())).toEqual(new Set(['1']));
  disk = true;
  platform.clock.nowMs += 2 * MINUTE_MS;
  await register(client);
  await until(() => expect(stored.length).toBe(1));
  await until(async () => {
    await register(client);
    expect(signedBy().at(-1)).toBe('2');
  });
  const [{ kid, credential, expiresAt }] = stored as [RotatedKey];
  expect(kid).toBe('2');
  expect(expiresAt.getTime()).toBeGreaterThan(platform.clock.nowMs + 80 * DAY_MS);
  // A restarted process signs with what the callback kept.
  await register(connect(credential));
});

it('a process that starts with the old key gets the same next key', async () => {
  const { apiKey } = await makeClient(platform);
  platform.clock.nowMs += 80 * DAY_MS;
  const kept: RotatedKey[] = [];
  for (let i = 0; i < 2; i++) {
    await register(connect({ apiKey, onKeyRotated: (key) => void kept.push(key) }));
    await until(() => expect(kept.length).toBe(i + 1));
  }
  expect(kept[1]).toEqual(kept[0]);
});

test.each(['ES256', 'Ed25519'] as const)('a client with a key pair (%s) makes the next pair', async (alg) => {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const clientId = `p-${randomUUID().slice(0, 8)}`;
  const jwk = { ...(await exportJWK(publicKey)), alg };
  await platform.operate('clients.create', { client_id: clientId, profile: 'strict', jwk } as never);
  platform.clock.nowMs += 80 * DAY_MS;
  const silent = connect({ clientId, privateKey });
  await register(silent);
  // Without a callback nobody would have the private half once this process ends.
  expect(asked()).toBe(0);
  const kept: RotatedKey[] = [];
  const client = connect({ clientId, privateKey, onKeyRotated: (key) => void kept.push(key) });
  await register(client);
  await until(() => expect(kept.length).toBe(1));
  await until(async () => {
    await register(client);
    expect(signedBy().at(-1)).toBe(kept[0]!.kid);
  });
  await register(connect(kept[0]!.credential));
});

it('a pair that could not be kept is offered again: the platform takes no other', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const clientId = `p-${randomUUID().slice(0, 8)}`;
  const jwk = { ...(await exportJWK(publicKey)), alg: 'ES256' };
  await platform.operate('clients.create', { client_id: clientId, profile: 'strict', jwk } as never);
  platform.clock.nowMs += 80 * DAY_MS;
  const offered: RotatedKey[] = [];
  const client = connect({
    ...{ clientId, privateKey },
    onKeyRotated: (key) => {
      offered.push(key);
      if (offered.length === 1) throw new Error('the disk is full');
    },
  });
  await register(client);
  await until(() => expect(offered.length).toBe(1));
  platform.clock.nowMs += 61 * MINUTE_MS;
  await register(client);
  await until(() => expect(offered.length).toBe(2));
  expect(offered[1]).toEqual(offered[0]);
  await until(async () => {
    await register(client);
    expect(signedBy().at(-1)).toBe(offered[1]!.kid);
  });
});

it('logs what became of the next key, without it, and without the text of what the callback threw', async () => {
  const { apiKey } = await makeClient(platform);
  platform.clock.nowMs += 80 * DAY_MS;
  const logged: [string, string, object][] = [];
  const into = (level: string) => (message: string, fields: object) =>
    void logged.push([level, message, fields]);
  const logger = { debug: into('debug'), info: into('info'), warn: into('warn') };
  let kept: RotatedKey | undefined;
  const client = connect({
    ...{ apiKey, logger, logLevel: 'info' },
    onKeyRotated: (key) => {
      const before = kept;
      kept = key;
      if (!before) throw new TypeError(`cannot write ${(key.credential as { apiKey: string }).apiKey}`);
    },
  });
  await register(client);
  await until(() => expect(logged).toHaveLength(1));
  platform.clock.nowMs += 61 * MINUTE_MS;
  await register(client);
  await until(() => expect(logged).toHaveLength(2));
  const expiresAt = kept!.expiresAt.toISOString();
  expect(logged).toEqual([
    ['warn', 'countersign: the next key is not in use: TypeError', {}],
    ['info', `countersign: key rotated kid=2 expiresAt=${expiresAt}`, { kid: '2', expiresAt }],
  ]);
});

it('a Region that does not know the next key yet gets the old one, for a minute', async () => {
  const { apiKey, clientId } = await makeClient(platform);
  const client = connect({ apiKey });
  platform.clock.nowMs += 80 * DAY_MS;
  await register(client);
  await until(async () => {
    await register(client);
    expect(signedBy().at(-1)).toBe('2');
  });
  // A Region whose table lags: it has the client without the key.
  const lagging = a.instance({ COUNTERSIGN_CLIENTS_TABLE: await tableWithout(clientId, 'key#2') });
  served = () => lagging;
  sent = [];
  await register(client);
  expect(signedBy()).toEqual(['2', '1']);
  await register(client);
  expect(signedBy().at(-1)).toBe('1');
  served = (region) => region;
  platform.clock.nowMs += MINUTE_MS + 1;
  await register(client);
  expect(signedBy().at(-1)).toBe('2');
});

it('a key that is refused for good is an error, once no Region may lag any more', async () => {
  const { apiKey, clientId } = await makeClient(platform);
  const client = connect({ apiKey });
  platform.clock.nowMs += 80 * DAY_MS;
  await register(client);
  await until(async () => {
    await register(client);
    expect(signedBy().at(-1)).toBe('2');
  });
  platform.clock.nowMs += 11 * MINUTE_MS;
  const lagging = a.instance({ COUNTERSIGN_CLIENTS_TABLE: await tableWithout(clientId, 'key#2') });
  served = () => lagging;
  sent = [];
  await expect(register(client)).rejects.toThrow(InvalidProofError);
  expect(signedBy()).toEqual(['2']);
});

it('a basic client asks for nothing', async () => {
  const { apiKey } = await makeBasicClient(platform);
  platform.clock.nowMs += 20 * DAY_MS;
  const client = connect({ apiKey });
  await register(client);
  await register(client);
  expect(asked()).toBe(0);
});

/** A copy of the clients table, without one item of one client. */
async function tableWithout(clientId: string, sk: string): Promise<string> {
  const name = tableName(STAGE, 'clients', 2);
  try {
    await platform.shared.send(
      new CreateTableCommand({
        TableName: name,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [
          { AttributeName: 'pk', AttributeType: 'S' },
          { AttributeName: 'sk', AttributeType: 'S' },
        ],
        KeySchema: [
          { AttributeName: 'pk', KeyType: 'HASH' },
          { AttributeName: 'sk', KeyType: 'RANGE' },
        ],
      }),
    );
  } catch (error) {
    if (!(error instanceof ResourceInUseException)) throw error;
  }
  for (const item of await platform.items('clients')) {
    const { pk, sk: sort } = item as { pk: { S: string }; sk: { S: string } };
    if (pk.S === clientId && sort.S !== sk)
      await platform.shared.send(new PutItemCommand({ TableName: name, Item: item as never }));
  }
  return name;
}
