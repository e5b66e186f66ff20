/** The real handlers of one or two Regions over embedded stores, on a clock that the test controls. */
import { randomBytes, randomUUID } from 'node:crypto';
import { ScanCommand } from '@aws-sdk/client-dynamodb';
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from 'aws-lambda';
import { exportJWK, generateKeyPair } from 'jose';
import { afterAll } from 'vitest';
import type { Secrets } from '../../lambda/adapters/aws/commands.ts';
import type { SdkDynamodb } from '../../lambda/adapters/aws-sdk.ts';
import { createPublishedKeys } from '../../lambda/adapters/published-keys.ts';
import type { AdminAction, AdminActions, AdminAnswer } from '../../lambda/contract/admin.ts';
import { ADMIN_FUNCTION } from '../../lambda/contract/admin.ts';
import { DEFAULTS } from '../../lambda/contract/defaults.ts';
import type { Environment } from '../../lambda/contract/environment.ts';
import type { LogEntry } from '../../lambda/contract/log-entry.ts';
import {
  bundleOf,
  type FunctionName,
  functionsOf,
  TABLES,
  type TableKind,
  tableName,
} from '../../lambda/contract/names.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { type OAuthSettings, servingEnvironment } from '../../lambda/contract/serving-environment.ts';
import type { EnrolmentParts } from '../../lambda/entry/compose/oauth.ts';
import { createFunctions } from '../../lambda/entry/compose/serving.ts';
import { compileSchema } from '../../lambda/schema/compile.ts';
import defaultSchema from '../../lambda/schema/default.json' with { type: 'json' };
import type { Keyset } from '../../protocol/keyset.ts';
import { policyId } from '../../protocol/oauth/attestation.ts';
import { withPublished } from '../../protocol/published.ts';
import { checkAnswer } from '../openapi.ts';
import { createTables, dynamodb, STAGE, startDynalite } from './dynalite.ts';
import { LAGS } from './key-lags.ts';
import { initialKeyset } from './keyset.ts';
import { asFunction } from './rights.ts';

export const ISSUER = 'https://api.example.com';
export const ERROR_DOCS = 'https://docs.example.com/errors';
const schema = compileSchema(defaultSchema);

export interface Clock {
  nowMs: number;
}

export interface HttpAsk {
  readonly method: string;
  /** The path, with its query if there is one. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Uint8Array;
  /** The route that API Gateway chose; derived from the path if absent. */
  readonly resource?: string;
}

export interface HttpAnswer {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
  readonly json: any;
  readonly code: string | undefined;
}

export interface Region {
  readonly name: string;
  readonly url: string;
  readonly functions: ReturnType<typeof createFunctions>;
  readonly dynamodb: SdkDynamodb;
  /** The endpoint of the store that holds this Region's own tables. */
  readonly endpoint: string;
  send(ask: HttpAsk): Promise<HttpAnswer>;
  /** Another instance of the same functions: the same stores, with empty caches. */
  instance(env?: Partial<Environment>, options?: InstanceOptions): Region;
}

interface InstanceOptions {
  /** A client for this Region's own tables. */
  readonly dynamodb?: SdkDynamodb;
  /** Called for each call of any table. */
  readonly seen?: (command: TableCommand) => void;
}

export interface TableCommand {
  readonly input: { readonly TableName?: string; readonly Key?: { readonly pk?: { readonly S?: string } } };
}

export interface Platform {
  readonly clock: Clock;
  readonly regions: readonly [Region, Region];
  readonly log: LogEntry[];
  /** A client of the store that all Regions share. */
  readonly shared: SdkDynamodb;
  readonly secrets: Record<Purpose, { keyset: Keyset; fail: boolean; reads: number }>;
  admin<A extends AdminAction>(
    action: A,
    params: AdminActions[A]['params'],
  ): Promise<AdminAnswer<AdminActions[A]['result']>>;
  /** Like `admin`, for an action that must succeed. */
  operate<A extends AdminAction>(
    action: A,
    params: AdminActions[A]['params'],
  ): Promise<AdminActions[A]['result']>;
  items(table: TableKind, region?: Region): Promise<Record<string, unknown>[]>;
  stop(): Promise<void>;
}

/** A platform for all tests of a file. It starts now, and stops after the last of them. */
export async function regionsForFile(
  oauth?: OAuthSettings,
  enrolment?: EnrolmentParts,
): Promise<{ platform: Platform; a: Region; b: Region }> {
  const platform = await startRegions(oauth, enrolment);
  afterAll(() => platform.stop());
  const [a, b] = platform.regions;
  return { platform, a, b };
}

/**
 * Two Regions with a ledger each and one registry, like a strongly consistent global table.
 *
 * @param oauth settings of a stage with OAuth
 * @param enrolment what lets instances in there
 */
export async function startRegions(oauth?: OAuthSettings, enrolment?: EnrolmentParts): Promise<Platform> {
  const clock: Clock = { nowMs: Date.UTC(2026, 10, 23, 12) };
  const log: LogEntry[] = [];
  const [shared, ...own] = await Promise.all([startDynalite(), startDynalite(), startDynalite()]);
  const sharedDb = dynamodb(shared.endpoint);
  await createTables(sharedDb, ['registry', 'clients']);
  const secrets = await makeSecrets(clock.nowMs);
  const secretsClient = {
    send: async ({ input }: { input: { SecretId: string } }) => {
      const secret = secrets[input.SecretId.split('/').at(-1) as keyof typeof secrets];
      secret.reads += 1;
      if (secret.fail) throw Object.assign(new Error('secrets are down'), { name: 'ServiceUnavailable' });
      return { SecretString: JSON.stringify(secret.keyset) };
    },
  } as unknown as Secrets;

  const names = ['eu-west-1', 'eu-central-1'] as const;
  const list = names.map((name) => ({ name, url: `https://${name}.api.example.com` }));
  const make = (
    index: number,
    env: Partial<Environment>,
    ownDb: SdkDynamodb,
    seen?: InstanceOptions['seen'],
  ): Region => {
    const { name, url } = list[index]!;
    const tables = routeTables(ownDb, sharedDb, seen);
    const environment: Environment = {
      ...servingEnvironment({
        stage: STAGE,
        region: name,
        baseUrl: url,
        entryUrl: ISSUER,
        regions: list,
        consistency: 'strong',
        errorDocsUrl: ERROR_DOCS,
        oauth,
        enrolment: enrolment?.policies.map(policyId) ?? [],
      }),
      ...env,
    };
    const runtime = { env: environment, log: (entry: LogEntry) => log.push(entry), nowMs: () => clock.nowMs };
    const clients = { dynamodb: tables, secrets: secretsClient };
    const functionOf = (name: FunctionName) => {
      const its = asFunction(bundleOf(name, oauth !== undefined), clients);
      const elsewhere = (region: string) => {
        const dynamodb = routeTables(
          regionDbs[names.indexOf(region as (typeof names)[number])]!,
          sharedDb,
          seen,
        );
        return asFunction(bundleOf(name, oauth !== undefined), { ...clients, dynamodb }, 'elsewhere')
          .dynamodb;
      };
      return createFunctions({ ...runtime, ...its }, schema, undefined, enrolment, elsewhere)[name];
    };
    const functions = Object.fromEntries(
      functionsOf(oauth !== undefined).map((name) => [name, functionOf(name)]),
    ) as Region['functions'];
    return {
      name,
      url,
      functions,
      dynamodb: ownDb,
      endpoint: own[index]!.endpoint,
      send: (ask) => send(functions, ask),
      instance: (more = {}, options = {}) =>
        make(index, { ...env, ...more }, options.dynamodb ?? ownDb, options.seen),
    };
  };
  const regionDbs = own.map(({ endpoint }, i) => dynamodb(endpoint, names[i]));
  for (const db of regionDbs) {
    await createTables(db, ['ledger', 'limits', 'events']);
    await createPublishedKeys(db, tableName(STAGE, 'limits'), 'token').change(
      (memory) => withPublished(memory, secrets.token.keyset, LAGS, clock.nowMs),
      clock.nowMs,
    );
  }
  const regions = regionDbs.map((db, i) => make(i, {}, db)) as unknown as [Region, Region];

  const admin: Platform['admin'] = (action, params) =>
    (regions[0].functions[ADMIN_FUNCTION[action]] as (e: unknown, c: object) => Promise<never>)(
      { action, params },
      { awsRequestId: randomUUID() },
    );
  return {
    clock,
    regions,
    log,
    shared: sharedDb,
    secrets,
    admin,
    async operate(action, params) {
      const answer = await admin(action, params);
      if (!answer.ok) throw new Error(answer.problem.detail);
      return answer.result;
    },
    async items(table, region = regions[0]) {
      const db = TABLES[table].scope === 'region' ? region.dynamodb : sharedDb;
      const { Items = [] } = await db.send(new ScanCommand({ TableName: tableName(STAGE, table) }));
      return Items;
    },
    async stop() {
      for (const db of [sharedDb, ...regionDbs]) db.destroy();
      await Promise.all([shared, ...own].map(({ stop }) => stop()));
    },
  };
}

/** The ledger is the Region's own; all share registry and clients. */
function routeTables(own: SdkDynamodb, shared: SdkDynamodb, seen: InstanceOptions['seen']): SdkDynamodb {
  const send = (command: TableCommand, ...rest: unknown[]) => {
    seen?.(command);
    const global = /-(registry|clients)-\d+$/.test(command.input.TableName ?? '');
    return (global ? shared : own).send(command as never, ...(rest as []));
  };
  return { send } as unknown as SdkDynamodb;
}

async function makeSecrets(nowMs: number): Promise<Platform['secrets']> {
  const derived = () => ({
    alg: 'HKDF-SHA-256' as const,
    jwk: { kty: 'oct', k: randomBytes(32).toString('base64url') },
    maxLifeMs: DEFAULTS.clientKeyLifeMs,
  });
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const token = { alg: 'ES256' as const, jwk: await exportJWK(privateKey), maxLifeMs: 3_600_000 };
  const secret = (key: Parameters<typeof initialKeyset>[0]) => ({
    keyset: initialKeyset(key, nowMs),
    fail: false,
    reads: 0,
  });
  const { privateKey: own } = await generateKeyPair('Ed25519', { extractable: true });
  const webhook = { alg: 'Ed25519' as const, jwk: await exportJWK(own), maxLifeMs: 3 * 86_400_000 };
  return {
    nonce: secret(derived()),
    'client-root': secret(derived()),
    token: secret(token),
    webhook: secret(webhook),
    'webhook-root': secret(derived()),
  };
}

const HTTP_FUNCTIONS = {
  '/v1/nonce': 'nonce',
  '/v1/register': 'register',
  '/v1/registrations/{id}': 'registration',
  '/v1/events/{after}': 'events',
  '/v1/keys': 'keys',
  '/v1/health': 'health',
  '/.well-known/countersign': 'discovery',
  '/.well-known/jwks.json': 'jwks',
  '/v1/oauth/token': 'oauth-token',
  '/v1/oauth/revoke': 'oauth-revocation',
  '/v1/oauth/introspect': 'oauth-revocation',
  '/v1/oauth/register': 'oauth-register',
  '/v1/oauth/register/{client_id}': 'oauth-register',
  '/.well-known/oauth-authorization-server': 'oauth-metadata',
  '/.well-known/oauth-protected-resource': 'oauth-metadata',
} as const;

async function send(functions: ReturnType<typeof createFunctions>, ask: HttpAsk): Promise<HttpAnswer> {
  const event = toEvent(ask);
  const name = HTTP_FUNCTIONS[event.resource as keyof typeof HTTP_FUNCTIONS];
  const result: APIGatewayProxyResult = await functions[name]!(event);
  const headers = Object.fromEntries(
    Object.entries(result.headers ?? {}).map(([key, value]) => [key.toLowerCase(), String(value)]),
  );
  // If `Accept` asks for bytes, AWS then takes the body for Base64.
  if (result.isBase64Encoded) throw new Error('an answer that is no text');
  const text = result.body;
  const path = event.path;
  checkAnswer({ method: ask.method, path, status: result.statusCode, headers, body: text });
  const json = text === '' ? undefined : JSON.parse(text);
  return { status: result.statusCode, headers, text, json, code: json?.code };
}

/** An event as API Gateway makes it, with the fields that the handlers read. */
export function toEvent({ method, path, headers = {}, body, resource }: HttpAsk): APIGatewayProxyEvent {
  const [pathname = '', search] = path.split('?');
  const [, collection, value] =
    /^\/v1\/(registrations|events|oauth\/register)\/([^/]+)$/.exec(pathname) ?? [];
  const name = { events: 'after', 'oauth/register': 'client_id' }[collection ?? ''] ?? 'id';
  const multi = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat()]));
  const query: Record<string, string[]> = {};
  for (const [name, value] of new URLSearchParams(search)) query[name] = [...(query[name] ?? []), value];
  return {
    resource: resource ?? (value === undefined ? pathname : `/v1/${collection}/{${name}}`),
    path: pathname,
    httpMethod: method,
    headers: Object.fromEntries(Object.entries(multi).map(([name, list]) => [name, list.at(-1)])),
    multiValueHeaders: multi,
    queryStringParameters: search === undefined ? null : Object.fromEntries(new URLSearchParams(search)),
    multiValueQueryStringParameters: search === undefined ? null : query,
    pathParameters: value === undefined ? null : { [name]: value },
    stageVariables: null,
    requestContext: { requestId: randomUUID() },
    body: body === undefined ? null : Buffer.from(body).toString('base64'),
    isBase64Encoded: body !== undefined,
  } as unknown as APIGatewayProxyEvent;
}
