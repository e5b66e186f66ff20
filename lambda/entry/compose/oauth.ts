/** Composes the functions that only a stage with OAuth has. */
import { dpopNonceLifeMs } from '../../../protocol/oauth/dpop.ts';
import { PLATFORM_SCOPES } from '../../../protocol/oauth/scope.ts';
import type { Environment } from '../../contract/environment.ts';
import type { OAuthSettings } from '../../contract/serving-environment.ts';
import type { HttpHandler } from '../../http/handler.ts';
import { dpopContext, tokenAccess } from '../../oauth/access.ts';
import type { DpopGate } from '../../oauth/dpop-gate.ts';
import { metadataHandler } from '../../oauth/metadata.ts';
import { DpopNonces } from '../../oauth/nonces.ts';
import { tokenHandler } from '../../oauth/token.ts';
import { publicKeys } from '../../oauth/token-keys.ts';
import type { KeysetCache } from '../../request/keyset-cache.ts';
import type { ProofGate } from '../../request/proof-gate.ts';
import {
  baseUrls,
  clientCache,
  httpContext,
  keyset,
  ledger,
  nonces,
  proofGate,
  publicCopy,
  quota,
  type Runtime,
  type WithSecrets,
  type WithTables,
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

/** The way into a route that takes a proof or an access token. */
export function tokenGate(runtime: WithTables & WithSecrets): ProofGate {
  const { nowMs } = runtime;
  const gate = proofGate(runtime);
  const dpop = dpopGate(runtime);
  const other = tokenAccess({
    dpop,
    clients: gate.clients,
    publicKey: publicKeys(publicCopy(runtime, 'token'), nowMs),
    issuer: gate.issuer,
  });
  return { ...gate, http: dpopContext(gate.http, dpop.nonces), other };
}

export function oauthToken(runtime: WithTables & WithSecrets): HttpHandler {
  const { tokenLifeMs, resources } = oauthSettings(runtime.env);
  return tokenHandler({
    gate: dpopGate(runtime),
    clients: clientCache(runtime),
    keys: keyset(runtime, 'token'),
    quota: quota(runtime),
    issuer: requireEnv(runtime.env, 'COUNTERSIGN_ISSUER'),
    tokenLifeMs,
    resources: resources.map(({ url }) => url),
  });
}

export const oauthMetadata = (runtime: Runtime): HttpHandler =>
  metadataHandler(httpContext(runtime), {
    issuer: requireEnv(runtime.env, 'COUNTERSIGN_ISSUER'),
    url: requireEnv(runtime.env, 'COUNTERSIGN_ENTRY_URL'),
    scopes: [...PLATFORM_SCOPES, ...oauthSettings(runtime.env).scopes],
  });
