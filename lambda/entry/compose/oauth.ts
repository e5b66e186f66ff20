/** Composes the functions that only a stage with OAuth has. */

import type { EnrolmentPolicy } from '../../../protocol/oauth/attestation.ts';
import { dpopNonceLifeMs } from '../../../protocol/oauth/dpop.ts';
import { PLATFORM_SCOPES } from '../../../protocol/oauth/scope.ts';
import type { Dynamodb } from '../../adapters/aws/commands.ts';
import { createDenyList } from '../../adapters/deny-list.ts';
import type { Environment } from '../../contract/environment.ts';
import type { Consistency, OAuthSettings } from '../../contract/serving-environment.ts';
import type { HttpHandler } from '../../http/handler.ts';
import { dpopContext, tokenAccess } from '../../oauth/access.ts';
import { oauthContext } from '../../oauth/answer.ts';
import { clientAuth } from '../../oauth/client-auth.ts';
import { ClientTokens } from '../../oauth/client-tokens.ts';
import type { DpopGate } from '../../oauth/dpop-gate.ts';
import { Enrolments } from '../../oauth/enrol.ts';
import { enrolledClients } from '../../oauth/enrolled-clients.ts';
import { introspectToken } from '../../oauth/introspect.ts';
import { createIssuerKeys, type FetchJson, httpsJson } from '../../oauth/issuer-keys.ts';
import { metadataHandler } from '../../oauth/metadata.ts';
import { DpopNonces } from '../../oauth/nonces.ts';
import { registerHandler } from '../../oauth/register-handler.ts';
import { revocationHandler } from '../../oauth/revocation.ts';
import { revokeToken } from '../../oauth/revoke.ts';
import { sweepHandler } from '../../oauth/sweep.ts';
import { tokenHandler } from '../../oauth/token.ts';
import { publicKeys } from '../../oauth/token-keys.ts';
import type { ClientLookups } from '../../request/client-cache.ts';
import type { KeysetCache } from '../../request/keyset-cache.ts';
import type { ProofGate } from '../../request/proof-gate.ts';
import {
  baseUrls,
  clientCache,
  clients,
  enrolledKeys,
  httpContext,
  keyset,
  ledger,
  markGeneration,
  nonces,
  proofGate,
  publicCopy,
  quota,
  type Runtime,
  type WithSecrets,
  type WithTables,
  writeRefusal,
  writeStop,
} from './parts.ts';
import { numberFrom, requireEnv } from './variables.ts';

export const oauthSettings = (env: Environment): OAuthSettings =>
  JSON.parse(requireEnv(env, 'COUNTERSIGN_OAUTH'));

/** @param nonceKeys the keyset of nonces */
export function dpopGate(
  runtime: WithTables & WithSecrets,
  nonceKeys: KeysetCache = keyset(runtime, 'nonce'),
): DpopGate {
  const { env } = runtime;
  const { tokenLifeMs, bodyBinding } = oauthSettings(env);
  return {
    http: httpContext(runtime),
    nonces: new DpopNonces(nonces(runtime, nonceKeys, dpopNonceLifeMs(tokenLifeMs))),
    ledger: ledger(runtime),
    baseUrls: baseUrls(runtime),
    clockErrorMs: numberFrom(env, 'COUNTERSIGN_CLOCK_ERROR_MS'),
    bodyBinding,
  };
}

/** Clients; where the stage has policies of enrolment, with the keys of instances. */
function clientLookups(runtime: WithTables): ClientLookups {
  const { env, nowMs } = runtime;
  const clients = clientCache(runtime);
  const policies: string[] = JSON.parse(requireEnv(env, 'COUNTERSIGN_ENROLMENT'));
  if (policies.length === 0) return clients;
  return enrolledClients({ clients, keys: enrolledKeys(runtime), policies, nowMs });
}

/** The way into a route that takes a proof, also of an instance that enrolled. */
export const enrolledGate = (runtime: WithTables & WithSecrets): ProofGate => ({
  ...proofGate(runtime),
  clients: clientLookups(runtime),
});

/** The way into a route that takes a proof or an access token. */
export function tokenGate(runtime: WithTables & WithSecrets): ProofGate {
  const { nowMs } = runtime;
  const gate = enrolledGate(runtime);
  const dpop = dpopGate(runtime);
  const other = tokenAccess({
    dpop,
    clients: gate.clients,
    publicKey: publicKeys(publicCopy(runtime, 'token'), nowMs),
    denyList: denyList(runtime),
    issuer: gate.issuer,
  });
  return { ...gate, http: dpopContext(gate.http, dpop.nonces), other };
}

export function oauthToken(runtime: WithTables & WithSecrets): HttpHandler {
  const { tokenLifeMs, resources } = oauthSettings(runtime.env);
  return tokenHandler({
    gate: dpopGate(runtime),
    clients: clientLookups(runtime),
    keys: keyset(runtime, 'token'),
    quota: quota(runtime),
    issuer: requireEnv(runtime.env, 'COUNTERSIGN_ISSUER'),
    tokenLifeMs,
    resources: resources.map(({ url }) => url),
  });
}

/** What lets instances in. */
export interface EnrolmentParts {
  readonly policies: readonly EnrolmentPolicy[];
  readonly fetchJson: FetchJson;
}

export const NO_ENROLMENT: EnrolmentParts = { policies: [], fetchJson: httpsJson() };

export function oauthRegister(
  runtime: WithTables & WithSecrets,
  { policies, fetchJson }: EnrolmentParts,
): HttpHandler {
  const { env, nowMs, log } = runtime;
  const dpop = dpopGate(runtime);
  const { region } = dpop.http;
  const table = clients(runtime);
  const issuer = requireEnv(env, 'COUNTERSIGN_ISSUER');
  const enrolments = new Enrolments({
    policies,
    issuerKeys: createIssuerKeys({ fetchJson, nowMs, region, log }),
    clients: table,
    enrolledKeys: enrolledKeys(runtime),
    issuer,
    baseUrl: requireEnv(env, 'COUNTERSIGN_BASE_URL'),
    clockErrorMs: dpop.clockErrorMs,
    nowMs,
  });
  return registerHandler({
    dpop: { ...dpop, http: oauthContext(dpop.http, dpop.nonces) },
    clients: table,
    tokens: new ClientTokens(keyset(runtime, 'client-root'), nowMs),
    writes: { writeRefusal: writeRefusal(runtime), markGeneration: markGeneration(runtime) },
    clientKeyLifeS: numberFrom(env, 'COUNTERSIGN_CLIENT_KEY_LIFE_S'),
    consistency: requireEnv(env, 'COUNTERSIGN_CONSISTENCY') as Consistency,
    ...(policies.length > 0 && { enrolments }),
    entryUrl: requireEnv(env, 'COUNTERSIGN_ENTRY_URL'),
  });
}

const denyList = ({ env, dynamodb }: WithTables) =>
  createDenyList(dynamodb, requireEnv(env, 'COUNTERSIGN_LIMITS_TABLE'));

/** Revocation and introspection. @param dynamodbIn a client for the tables of a Region */
export function oauthRevocation(
  runtime: WithTables & WithSecrets,
  dynamodbIn: (region: string) => Dynamodb,
): HttpHandler {
  const { env, nowMs } = runtime;
  const gate = dpopGate(runtime);
  const clients = clientLookups(runtime);
  const issuer = requireEnv(env, 'COUNTERSIGN_ISSUER');
  const { ledger } = gate;
  const regions: { name: string }[] = JSON.parse(requireEnv(env, 'COUNTERSIGN_REGIONS'));
  const options = {
    authenticate: clientAuth({ clients, ledger, quota: quota(runtime), issuer, nowMs }),
    publicKey: publicKeys(publicCopy(runtime, 'token'), nowMs),
    ...{ issuer, nowMs },
  };
  const denyLists = regions.map(({ name }) => denyList({ ...runtime, dynamodb: dynamodbIn(name) }));
  const { resources } = oauthSettings(env);
  return revocationHandler(oauthContext(gate.http, gate.nonces), {
    revoke: revokeToken({ ...options, denyLists }),
    introspect: introspectToken({ ...options, clients, denyList: denyList(runtime), resources }),
  });
}

/** Sweeps the keys of instances. */
export function enrolmentSweep(runtime: WithTables): () => Promise<void> {
  const { env, nowMs, log } = runtime;
  const stop = writeStop(runtime);
  return sweepHandler({
    keys: enrolledKeys(runtime),
    instances: JSON.parse(requireEnv(env, 'COUNTERSIGN_INSTANCES')),
    isStopped: async () => (await stop.read()) !== undefined,
    region: requireEnv(env, 'COUNTERSIGN_REGION'),
    nowMs,
    log,
  });
}

export const oauthMetadata = (runtime: Runtime): HttpHandler =>
  metadataHandler(httpContext(runtime), {
    issuer: requireEnv(runtime.env, 'COUNTERSIGN_ISSUER'),
    url: requireEnv(runtime.env, 'COUNTERSIGN_ENTRY_URL'),
    scopes: [...PLATFORM_SCOPES, ...oauthSettings(runtime.env).scopes],
  });
