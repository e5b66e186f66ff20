/** The parts of the functions, each made from the environment. */
import { publicKeyset } from '../../../protocol/published.ts';
import type { Dynamodb, Secrets } from '../../adapters/aws/commands.ts';
import { readSecret } from '../../adapters/aws.ts';
import { type Clients, createClientReader, createClients } from '../../adapters/clients.ts';
import type { Pause } from '../../adapters/dynamodb.ts';
import { createEndpoints, type Endpoints } from '../../adapters/endpoints.ts';
import { createEnrolledKeys, type EnrolledKeys } from '../../adapters/enrolled-keys.ts';
import { createEvacuations, type Evacuations } from '../../adapters/evacuations.ts';
import { createGoodness, type GoodnessRecord } from '../../adapters/goodness.ts';
import { createLedger, type Ledger } from '../../adapters/ledger.ts';
import { createLimits } from '../../adapters/limits.ts';
import { createPublicKeys, type PublicKeys } from '../../adapters/public-keys.ts';
import { createPublicCopy } from '../../adapters/published-keys.ts';
import { createRegistry, type Registry } from '../../adapters/registry.ts';
import { createRevokedKids } from '../../adapters/revoked-kids.ts';
import { createWriteStop, type WriteStop } from '../../adapters/write-stop.ts';
import type { Environment, Variable } from '../../contract/environment.ts';
import type { Purpose } from '../../contract/purposes.ts';
import type { Consistency } from '../../contract/serving-environment.ts';
import type { HttpContext } from '../../http/handler.ts';
import type { Log } from '../../log.ts';
import { ClientCache } from '../../request/client-cache.ts';
import { ClientKeys } from '../../request/client-keys.ts';
import type { Consumption } from '../../request/consumption.ts';
import { KeysetCache, type KeysetCacheOptions } from '../../request/keyset-cache.ts';
import { Nonces } from '../../request/nonces.ts';
import { once } from '../../request/once.ts';
import type { ProofGate } from '../../request/proof-gate.ts';
import { Quota } from '../../request/quota.ts';
import { ReadLimit } from '../../request/read-limit.ts';
import { writesCheck } from '../../request/writes.ts';
import { numberFrom, requireEnv } from './variables.ts';

/** Called for each read whose result stays in memory, e.g. of a keyset. */
export type AtStart = (read: () => Promise<unknown>) => void;

export interface Runtime {
  readonly env: Environment;
  readonly log: Log;
  /** Epoch milliseconds. */
  readonly nowMs: () => number;
  /** @default the first request that needs something reads it */
  readonly atStart?: AtStart;
  /** Between two attempts of a write. @default a random time */
  readonly pause?: Pause;
}
export type WithTables = Runtime & { readonly dynamodb: Dynamodb };
export type WithSecrets = Runtime & { readonly secrets: Secrets };

export function httpContext({ env, log, nowMs }: Runtime): HttpContext {
  const region = requireEnv(env, 'COUNTERSIGN_REGION');
  return { region, errorDocsUrl: requireEnv(env, 'COUNTERSIGN_ERROR_DOCS_URL'), nowMs, log };
}

/** The secrets that functions read. */
const SECRET = {
  nonce: 'COUNTERSIGN_NONCE_SECRET',
  'client-root': 'COUNTERSIGN_CLIENT_ROOT_SECRET',
  token: 'COUNTERSIGN_TOKEN_SECRET',
  webhook: 'COUNTERSIGN_WEBHOOK_SECRET',
  'webhook-root': 'COUNTERSIGN_WEBHOOK_ROOT_SECRET',
} as const satisfies { readonly [P in Purpose]?: Variable };
type ReadPurpose = keyof typeof SECRET;

/**
 * A keyset without revoked keys. Signers and verifiers read it alike: no signature is made that is then
 * refused.
 */
export function keyset(runtime: WithSecrets & WithTables, purpose: ReadPurpose): KeysetCache {
  const name = requireEnv(runtime.env, SECRET[purpose]);
  return keysetCache(runtime, purpose, { read: () => readSecret(runtime.secrets, name) });
}

/**
 * The public halves of a purpose's keys, from the Region's memory of what was published: whoever only
 * verifies holds nothing that signs.
 */
export function publicCopy(runtime: WithTables, purpose: ReadPurpose): KeysetCache {
  const table = requireEnv(runtime.env, 'COUNTERSIGN_LIMITS_TABLE');
  const { read } = createPublicCopy(runtime.dynamodb, table, purpose);
  return keysetCache(runtime, purpose, { read, parse: (text) => publicKeyset(JSON.parse(text)) });
}

function keysetCache(
  { env, dynamodb, nowMs, log, atStart }: WithTables,
  purpose: ReadPurpose,
  source: Pick<KeysetCacheOptions, 'read' | 'parse'>,
): KeysetCache {
  const kids = createRevokedKids(dynamodb, requireEnv(env, 'COUNTERSIGN_LIMITS_TABLE'));
  const cache = new KeysetCache({
    purpose,
    ...source,
    readRevoked: () => kids.read(purpose),
    nowMs,
    maxAgeMs: numberFrom(env, 'COUNTERSIGN_KEYSET_MAX_AGE_MS'),
    log,
  });
  atStart?.(() => cache.current());
  return cache;
}

export const publicKeys = ({ env, dynamodb }: WithTables, purpose: Purpose): PublicKeys =>
  createPublicKeys(dynamodb, requireEnv(env, 'COUNTERSIGN_LIMITS_TABLE'), purpose);

/** @param nonceLifeMs @default that of a proof's nonce */
export function nonces(
  { env, nowMs }: Runtime,
  keyset: KeysetCache,
  nonceLifeMs = numberFrom(env, 'COUNTERSIGN_NONCE_LIFE_MS'),
): Nonces {
  return new Nonces({
    keyset,
    region: requireEnv(env, 'COUNTERSIGN_REGION'),
    ledgerTable: requireEnv(env, 'COUNTERSIGN_LEDGER_TABLE'),
    nonceLifeMs,
    nowMs,
  });
}

export const ledger = ({ env, dynamodb }: WithTables): Ledger =>
  createLedger(dynamodb, requireEnv(env, 'COUNTERSIGN_LEDGER_TABLE'));

export const evacuations = ({ env, dynamodb }: WithTables): Evacuations =>
  createEvacuations(dynamodb, requireEnv(env, 'COUNTERSIGN_LIMITS_TABLE'));

export const goodness = ({ env, dynamodb }: WithTables): GoodnessRecord =>
  createGoodness(dynamodb, requireEnv(env, 'COUNTERSIGN_LIMITS_TABLE'));

export const consumption = (runtime: WithTables): Consumption => ({
  writeRefusal: writeRefusal(runtime),
  markGeneration: markGeneration(runtime),
  ledger: ledger(runtime),
  quota: quota(runtime),
});

/** @returns why the Region takes no write now */
export function writeRefusal(runtime: WithTables): Consumption['writeRefusal'] {
  const { env, nowMs, log } = runtime;
  const region = requireEnv(env, 'COUNTERSIGN_REGION');
  const stop = writeStop(runtime);
  const check = writesCheck({ evacuations: evacuations(runtime), stop, region, nowMs, log });
  runtime.atStart?.(check);
  return check;
}

export function quota(runtime: WithTables): Quota {
  const { env, dynamodb, nowMs } = runtime;
  const limits = createLimits(dynamodb, requireEnv(env, 'COUNTERSIGN_LIMITS_TABLE'));
  return new Quota({ limits, signaturesPerMinute: signaturesPerMinute(runtime), nowMs });
}

/** @returns a function that marks the registry's generation as used, once for each instance */
export function markGeneration(runtime: WithTables): () => Promise<void> {
  const { probe } = registry(runtime);
  return once(() => probe(requireEnv(runtime.env, 'COUNTERSIGN_REGION'), runtime.nowMs()));
}

export const writeStop = ({ env, dynamodb }: WithTables): WriteStop =>
  createWriteStop(dynamodb, requireEnv(env, 'COUNTERSIGN_LIMITS_TABLE'));

export const readLimit = (runtime: Runtime): ReadLimit =>
  new ReadLimit({ signaturesPerMinute: signaturesPerMinute(runtime), nowMs: runtime.nowMs });

const signaturesPerMinute = ({ env }: Runtime): number =>
  numberFrom(env, 'COUNTERSIGN_SIGNATURES_PER_MINUTE');

/** Reads the kids of a purpose that this Region refuses. */
export const refusedKids = ({ env, dynamodb }: WithTables, purpose: Purpose) => {
  const kids = createRevokedKids(dynamodb, requireEnv(env, 'COUNTERSIGN_LIMITS_TABLE'));
  return () => kids.read(purpose);
};

const CLIENTS_TABLE = 'COUNTERSIGN_CLIENTS_TABLE';

export const endpoints = ({ env, dynamodb, pause }: WithTables): Endpoints =>
  createEndpoints(dynamodb, requireEnv(env, CLIENTS_TABLE), pause);

/** For operators, and for a client's next key: the rest of the request path only reads. */
export const clients = ({ env, dynamodb, pause }: WithTables): Clients =>
  createClients(dynamodb, requireEnv(env, CLIENTS_TABLE), pause);

export const enrolledKeys = ({ env, dynamodb, pause }: WithTables): EnrolledKeys =>
  createEnrolledKeys(dynamodb, requireEnv(env, CLIENTS_TABLE), pause);

export const registry = ({ env, dynamodb, pause }: WithTables): Registry =>
  createRegistry(dynamodb, requireEnv(env, 'COUNTERSIGN_REGISTRY_TABLE'), {
    region: requireEnv(env, 'COUNTERSIGN_REGION'),
    consistency: requireEnv(env, 'COUNTERSIGN_CONSISTENCY') as Consistency,
    clockErrorMs: numberFrom(env, 'COUNTERSIGN_CLOCK_ERROR_MS'),
    pause,
  });

export const clientCache = ({ env, dynamodb, nowMs }: WithTables): ClientCache =>
  new ClientCache(createClientReader(dynamodb, requireEnv(env, CLIENTS_TABLE)), nowMs);

/** The Region's own base URL and the entry's. */
export const baseUrls = ({ env }: Runtime): readonly string[] => [
  requireEnv(env, 'COUNTERSIGN_BASE_URL'),
  requireEnv(env, 'COUNTERSIGN_ENTRY_URL'),
];

export function proofGate(
  runtime: WithTables & WithSecrets,
  roots = keyset(runtime, 'client-root'),
): ProofGate {
  const { env, nowMs } = runtime;
  return {
    http: httpContext(runtime),
    clients: clientCache(runtime),
    clientKeys: new ClientKeys(roots, nowMs),
    nonces: nonces(runtime, keyset(runtime, 'nonce')),
    issuer: requireEnv(env, 'COUNTERSIGN_ISSUER'),
    baseUrls: baseUrls(runtime),
    clockErrorMs: numberFrom(env, 'COUNTERSIGN_CLOCK_ERROR_MS'),
  };
}
