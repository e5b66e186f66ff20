/** Composes the functions for keys: a rotation function for each purpose, and keys-watch. */
import type { KeyLags } from '../../../protocol/key-windows.ts';
import type { Dynamodb } from '../../adapters/aws/commands.ts';
import { readSecret } from '../../adapters/aws.ts';
import type { SdkSecrets } from '../../adapters/aws-sdk.ts';
import { createPublishedKeys } from '../../adapters/published-keys.ts';
import { createRevokedKids } from '../../adapters/revoked-kids.ts';
import { createRotationRecord } from '../../adapters/rotation-record.ts';
import { createSecretVersions } from '../../adapters/secret-versions.ts';
import { secretName } from '../../contract/names.ts';
import { algorithmOf, type Purpose } from '../../contract/purposes.ts';
import { appRoleSecretName, type VaultAccess, vaultName, vaultServerId } from '../../contract/vault.ts';
import { describeError } from '../../log.ts';
import { type RotateHandler, rotateHandler } from '../../rotate/handler.ts';
import type { KeyRegion } from '../../rotate/regions.ts';
import { type AskKeys, keysWatchHandler } from '../../rotate/watch/handler.ts';
import { tablesWatchHandler } from '../../rotate/watch/tables.ts';
import type { AwsCredentials } from '../../vault/aws-login.ts';
import { createVaultKeys, type VaultAuth } from '../../vault/keys.ts';
import type { AppRoleCredentials } from '../../vault/login.ts';
import { httpContext, type Runtime } from './parts.ts';
import { requireEnv } from './variables.ts';

export interface RegionClients {
  readonly secrets: SdkSecrets;
  readonly dynamodb: Dynamodb;
}

/** The function's identity, for a login at Vault. */
export interface Identity {
  readonly credentials: () => Promise<AwsCredentials>;
  /** @returns a JWT of the function's role for an audience */
  readonly webIdentityToken: (audience: string) => Promise<string>;
}

export type RotateRuntime = Runtime & { readonly aws: (region: string) => RegionClients } & Identity;

export function rotate(runtime: RotateRuntime): RotateHandler {
  const { env, nowMs, log, aws } = runtime;
  const stage = requireEnv(env, 'COUNTERSIGN_STAGE');
  const purpose = requireEnv(env, 'COUNTERSIGN_PURPOSE') as Purpose;
  const lags: KeyLags = JSON.parse(requireEnv(env, 'COUNTERSIGN_KEY_LAGS'));
  const access: VaultAccess = JSON.parse(requireEnv(env, 'COUNTERSIGN_VAULT'));
  const names: string[] = JSON.parse(requireEnv(env, 'COUNTERSIGN_REGION_NAMES'));
  const limits = requireEnv(env, 'COUNTERSIGN_LIMITS_TABLE');
  const { region: here, errorDocsUrl } = httpContext(runtime);
  const regions = names.map((region) => {
    const { secrets, dynamodb } = aws(region);
    const secret = createSecretVersions(secrets, secretName(stage, purpose));
    const revoked = createRevokedKids(dynamodb, limits);
    const revokedKids = {
      read: () => revoked.read(purpose),
      add: (kids: readonly string[]) => revoked.add(purpose, kids, nowMs()),
    };
    const keys = createPublishedKeys(dynamodb, limits, purpose);
    const published: KeyRegion['published'] = {
      read: () => keys.read(),
      change: (change) => keys.change(change, nowMs()),
    };
    return { region, secrets, dynamodb, secret, revokedKids, published };
  });
  const own = regions.find(({ region }) => region === here);
  if (!own) throw new Error(`COUNTERSIGN_REGION_NAMES lacks ${here}`);
  const vault = createVaultKeys({
    address: access.address,
    ...(access.namespace !== undefined && { namespace: access.namespace }),
    ...(access.caPem !== undefined && { caPem: access.caPem }),
    auth: vaultAuth(stage, purpose, access, runtime, own.secrets),
    nowMs,
  });
  const handler = rotateHandler({
    purpose,
    alg: algorithmOf(purpose),
    secretName: secretName(stage, purpose),
    secret: own.secret,
    vault,
    vaultKey: vaultName(stage, purpose),
    lags,
    nowMs,
    log,
    region: here,
    keysManagedBy: requireEnv(env, 'COUNTERSIGN_KEYS_MANAGED_BY'),
    errorDocsUrl,
    regions,
    record: createRotationRecord(own.dynamodb, limits, purpose),
  });
  let running = 0;
  return async (event, invocation) => {
    running += 1;
    try {
      return await handler(event, invocation);
    } finally {
      // On the local platform several calls may run at once: the last one gives the token back.
      running -= 1;
      if (running === 0) await logOut();
    }
  };

  /** A token that is not revoked ends ten minutes after its login, so a failure here fails no rotation. */
  async function logOut(): Promise<void> {
    await vault.logOut().catch((error: unknown) => {
      log({ level: 'WARN', message: 'keyset', purpose, reason: 'vault_token', ...describeError(error) });
    });
  }
}

function vaultAuth(
  stage: string,
  purpose: Purpose,
  { auth: method, address, stsRegion }: VaultAccess,
  { credentials, webIdentityToken }: Identity,
  secrets: SdkSecrets,
): VaultAuth {
  const role = vaultName(stage, purpose);
  const serverId = vaultServerId(address);
  if (method === 'aws')
    return { method, role, serverId, ...(stsRegion !== undefined && { stsRegion }), credentials };
  if (method === 'jwt') return { method, role, jwt: () => webIdentityToken(serverId) };
  const name = appRoleSecretName(stage, purpose);
  return { method, credentials: async () => readAppRole(await readSecret(secrets, name)) };
}

/** @throws SyntaxError, which holds no part of the secret */
function readAppRole(text: string): AppRoleCredentials {
  let value: Partial<AppRoleCredentials> | undefined;
  try {
    value = JSON.parse(text);
  } catch {
    // V8's message quotes the text.
  }
  const { role_id, secret_id } = value ?? {};
  if (typeof role_id === 'string' && typeof secret_id === 'string') return { role_id, secret_id };
  throw new SyntaxError('the AppRole secret is not {"role_id","secret_id"}');
}

export type KeysWatchRuntime = Runtime & { readonly dynamodb: Dynamodb };

export function keysWatch({ env, nowMs, log, dynamodb }: KeysWatchRuntime, ask: AskKeys) {
  const region = requireEnv(env, 'COUNTERSIGN_REGION');
  const checks = [
    keysWatchHandler({
      ask,
      rotates: region === requireEnv(env, 'COUNTERSIGN_KEYS_MANAGED_BY'),
      rotationPeriodsMs: JSON.parse(requireEnv(env, 'COUNTERSIGN_ROTATION_PERIODS')),
      nowMs,
      log,
    }),
    tablesWatchHandler({
      dynamodb,
      region,
      regions: JSON.parse(requireEnv(env, 'COUNTERSIGN_REGION_NAMES')),
      tables: [requireEnv(env, 'COUNTERSIGN_REGISTRY_TABLE'), requireEnv(env, 'COUNTERSIGN_CLIENTS_TABLE')],
      log,
    }),
  ];
  /** One check that fails does not stop the other one. */
  return async (): Promise<void> => {
    const outcomes = await Promise.allSettled(checks.map((check) => check()));
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  };
}
