/**
 * The real handlers of two Regions under a scheduler. The scheduler decides when each store call arrives,
 * commits and answers. Calls are throttled, answers are lost, writes land after their caller has given up,
 * and invocations end between two calls. One seed is one history.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from 'aws-lambda';
import type { Scheduler } from 'fast-check';
import type { SdkDynamodb, SdkSecrets } from '../../lambda/adapters/aws-sdk.ts';
import { createClients } from '../../lambda/adapters/clients.ts';
import { secretName, TABLES, type TableKind, tableName } from '../../lambda/contract/names.ts';
import { servingEnvironment } from '../../lambda/contract/serving-environment.ts';
import { nonce, register, registration } from '../../lambda/entry/compose/serving.ts';
import type { HttpHandler } from '../../lambda/http/handler.ts';
import { compileSchema } from '../../lambda/schema/compile.ts';
import defaultSchema from '../../lambda/schema/default.json' with { type: 'json' };
import { type Carry, dynamodbClientOn } from '../../local/dynamodb/client.ts';
import { Dynamodb } from '../../local/dynamodb/dynamodb.ts';
import { replicate } from '../../local/dynamodb/replication.ts';
import { deriveApiKey } from '../../protocol/api-key.ts';
import { registrationId } from '../../protocol/registration.ts';
import { initialKeyset } from '../support/keyset.ts';
import { ISSUER, toEvent } from '../support/regions.ts';
import { proofFor, registerAsk, type Signer } from '../support/signer.ts';
import { type Fate, scheduledCalls } from './calls.ts';

export const REGIONS = ['a', 'b'] as const;
export type RegionName = (typeof REGIONS)[number];
export type Mode = 'strong' | 'eventual';

export interface Proof {
  readonly kind: 'register' | 'delete';
  /** The Region that issues its nonce and that it is signed for. */
  readonly region: RegionName;
  readonly user: string;
  readonly email: string;
}

export interface Delivery {
  readonly proof: number;
  readonly region: RegionName;
  /** One of two instances per Region, each with its own caches. */
  readonly instance: number;
}

export type Disturbance =
  | { readonly kind: 'replicate' }
  | { readonly kind: 'partition' }
  | { readonly kind: 'heal' }
  | { readonly kind: 'lose' | 'return'; readonly region: RegionName }
  | { readonly kind: 'time'; readonly ms: number };

export interface Plan {
  readonly mode: Mode;
  /** Each Region's clock error, in milliseconds. */
  readonly skew: Readonly<Record<RegionName, number>>;
  readonly proofs: readonly Proof[];
  readonly deliveries: readonly Delivery[];
  readonly disturbances: readonly Disturbance[];
  /** The faults of the store calls, in the order in which they arrive. */
  readonly fates: () => Fate;
}

export interface Answered extends Delivery {
  readonly status: number;
  readonly code: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** The e-mail address in the answer. */
  readonly email: string | undefined;
}

export interface History {
  readonly answers: readonly Answered[];
  /** Used nonces, by Region. */
  readonly used: Readonly<Record<RegionName, readonly string[]>>;
  readonly nonces: readonly string[];
  /** By Region and user, after everything has arrived: e-mail address, `deleted`, or undefined. */
  readonly registry: Readonly<Record<RegionName, Readonly<Record<string, string | undefined>>>>;
  /** Store calls. */
  readonly operations: number;
  /** What the scheduler let happen, in this order. */
  readonly trace: readonly string[];
}

export const T0 = 1_795_430_000_000;
export const STAGE = 'model';
const USERS = ['ada', 'bob'];
const schema = compileSchema(defaultSchema);
export const url = (region: RegionName) => `https://${region}.api.example.com`;

/** The store of two Regions, with its tables. */
export function openStore(mode: Mode, nowMs: (region: string) => number): Dynamodb {
  const store = new Dynamodb({
    regions: REGIONS,
    witness: 'w',
    modeOf: (table) => (/-(registry|clients)-/.test(table) ? mode : 'regional'),
    nowMs,
  });
  for (const kind of Object.keys(TABLES) as TableKind[])
    for (const region of TABLES[kind].scope === 'region' ? REGIONS : ['a'])
      store.ask(region, 'CreateTable', {
        TableName: tableName(STAGE, kind),
        KeySchema: TABLES[kind].keys.map((AttributeName) => ({ AttributeName })),
      } as never);
  return store;
}

export async function run(s: Scheduler, plan: Plan): Promise<History> {
  let elapsedMs = 0;
  let operations = 0;
  let scheduled = false;
  const nowMs = (region: string) => T0 + elapsedMs + (plan.skew[region as RegionName] ?? 0);
  const store = openStore(plan.mode, nowMs);
  const trace: string[] = [];
  const point = async (label: string) => {
    await s.schedule(Promise.resolve(), label);
    trace.push(label);
  };

  const onSchedule = scheduledCalls({ point, fates: plan.fates, onCall: () => operations++ });
  const carry: Carry = async (call, db) =>
    scheduled ? onSchedule(call, db) : db.ask(call.region, call.operation, call.input);

  const { signer, secrets } = await makeClient(dynamodbClientOn(store, 'a'));
  replicate(store);

  const runtimeOf = (region: RegionName) => ({
    env: servingEnvironment({
      stage: STAGE,
      region,
      baseUrl: url(region),
      entryUrl: ISSUER,
      regions: REGIONS.map((name) => ({ name, url: url(name) })),
      consistency: plan.mode,
    }),
    log: () => {},
    nowMs: () => nowMs(region),
    dynamodb: dynamodbClientOn(store, region, carry),
    secrets,
    pause: (longestMs: number) => point(`a wait of up to ${longestMs} ms ends in ${region}`),
  });
  // An instance starts with its first request, and keeps its caches.
  const instances = new Map<string, HttpHandler>();
  function instanceOf({ region, instance }: Delivery, kind: Proof['kind']): HttpHandler {
    const id = `${kind} ${region} ${instance}`;
    const made = instances.get(id);
    if (made) return made;
    const runtime = runtimeOf(region);
    const handler = kind === 'register' ? register(runtime, schema) : registration(runtime);
    instances.set(id, handler);
    return handler;
  }

  const nonces: string[] = [];
  const events: APIGatewayProxyEvent[] = [];
  const issuers = { a: nonce(runtimeOf('a')), b: nonce(runtimeOf('b')) };
  for (const { kind, region, user, email } of plan.proofs) {
    const asked = toEvent({ method: 'GET', path: `/v1/nonce?client_id=${signer.clientId}` });
    const issued: string = JSON.parse((await issuers[region](asked)).body).nonce;
    nonces.push(issued);
    const id = registrationId(signer.clientId, user);
    const path = kind === 'register' ? '/v1/register' : `/v1/registrations/${id}`;
    const body = kind === 'register' ? JSON.stringify({ user_id: user, email }) : '';
    const method = kind === 'register' ? 'POST' : 'DELETE';
    const proof = proofFor(signer, nowMs(region), { method, url: url(region) + path, body, nonce: issued });
    const ask =
      kind === 'register'
        ? registerAsk(proof, body)
        : { method, path, headers: { Authorization: `JWT ${proof}` } };
    events.push(toEvent(ask));
  }

  scheduled = true;
  const answers: Answered[] = [];
  const deliver = async (delivery: Delivery) => {
    await point(`proof ${delivery.proof} reaches ${delivery.region}`);
    if (store.network.isLost(delivery.region)) return;
    const handler = instanceOf(delivery, plan.proofs[delivery.proof]!.kind);
    const result: APIGatewayProxyResult = await handler(events[delivery.proof]!);
    const json = result.body === '' ? undefined : JSON.parse(result.body);
    const headers = result.headers as Record<string, string>;
    answers.push({
      ...delivery,
      status: result.statusCode,
      code: json?.code,
      headers,
      email: json?.data?.email,
    });
  };
  const disturb = async (disturbance: Disturbance) => {
    await point(JSON.stringify(disturbance));
    if (disturbance.kind === 'replicate') replicate(store);
    if (disturbance.kind === 'partition') store.network.partition([['a'], ['b', 'w']]);
    if (disturbance.kind === 'heal') store.network.heal();
    if (disturbance.kind === 'lose') store.network.lose(disturbance.region);
    if (disturbance.kind === 'return') store.network.bringBack(disturbance.region);
    if (disturbance.kind === 'time') elapsedMs += disturbance.ms;
  };
  for (const delivery of plan.deliveries) void deliver(delivery);
  for (const disturbance of plan.disturbances) void disturb(disturbance);
  await s.waitIdle();

  store.network.heal();
  for (const region of REGIONS) store.network.bringBack(region);
  replicate(store);
  const items = (region: RegionName, kind: TableKind) =>
    store.table(region, tableName(STAGE, kind)).items(region, true);
  const registryOf = (region: RegionName) =>
    Object.fromEntries(
      USERS.map((user) => {
        const pk = `${signer.clientId}#${registrationId(signer.clientId, user)}`;
        const item = items(region, 'registry').find((each) => each.pk?.S === pk);
        return [user, item && (item.data?.S ? JSON.parse(item.data.S).email : 'deleted')];
      }),
    );
  const usedIn = (region: RegionName) => items(region, 'ledger').map(({ pk }) => pk!.S!);
  return {
    answers,
    nonces,
    used: { a: usedIn('a'), b: usedIn('b') },
    registry: { a: registryOf('a'), b: registryOf('b') },
    operations,
    trace,
  };
}

async function makeClient(dynamodb: SdkDynamodb): Promise<{ signer: Signer; secrets: SdkSecrets }> {
  const { keysets, secrets } = makeSecrets();
  const root = keysets['client-root'].keys[0]!;
  const clientId = `c-${randomUUID().slice(0, 8)}`;
  const salt = randomBytes(16);
  const usableAtS = T0 / 1000;
  const common = { alg: 'HS256', issuedBy: null, jwk: null, usableAtS, expiresAtS: usableAtS + 86_400 };
  await createClients(dynamodb, tableName(STAGE, 'clients')).create({
    ...{ clientId, salt, profile: 'strict', limit: null, createdAtMs: T0 },
    keys: [{ ...common, kid: '1', rootKid: root.kid }],
  });
  const rootBytes = Buffer.from(root.jwk.k!, 'base64url');
  const apiKey = deriveApiKey({ root: rootBytes, salt, clientId, generation: 1, profile: 'strict' });
  return { signer: { clientId, apiKey, kid: '1' }, secrets };
}

/** The keysets that the handlers read. */
export function makeSecrets() {
  const key = () => ({
    alg: 'HKDF-SHA-256' as const,
    jwk: { kty: 'oct', k: randomBytes(32).toString('base64url') },
    maxLifeMs: 90 * 24 * 3600 * 1000,
  });
  const keysets = { nonce: initialKeyset(key(), T0), 'client-root': initialKeyset(key(), T0) };
  const texts = new Map(
    Object.entries(keysets).map(([name, keyset]) => [
      secretName(STAGE, name as 'nonce'),
      JSON.stringify(keyset),
    ]),
  );
  const send = async ({ input }: { input: { SecretId: string } }) => ({
    SecretString: texts.get(input.SecretId),
  });
  return { keysets, secrets: { send } as unknown as SdkSecrets };
}
