/**
 * The platform's keys on this machine. Vault makes them, and the real rotation functions rotate them. The stand-in for
 * Secrets Manager calls these functions as AWS does.
 */
import { randomUUID } from 'node:crypto';
import { CreateSecretCommand, RotateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { setUpVault } from '../cli/vault/setup.ts';
import { createSecretVersions } from '../lambda/adapters/secret-versions.ts';
import { DEFAULT_LAGS, DEFAULTS } from '../lambda/contract/defaults.ts';
import {
  EMPTY_KEYSET,
  keysWatchName,
  rotationFunctionName,
  secretName,
  tableName,
} from '../lambda/contract/names.ts';
import { KEYSETS, longestLifeMs, PURPOSES, type Purpose } from '../lambda/contract/purposes.ts';
import type { VaultAccess } from '../lambda/contract/vault.ts';
import { keysWatch, rotate } from '../lambda/entry/compose/keys.ts';
import type { Log } from '../lambda/log.ts';
import { askByLambda } from '../lambda/rotate/watch/ask.ts';
import { createVaultApi } from '../lambda/vault/api.ts';
import type { KeyLags } from '../protocol/key-windows.ts';
import { parseKeyset } from '../protocol/keyset.ts';
import type { LambdaHandler } from './aws/lambda.ts';
import type { SecretRotation } from './aws/secret-rotation.ts';
import type { AwsClients } from './region.ts';
import { STAGE } from './stage.ts';
import { storeAppRole } from './vault/approle.ts';

interface LocalRegion {
  readonly name: string;
  readonly aws: AwsClients;
  /** The Region's functions by full name. The functions for keys are added here. */
  readonly functions: Map<string, LambdaHandler>;
}

export interface KeysOptions {
  readonly vault: { readonly address: string; readonly rootToken: string };
  /** The home Region first. */
  readonly regions: readonly LocalRegion[];
  readonly rotation: SecretRotation;
  /** Lags that differ from the config's defaults. */
  readonly lags: Partial<Omit<KeyLags, 'maxLifeMs'>>;
  /** By purpose, the longest life of anything its keys sign, where it differs from a deployed stage's. */
  readonly maxLifeMs: Readonly<Partial<Record<Purpose, number>>>;
  readonly errorDocsUrl: string;
  readonly nowMs: () => number;
  readonly log: Log;
}

const HOUR_MS = 3_600_000;
const DUE_EVERY_MS = 60_000;
const WATCH_EVERY_MS = HOUR_MS;

/**
 * Prepares Vault as `countersign vault setup` does, and creates the first key of every purpose.
 *
 * @returns a function that ends the rotation schedule
 */
export async function setUpKeys(options: KeysOptions): Promise<() => void> {
  const { vault, regions, rotation } = options;
  const home = regions[0]!;
  const api = createVaultApi({ address: vault.address });
  await setUpVault({ api, token: vault.rootToken, plan: { stage: STAGE, auth: { method: 'approle' } } });
  const appRole = { api, rootToken: vault.rootToken, stage: STAGE, secrets: [home.aws.secrets] };
  for (const purpose of PURPOSES) {
    await storeAppRole(appRole, purpose);
    // The other Regions need these functions for the case that the home Region is lost.
    for (const region of regions)
      region.functions.set(rotationFunctionName(STAGE, purpose), rotationFunction(options, region, purpose));
    const Name = secretName(STAGE, purpose);
    await home.aws.secrets.send(new CreateSecretCommand({ Name, SecretString: EMPTY_KEYSET }));
    await home.aws.secrets.send(
      new RotateSecretCommand({
        SecretId: Name,
        RotationLambdaARN: `arn:aws:lambda:${home.name}:000000000000:function:${rotationFunctionName(STAGE, purpose)}`,
        RotationRules: { ScheduleExpression: `rate(${KEYSETS[purpose].rotationDays} days)` },
      }),
    );
  }
  await rotation.settled();
  for (const purpose of PURPOSES) await requireKey(home, purpose);
  const watch = watchFunction(options);
  home.functions.set(keysWatchName(STAGE), watch);
  const timers = [
    setInterval(() => rotation.rotateDue(), DUE_EVERY_MS),
    // keys-watch logs each failure itself.
    setInterval(() => watch({}, { awsRequestId: randomUUID() }).catch(() => {}), WATCH_EVERY_MS),
  ];
  return () => timers.forEach(clearInterval);
}

function rotationFunction(
  { vault, regions, lags: own, maxLifeMs, errorDocsUrl, nowMs, log }: KeysOptions,
  { name }: LocalRegion,
  purpose: Purpose,
): LambdaHandler {
  const deployedMs = longestLifeMs(purpose, DEFAULTS.clientKeyLifeMs);
  const lags: KeyLags = { ...DEFAULT_LAGS, ...own, maxLifeMs: maxLifeMs[purpose] ?? deployedMs };
  const access: VaultAccess = { address: vault.address, auth: 'approle' };
  return rotate({
    env: {
      COUNTERSIGN_STAGE: STAGE,
      COUNTERSIGN_REGION: name,
      COUNTERSIGN_ERROR_DOCS_URL: errorDocsUrl,
      COUNTERSIGN_PURPOSE: purpose,
      COUNTERSIGN_KEY_LAGS: JSON.stringify(lags),
      COUNTERSIGN_VAULT: JSON.stringify(access),
      COUNTERSIGN_REGION_NAMES: JSON.stringify(regions.map((each) => each.name)),
      COUNTERSIGN_LIMITS_TABLE: tableName(STAGE, 'limits'),
    },
    nowMs,
    log,
    aws: (region) => regions.find((each) => each.name === region)!.aws,
    credentials: noIdentity,
    webIdentityToken: noIdentity,
  }) as LambdaHandler;
}

function watchFunction({ regions, nowMs, log }: KeysOptions): LambdaHandler {
  const periods = PURPOSES.map((purpose) => [purpose, KEYSETS[purpose].rotationDays * 24 * HOUR_MS]);
  const { name, aws } = regions[0]!;
  const env = {
    COUNTERSIGN_REGION: name,
    COUNTERSIGN_KEYS_REGION: name,
    COUNTERSIGN_ROTATION_PERIODS: JSON.stringify(Object.fromEntries(periods)),
  };
  return keysWatch({ env, nowMs, log }, askByLambda(aws.lambda, STAGE)) as LambdaHandler;
}

const noIdentity = async () => {
  throw new Error('there is no IAM on this machine');
};

async function requireKey({ aws, functions }: LocalRegion, purpose: Purpose): Promise<void> {
  const secret = createSecretVersions(aws.secrets, secretName(STAGE, purpose));
  const held = await secret.read({ label: 'AWSCURRENT' });
  if (held && parseKeyset(held.text).keys.length > 0) return;
  // Secrets Manager does not report why a step failed: run the first step again, which throws the reason.
  const event = {
    Step: 'createSecret',
    SecretId: secretName(STAGE, purpose),
    ClientRequestToken: randomUUID(),
  };
  await functions.get(rotationFunctionName(STAGE, purpose))!(event, { awsRequestId: randomUUID() });
  throw new Error(`the first rotation of ${purpose} did not finish`);
}
