/**
 * Composes the functions that answer clients and operators; keys.ts composes those for the platform's keys. A
 * bundle holds the one that its entry names, with its parts.
 */
import type { Dynamodb } from '../../adapters/aws/commands.ts';
import { createDenyList } from '../../adapters/deny-list.ts';
import { type AdminContext, type AdminHandler, adminHandler } from '../../admin/actions.ts';
import { clientWriteActions } from '../../admin/clients.ts';
import { eventWriteActions } from '../../admin/events.ts';
import { proofActions } from '../../admin/proofs.ts';
import { type RegionOptions, regionReadActions, regionWriteActions } from '../../admin/regions.ts';
import { registrationReadActions, registrationWriteActions } from '../../admin/registrations.ts';
import { clientReadActions } from '../../admin/show-clients.ts';
import { stoppable, type TableOptions, tableReadActions, tableWriteActions } from '../../admin/tables.ts';
import { tokenActions } from '../../admin/tokens.ts';
import { type WebhookWriteOptions, webhookReadActions, webhookWriteActions } from '../../admin/webhooks.ts';
import { PUBLIC_ONLY, systemResolve } from '../../callbacks/guard.ts';
import { createReadEvents } from '../../callbacks/read-events.ts';
import type { FunctionName, OAuthFunctionName, ServingFunctions } from '../../contract/names.ts';
import type { Consistency } from '../../contract/serving-environment.ts';
import { discoveryHandler } from '../../handlers/discovery.ts';
import { eventsHandler } from '../../handlers/events.ts';
import { healthHandler } from '../../handlers/health.ts';
import { jwksHandler } from '../../handlers/jwks.ts';
import { keysHandler } from '../../handlers/keys.ts';
import { nonceHandler } from '../../handlers/nonce.ts';
import { registerHandler } from '../../handlers/register.ts';
import { registrationHandler } from '../../handlers/registration.ts';
import type { HttpHandler } from '../../http/handler.ts';
import type { RegistrationSchema } from '../../schema/validator.ts';
import { events as eventsTable, globalTables } from './callbacks.ts';
import {
  type EnrolmentParts,
  enrolledGate,
  NO_ENROLMENT,
  oauthMetadata,
  oauthRegister,
  oauthRevocation,
  oauthToken,
  tokenGate,
} from './oauth.ts';
import {
  clients,
  consumption,
  endpoints,
  enrolledKeys,
  evacuations,
  goodness,
  httpContext,
  keyset,
  ledger,
  markGeneration,
  nonces,
  proofGate,
  publicCopy,
  publicKeys,
  type Runtime,
  readLimit,
  refusedKids,
  registry,
  type WithSecrets,
  type WithTables,
  writeStop,
} from './parts.ts';
import { numberFrom, requireEnv } from './variables.ts';

export const nonce = (runtime: WithTables & WithSecrets): HttpHandler =>
  nonceHandler(httpContext(runtime), nonces(runtime, keyset(runtime, 'nonce')));

export const register = (
  runtime: WithTables & WithSecrets,
  schema: RegistrationSchema,
  gate = proofGate(runtime),
): HttpHandler =>
  registerHandler({
    gate,
    consumption: consumption(runtime),
    registry: registry(runtime),
    schema,
    baseUrl: requireEnv(runtime.env, 'COUNTERSIGN_BASE_URL'),
  });

export const registration = (runtime: WithTables & WithSecrets, gate = proofGate(runtime)): HttpHandler =>
  registrationHandler({
    gate,
    consumption: consumption(runtime),
    registry: registry(runtime),
    readLimit: readLimit(runtime),
  });

export function events(runtime: WithTables & WithSecrets, gate = proofGate(runtime)): HttpHandler {
  const table = eventsTable(runtime);
  return eventsHandler({
    gate,
    events: table,
    readEvents: createReadEvents(table),
    readLimit: readLimit(runtime),
  });
}

export const keys = (runtime: WithTables & WithSecrets): HttpHandler => {
  const roots = keyset(runtime, 'client-root');
  return keysHandler({
    gate: proofGate(runtime, roots),
    consumption: consumption(runtime),
    clients: clients(runtime),
    roots,
    refusedRoots: refusedKids(runtime, 'client-root'),
    clientKeyLifeS: numberFrom(runtime.env, 'COUNTERSIGN_CLIENT_KEY_LIFE_S'),
    consistency: requireEnv(runtime.env, 'COUNTERSIGN_CONSISTENCY') as Consistency,
  });
};

export const discovery = (runtime: Runtime, { schema }: RegistrationSchema): HttpHandler =>
  discoveryHandler({
    http: httpContext(runtime),
    issuer: requireEnv(runtime.env, 'COUNTERSIGN_ISSUER'),
    entryUrl: requireEnv(runtime.env, 'COUNTERSIGN_ENTRY_URL'),
    regions: JSON.parse(requireEnv(runtime.env, 'COUNTERSIGN_REGIONS')),
    nonceLifeMs: numberFrom(runtime.env, 'COUNTERSIGN_NONCE_LIFE_MS'),
    schema,
  });

export const jwks = (runtime: WithTables & WithSecrets): HttpHandler =>
  jwksHandler(httpContext(runtime), [publicCopy(runtime, 'token'), keyset(runtime, 'webhook')]);

export const health = (runtime: WithTables & WithSecrets): HttpHandler =>
  healthHandler({
    http: httpContext(runtime),
    ledger: ledger(runtime),
    registry: registry(runtime),
    keysets: [keyset(runtime, 'nonce'), keyset(runtime, 'client-root')],
    evacuations: evacuations(runtime),
    writeStop: writeStop(runtime),
    goodness: goodness(runtime),
    holdDownMs: numberFrom(runtime.env, 'COUNTERSIGN_HOLD_DOWN_MS'),
  });

export const adminRead = (runtime: WithTables): AdminHandler =>
  adminHandler(adminContext(runtime, 'admin-read'), {
    ...webhookReadActions(callbackStores(runtime)),
    ...clientReadActions(clients(runtime), refusedKids(runtime, 'client-root')),
    ...registrationReadActions(registry(runtime)),
    ...regionReadActions(regionOptions(runtime)),
    ...tableReadActions(tables(runtime)),
  });

const tables = (runtime: WithTables): TableOptions => ({
  stop: writeStop(runtime),
  registry: requireEnv(runtime.env, 'COUNTERSIGN_REGISTRY_TABLE'),
  clients: requireEnv(runtime.env, 'COUNTERSIGN_CLIENTS_TABLE'),
  consistency: requireEnv(runtime.env, 'COUNTERSIGN_CONSISTENCY') as Consistency,
  regions: regionOptions(runtime).regions.map(({ name }) => name),
  nowMs: runtime.nowMs,
});

const callbackStores = (runtime: WithTables) => ({
  endpoints: endpoints(runtime),
  events: eventsTable(runtime),
  publicRoots: publicKeys(runtime, 'webhook-root'),
  isStopped: async () => (await writeStop(runtime).read()) !== undefined,
  region: requireEnv(runtime.env, 'COUNTERSIGN_REGION'),
  nowMs: runtime.nowMs,
});

/** What calls consumers, and so differs on a platform that has no public endpoints. */
export type CallbackOptions = Pick<WebhookWriteOptions, 'guard' | 'resolve' | 'wake'>;

export function adminWrite(runtime: WithTables & WithSecrets, callbacks: CallbackOptions): AdminHandler {
  const { env, nowMs } = runtime;
  const clockErrorMs = numberFrom(env, 'COUNTERSIGN_CLOCK_ERROR_MS');
  const { region } = httpContext(runtime);
  const changes = {
    ...webhookWriteActions({
      ...callbackStores(runtime),
      ...callbacks,
      clients: clients(runtime),
      publicKeys: publicKeys(runtime, 'webhook'),
      refusedKeys: refusedKids(runtime, 'webhook'),
      keysetMaxAgeMs: numberFrom(env, 'COUNTERSIGN_KEYSET_MAX_AGE_MS'),
      roots: keyset(runtime, 'webhook-root'),
      refusedRoots: refusedKids(runtime, 'webhook-root'),
    }),
    ...clientWriteActions({
      clients: clients(runtime),
      endpoints: endpoints(runtime),
      enrolledKeys: enrolledKeys(runtime),
      roots: keyset(runtime, 'client-root'),
      refusedRoots: refusedKids(runtime, 'client-root'),
      nowMs,
      clientKeyLifeS: numberFrom(env, 'COUNTERSIGN_CLIENT_KEY_LIFE_S'),
      clockErrorMs,
    }),
    ...registrationWriteActions({
      registry: registry(runtime),
      clients: clients(runtime),
      clockErrorMs,
      nowMs,
    }),
  };
  return adminHandler(adminContext(runtime, 'admin-write'), {
    ...stoppable(changes, writeStop(runtime), markGeneration(runtime)),
    ...tokenActions(createDenyList(runtime.dynamodb, requireEnv(env, 'COUNTERSIGN_LIMITS_TABLE')), nowMs),
    ...proofActions({ ledger: ledger(runtime), region, clockErrorMs, nowMs }),
    ...eventWriteActions({
      dynamodb: runtime.dynamodb,
      tables: globalTables(env),
      events: eventsTable(runtime),
      nowMs,
    }),
    ...regionWriteActions({ ...regionOptions(runtime), nowMs }),
    ...tableWriteActions(tables(runtime), () => registry(runtime).probe(region, nowMs())),
  });
}

const regionOptions = (runtime: WithTables): Omit<RegionOptions, 'nowMs'> => ({
  evacuations: evacuations(runtime),
  region: requireEnv(runtime.env, 'COUNTERSIGN_REGION'),
  regions: JSON.parse(requireEnv(runtime.env, 'COUNTERSIGN_REGIONS')),
});

function adminContext(runtime: Runtime, name: FunctionName): AdminContext {
  const { region, errorDocsUrl, log } = httpContext(runtime);
  return { function: name, region, errorDocsUrl, log };
}

/** The schedule of delivery finds what operators changed. */
const NO_QUEUE: CallbackOptions = { guard: PUBLIC_ONLY, resolve: systemResolve, wake: async () => {} };

/**
 * All of them in one process: for the local platform, tests and measurements. Those of OAuth are there where
 * the environment has its settings.
 */
export function createFunctions(
  runtime: WithTables & WithSecrets,
  schema: RegistrationSchema,
  callbacks: CallbackOptions = NO_QUEUE,
  enrolment: EnrolmentParts = NO_ENROLMENT,
  dynamodbIn: (region: string) => Dynamodb = () => runtime.dynamodb,
) {
  return {
    nonce: nonce(runtime),
    register: register(runtime, schema),
    registration: registration(runtime),
    events: events(runtime),
    keys: keys(runtime),
    discovery: discovery(runtime, schema),
    jwks: jwks(runtime),
    health: health(runtime),
    'admin-read': adminRead(runtime),
    'admin-write': adminWrite(runtime, callbacks),
    ...(runtime.env.COUNTERSIGN_OAUTH && {
      register: register(runtime, schema, tokenGate(runtime)),
      registration: registration(runtime, tokenGate(runtime)),
      events: events(runtime, enrolledGate(runtime)),
      ...oauthFunctions(runtime, enrolment, dynamodbIn),
    }),
  } satisfies ServingFunctions<HttpHandler | AdminHandler>;
}

const oauthFunctions = (
  runtime: WithTables & WithSecrets,
  enrolment: EnrolmentParts,
  dynamodbIn: (region: string) => Dynamodb,
): Record<OAuthFunctionName, HttpHandler> => ({
  'oauth-token': oauthToken(runtime),
  'oauth-metadata': oauthMetadata(runtime),
  'oauth-register': oauthRegister(runtime, enrolment),
  'oauth-revocation': oauthRevocation(runtime, dynamodbIn),
});
