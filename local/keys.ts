/**
 * The platform's keys on this machine: made in Vault, and rotated by the real rotation functions, which the stand-in for
 * Secrets Manager calls as AWS does.
 */
import { randomUUID } from 'node:crypto';
import { CreateSecretCommand, RotateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { setUpVault } from '../cli/vault/setup.ts';
import { createRevokedKids } from '../lambda/adapters/revoked-kids.ts';
import { createSecretVersions } from '../lambda/adapters/secret-versions.ts';
import { createVaultKeys } from '../lambda/adapters/vault.ts';
import {
  EMPTY_KEYSET,
  PURPOSES,
  type Purpose,
  rotationFunctionName,
  secretName,
  tableName,
} from '../lambda/contract/names.ts';
import { vaultName } from '../lambda/contract/vault.ts';
import type { Log } from '../lambda/log.ts';
import { rotateHandler } from '../lambda/rotate/handler.ts';
import { createVaultApi, type VaultApi } from '../lambda/vault/api.ts';
import type { KeyLags } from '../protocol/key-windows.ts';
import { parseKeyset } from '../protocol/keyset.ts';
import type { LambdaHandler } from './aws/lambda.ts';
import type { SecretRotation } from './aws/secret-rotation.ts';
import type { AwsClients } from './region.ts';
import { STAGE } from './stage.ts';

export interface KeysOptions {
  readonly vault: { readonly address: string; readonly rootToken: string };
  /** The home Region first. */
  readonly regions: readonly { readonly name: string; readonly aws: AwsClients }[];
  /** Where Secrets Manager finds the functions that this adds, by full name. */
  readonly functions: Map<string, LambdaHandler>;
  readonly rotation: SecretRotation;
  /** Longest life of what is signed with, or derived from, each purpose's key. */
  readonly maxLifeMs: Readonly<Record<Purpose, number>>;
  readonly errorDocsUrl: string;
  readonly nowMs: () => number;
  readonly log: Log;
}

const HOUR_MS = 3_600_000;
/** The config's defaults. */
const LAGS: Omit<KeyLags, 'maxLifeMs'> = {
  replicationMs: HOUR_MS,
  verifierAgeMs: 24 * HOUR_MS,
  signerAgeMs: 24 * HOUR_MS,
  clockErrorMs: 2_000,
  finishMs: HOUR_MS,
};
const ROTATION_PERIOD: Readonly<Record<Purpose, string>> = {
  nonce: 'rate(30 days)',
  'client-root': 'rate(180 days)',
  token: 'rate(30 days)',
};
const DUE_EVERY_MS = 60_000;

/**
 * Prepares Vault as `countersign vault setup` does, and rotates every purpose for the first time.
 *
 * @returns what ends the schedule
 */
export async function setUpKeys(options: KeysOptions): Promise<() => void> {
  const { vault, regions, functions, rotation } = options;
  const api = createVaultApi({ address: vault.address });
  await setUpVault({ api, token: vault.rootToken, plan: { stage: STAGE, auth: { method: 'approle' } } });
  const { secrets } = regions[0]!.aws;
  for (const purpose of PURPOSES) {
    functions.set(rotationFunctionName(STAGE, purpose), await rotationFunction(options, api, purpose));
    const Name = secretName(STAGE, purpose);
    await secrets.send(new CreateSecretCommand({ Name, SecretString: EMPTY_KEYSET }));
    await secrets.send(
      new RotateSecretCommand({
        SecretId: Name,
        RotationLambdaARN: `arn:aws:lambda:${regions[0]!.name}:000000000000:function:${rotationFunctionName(STAGE, purpose)}`,
        RotationRules: { ScheduleExpression: ROTATION_PERIOD[purpose] },
      }),
    );
  }
  await rotation.settled();
  for (const purpose of PURPOSES) await requireKey(options, purpose);
  const timer = setInterval(() => rotation.rotateDue(), DUE_EVERY_MS);
  return () => clearInterval(timer);
}

async function rotationFunction(
  { vault, regions, maxLifeMs, errorDocsUrl, nowMs, log }: KeysOptions,
  api: VaultApi,
  purpose: Purpose,
): Promise<LambdaHandler> {
  const [home, ...others] = regions.map(({ name, aws }) => ({
    region: name,
    secret: createSecretVersions(aws.secrets, secretName(STAGE, purpose)),
    revoked: createRevokedKids(aws.dynamodb, tableName(STAGE, 'limits')),
  }));
  const all = [home!, ...others];
  const publishRevoked = (kids: readonly string[]) =>
    Promise.all(
      all.map(async ({ region, revoked }) => {
        const told = revoked.add(purpose, kids, nowMs());
        return {
          region,
          confirmed: await told.then(
            () => true,
            () => false,
          ),
        };
      }),
    );
  const role = `auth/approle/role/${vaultName(STAGE, purpose)}`;
  const { role_id } = dataOf(await api.read(`${role}/role-id`, vault.rootToken));
  const secretId = async () => {
    const { secret_id } = dataOf(await api.write(`${role}/secret-id`, {}, vault.rootToken));
    return String(secret_id);
  };
  return rotateHandler({
    purpose,
    secretName: secretName(STAGE, purpose),
    secret: home!.secret,
    vault: createVaultKeys({
      address: vault.address,
      auth: { method: 'approle', roleId: String(role_id), secretId },
    }),
    vaultKey: vaultName(STAGE, purpose),
    lags: { ...LAGS, maxLifeMs: maxLifeMs[purpose] },
    nowMs,
    log,
    region: home!.region,
    errorDocsUrl,
    replicas: others,
    publishRevoked,
  });
}

async function requireKey({ regions, functions }: KeysOptions, purpose: Purpose): Promise<void> {
  const secret = createSecretVersions(regions[0]!.aws.secrets, secretName(STAGE, purpose));
  const held = await secret.read({ stage: 'AWSCURRENT' });
  if (held && parseKeyset(held.text).keys.length > 0) return;
  // Secrets Manager keeps to itself why a step failed: the first one says it again.
  const event = {
    Step: 'createSecret',
    SecretId: secretName(STAGE, purpose),
    ClientRequestToken: randomUUID(),
  };
  await functions.get(rotationFunctionName(STAGE, purpose))!(event, { awsRequestId: randomUUID() });
  throw new Error(`the first rotation of ${purpose} did not end`);
}

const dataOf = (answer: unknown): Readonly<Record<string, unknown>> =>
  ((answer as { data?: object } | undefined)?.data ?? {}) as Readonly<Record<string, unknown>>;
