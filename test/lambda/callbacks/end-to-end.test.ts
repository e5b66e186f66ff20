/**
 * From the order of events to a consumer's handler: the real turns, over tables, by HTTPS to the SDK's
 * receiver on this machine. The clock of all is moved by hand.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createEndpoints } from '../../../lambda/adapters/endpoints.ts';
import { createEvents } from '../../../lambda/adapters/events.ts';
import { adminHandler } from '../../../lambda/admin/actions.ts';
import { webhookWriteActions } from '../../../lambda/admin/webhooks.ts';
import { createDeliver } from '../../../lambda/callbacks/deliver.ts';
import type { Guard } from '../../../lambda/callbacks/guard.ts';
import { append } from '../../../lambda/callbacks/outbox.ts';
import { createReadEvents } from '../../../lambda/callbacks/read-events.ts';
import { createSend } from '../../../lambda/callbacks/send.ts';
import { createSigner } from '../../../lambda/callbacks/sign.ts';
import { TABLES, tableName } from '../../../lambda/contract/names.ts';
import type { KeysetCache } from '../../../lambda/request/keyset-cache.ts';
import { dynamodbClientOn } from '../../../local/dynamodb/client.ts';
import { Dynamodb } from '../../../local/dynamodb/dynamodb.ts';
import { eventId, type PlatformEvent } from '../../../protocol/event.ts';
import type { Keyset } from '../../../protocol/keyset.ts';
import {
  createWebhookHandler,
  memoryStore,
  type WebhookHandlerOptions,
  type WebhookStore,
} from '../../../sdk/typescript/webhooks/index.ts';
import { issueCertificate } from '../../support/certificate.ts';
import { initialKeyset } from '../../support/keyset.ts';

const REGION = 'a';
const CLIENT = 'shop';
const authority = issueCertificate('test authority', undefined, true);
const certificate = issueCertificate('127.0.0.1', authority);
/** What the local platform allows as well, and no stage. */
const LOOPBACK: Guard = { urlFault: () => undefined, mayCall: (address) => address === '127.0.0.1' };

const cacheOf = (keyset: Keyset): KeysetCache =>
  ({ current: async () => keyset, signingKey: async () => keyset.keys[0] }) as never;

let servers: Server[] = [];
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(() => {
  vi.useRealTimers();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  servers = [];
});

/** A consumer's process, with what it was sent. */
async function consumer(secret: () => string, on: WebhookHandlerOptions['on'], store: WebhookStore) {
  const seen: string[] = [];
  const server = createServer(certificate, (request, response) => {
    seen.push(String(request.headers['webhook-id']));
    const webhooks = createWebhookHandler({ keys: secret(), store, on, onError: () => {} });
    void webhooks.listener(request, response);
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { seen, url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/hooks` };
}

async function stage({ timeoutMs = 5_000 } = {}) {
  const nowMs = () => Date.now();
  const store = new Dynamodb({ regions: [REGION], modeOf: () => 'regional', nowMs });
  for (const kind of ['clients', 'events'] as const)
    store.ask(REGION, 'CreateTable', {
      TableName: tableName('test', kind),
      KeySchema: TABLES[kind].keys.map((AttributeName) => ({ AttributeName })),
    } as never);
  const dynamodb = dynamodbClientOn(store, REGION);
  const events = createEvents(dynamodb, tableName('test', 'events'));
  const endpoints = createEndpoints(dynamodb, tableName('test', 'clients'));
  const { privateKey } = await generateKeyPair('Ed25519', { extractable: true });
  const life = { maxLifeMs: 90 * 86_400_000 };
  const webhook = initialKeyset({ alg: 'Ed25519', jwk: await exportJWK(privateKey), ...life }, nowMs());
  const jwk = { kty: 'oct', k: Buffer.alloc(32, 7).toString('base64url') };
  const roots = initialKeyset({ alg: 'HKDF-SHA-256', jwk, ...life }, nowMs());
  let isStopped = false;
  const deliver = createDeliver({
    ...{ endpoints, events, region: REGION, regions: [REGION], nowMs },
    readEvents: createReadEvents(events),
    registry: { read: async () => undefined },
    sign: createSigner({ webhook: cacheOf(webhook), roots: cacheOf(roots) }),
    send: createSend({ guard: LOOPBACK, tls: { ca: authority.cert }, timeoutMs }),
    wake: async () => {},
    isStopped: async () => isStopped,
    random: () => 0.5,
    log: () => {},
  });
  const actions = webhookWriteActions({
    ...{ endpoints, events, region: REGION, nowMs, keysetMaxAgeMs: 86_400_000 },
    clients: { load: async () => ({}) },
    publicKeys: { read: async () => ({ keyset: webhook, atMs: nowMs() }) },
    refusedKeys: async () => [],
    roots: cacheOf(roots),
    refusedRoots: async () => [],
    publicRoots: { read: async () => undefined },
    isStopped: async () => isStopped,
    guard: LOOPBACK,
    resolve: async () => [{ address: '127.0.0.1', family: 4 }],
    wake: async () => {},
  } as never);
  const context = { function: 'admin-write', region: REGION, errorDocsUrl: '', log: () => {} } as const;
  const operate = async (action: string, params: object) => {
    const answer = await adminHandler(context, actions)({ action, params }, { awsRequestId: 'r' });
    if (!answer.ok) throw new Error(answer.problem.detail);
    return answer.result as { id: string; secret: string };
  };
  let count = 0;
  return {
    ...{ endpoints, operate },
    clients: () => structuredClone(store.table(REGION, tableName('test', 'clients')).items(REGION, true)),
    turn: (id: string) => deliver.turn(id),
    advance: (ms: number) => vi.setSystemTime(Date.now() + ms),
    stop: (stopped: boolean) => {
      isStopped = stopped;
    },
    /** @returns the ids of so many new events */
    async emit(many: number) {
      const list = Array.from({ length: many }, (): PlatformEvent => {
        count += 1;
        const version = `${REGION}.${Date.now()}.${count}`;
        const id = eventId([`${CLIENT}#u${count}`], version);
        const data = { id: `u${count}`, client_id: CLIENT, version };
        return { id, type: 'registration.created', timestamp: new Date().toISOString(), data };
      });
      await append(events, list, nowMs);
      return list.map(({ id }) => id);
    },
  };
}

const MINUTE_MS = 60_000;

it('a consumer that ends between handling an event and remembering it handles it again, and then no more', async () => {
  const { operate, turn, emit, advance, endpoints } = await stage();
  const runs: string[] = [];
  let secret = '';
  const kept = memoryStore();
  let ends = true;
  const dies: WebhookStore = {
    ...kept,
    done: (...all) => (ends ? new Promise(() => {}) : kept.done(...all)),
  };
  const on = { 'registration.created': ({ id }: { id: string }) => void runs.push(id) };
  const { url, seen } = await consumer(() => secret, on, dies);
  const { id, secret: made } = await operate('webhooks.create', { client: CLIENT, url });
  secret = made;
  await turn(id);
  const [event] = await emit(1);
  // The process ends: its connections break, and its lease stays.
  setTimeout(() => servers[0]!.closeAllConnections(), 200);
  await turn(id);
  expect(runs).toEqual([event]);
  ends = false;
  // The lease of the run that is gone holds the next one up.
  advance(10_000);
  await turn(id);
  expect(runs).toEqual([event]);
  for (let i = 0; i < 4; i++) {
    advance(2 * MINUTE_MS);
    await turn(id);
  }
  expect(runs).toEqual([event, event]);
  expect(await endpoints.retries(id)).toEqual([]);
  expect(new Set(seen.slice(1))).toEqual(new Set([event]));
  await operate('webhooks.replay', { id, since: new Date(0).toISOString() });
  await turn(id);
  expect(runs).toHaveLength(2);
});

it('a slow run is not run twice: attempts that come meanwhile wait, and a later one is answered with success', async () => {
  const { operate, turn, emit, advance, endpoints } = await stage({ timeoutMs: 300 });
  let secret = '';
  let runs = 0;
  const end = Promise.withResolvers<void>();
  const on = {
    'registration.created': async () => {
      runs += 1;
      await end.promise;
    },
  };
  const { url } = await consumer(() => secret, on, memoryStore());
  const { id, secret: made } = await operate('webhooks.create', { client: CLIENT, url });
  secret = made;
  await turn(id);
  await emit(1);
  await turn(id);
  advance(6_000);
  await turn(id);
  expect([runs, (await endpoints.retries(id)).length]).toEqual([1, 1]);
  end.resolve();
  await vi.waitFor(async () => {
    advance(10 * MINUTE_MS);
    await turn(id);
    expect(await endpoints.retries(id)).toEqual([]);
  });
  expect(runs).toBe(1);
});

it('an endpoint with another URL answers a ping there first; then it gets what came meanwhile, and the old one nothing', async () => {
  const { operate, turn, emit, advance, endpoints } = await stage();
  let secret = '';
  const [before, after]: [string[], string[]] = [[], []];
  let isReady = false;
  const on = (runs: string[]) => ({
    'registration.created': ({ id }: { id: string }) => void runs.push(id),
  });
  const first = await consumer(() => secret, on(before), memoryStore());
  const second = await consumer(
    () => (isReady ? secret : `whsec_${'A'.repeat(44)}`),
    on(after),
    memoryStore(),
  );
  const { id, secret: made } = await operate('webhooks.create', { client: CLIENT, url: first.url });
  secret = made;
  await turn(id);
  const old = await emit(2);
  await turn(id);
  expect(before.sort()).toEqual(old.sort());
  await operate('webhooks.update', { id, url: second.url });
  const since = await emit(3);
  await turn(id);
  // It does not know the secret yet, so it refuses the ping.
  expect(await endpoints.get(id)).toMatchObject({ state: 'pending', pinged: { status: 401 } });
  expect(after).toEqual([]);
  isReady = true;
  advance(6_000);
  await turn(id);
  expect((await endpoints.get(id))?.state).toBe('active');
  expect([before, after.sort()]).toEqual([old, since.sort()]);
});

it('while writes are stopped no callback begins; afterwards each event is handled once, and none is missing', async () => {
  const { operate, turn, emit, stop, advance, clients } = await stage();
  let secret = '';
  const runs: string[] = [];
  const on = {
    'registration.created': ({ id }: { id: string }) => {
      runs.push(id);
      // An operator stops the writes while callbacks are under way.
      if (runs.length === 10) stop(true);
    },
  };
  const { url, seen } = await consumer(() => secret, on, memoryStore());
  const { id, secret: made } = await operate('webhooks.create', { client: CLIENT, url });
  secret = made;
  await turn(id);
  const all = await emit(80);
  await turn(id);
  const begun = seen.length;
  expect(begun).toBeLessThan(81);
  const items = clients();
  await turn(id);
  expect([seen.length, clients()]).toEqual([begun, items]);
  stop(false);
  advance(2 * MINUTE_MS);
  await turn(id);
  expect(runs.toSorted()).toEqual(all.toSorted());
});
