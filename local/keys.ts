/**
 * The platform's keys on this machine. Vault makes them, and the real rotation functions rotate them. The
 * stand-in for Secrets Manager calls these functions as AWS does.
 */
import { randomUUID } from 'node:crypto';
import {
  CancelRotateSecretCommand,
  CreateSecretCommand,
  DescribeSecretCommand,
  RotateSecretCommand,
} from '@aws-sdk/client-secrets-manager';
import { LOCAL_DEPLOY } from '../cli/local.ts';
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
import { rotationEnvironment } from '../lambda/contract/rotation-environment.ts';
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
  readonly rotation: SecretRotation;
  /** The Region's functions by full name. The functions for keys are added here. */
  readonly functions: Map<string, LambdaHandler>;
}

export interface KeysOptions {
  readonly vault: { readonly address: string; readonly rootToken: string };
  /** The home Region first. */
  readonly regions: readonly LocalRegion[];
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

export interface LocalKeys {
  /**
   * Does to a Region's functions and schedules what a deployment of its stack does.
   *
   * @param keysManagedBy the Region that makes keys
   */
  deploy(region: string, keysManagedBy: string): Promise<void>;
  /** Ends the schedules. */
  stop(): void;
}

/** Prepares Vault as `countersign vault setup` does, and creates the first key of every purpose. */
export async function setUpKeys(options: KeysOptions): Promise<LocalKeys> {
  const { vault, regions } = options;
  const home = regions[0]!;
  const api = createVaultApi({ address: vault.address });
  await setUpVault({ api, token: vault.rootToken, plan: { stage: STAGE, auth: { method: 'approle' } } });
  const stores = regions.map(({ aws }) => aws.secrets);
  const appRole = { api, rootToken: vault.rootToken, stage: STAGE, secrets: stores };
  for (const purpose of PURPOSES) {
    await storeAppRole(appRole, purpose);
    const Name = secretName(STAGE, purpose);
    const AddReplicaRegions = regions.slice(1).map(({ name: Region }) => ({ Region }));
    const create = new CreateSecretCommand({ Name, SecretString: EMPTY_KEYSET, AddReplicaRegions });
    await home.aws.secrets.send(create);
  }
  for (const region of regions) await deploy(options, region, home.name, true);
  for (const purpose of PURPOSES) await requireKey(home, purpose);
  for (const region of regions)
    region.functions.set(LOCAL_DEPLOY, async ({ params }) => {
      await deploy(options, region, params.managed_by);
      return { ok: true, result: {} };
    });
  const timers = regions.flatMap(({ rotation, functions }) => [
    setInterval(() => rotation.rotateDue(), DUE_EVERY_MS),
    // keys-watch logs each failure itself.
    setInterval(
      () => functions.get(keysWatchName(STAGE))!({}, { awsRequestId: randomUUID() }).catch(() => {}),
      WATCH_EVERY_MS,
    ),
  ]);
  return {
    deploy: (name, keysManagedBy) =>
      deploy(options, regions.find((each) => each.name === name)!, keysManagedBy),
    stop: () => timers.forEach(clearInterval),
  };
}

/** @param immediately whether a new schedule begins with a rotation */
async function deploy(
  options: KeysOptions,
  region: LocalRegion,
  keysManagedBy: string,
  immediately = false,
): Promise<void> {
  const { name, aws, functions, rotation } = region;
  functions.set(keysWatchName(STAGE), watchFunction(options, region, keysManagedBy));
  for (const purpose of PURPOSES) {
    const rotator = rotationFunctionName(STAGE, purpose);
    functions.set(rotator, rotationFunction(options, region, keysManagedBy, purpose));
    const SecretId = secretName(STAGE, purpose);
    const schedule = {
      RotationLambdaARN: `arn:aws:lambda:${name}:000000000000:function:${rotator}`,
      RotationRules: { ScheduleExpression: `rate(${KEYSETS[purpose].rotationDays} days)` },
      RotateImmediately: immediately,
    };
    const { RotationEnabled: on } = await aws.secrets.send(new DescribeSecretCommand({ SecretId }));
    if (name === keysManagedBy && !on)
      await aws.secrets.send(new RotateSecretCommand({ SecretId, ...schedule }));
    if (name !== keysManagedBy && on) await aws.secrets.send(new CancelRotateSecretCommand({ SecretId }));
  }
  await rotation.settled();
}

function rotationFunction(
  { vault, regions, lags: own, maxLifeMs, errorDocsUrl, nowMs, log }: KeysOptions,
  { name }: LocalRegion,
  keysManagedBy: string,
  purpose: Purpose,
): LambdaHandler {
  const deployedMs = longestLifeMs(purpose, DEFAULTS.clientKeyLifeMs);
  return rotate({
    env: rotationEnvironment({
      stage: STAGE,
      region: name,
      purpose,
      lags: { ...DEFAULT_LAGS, ...own, maxLifeMs: maxLifeMs[purpose] ?? deployedMs },
      vault: { address: vault.address, auth: 'approle' },
      regions: regions.map((each) => each.name),
      keysManagedBy,
      errorDocsUrl,
    }),
    nowMs,
    log,
    aws: (region) => regions.find((each) => each.name === region)!.aws,
    credentials: noIdentity,
    webIdentityToken: noIdentity,
  }) as LambdaHandler;
}

function watchFunction(
  { regions, nowMs, log }: KeysOptions,
  { name, aws }: LocalRegion,
  keysManagedBy: string,
): LambdaHandler {
  const periods = PURPOSES.map((purpose) => [purpose, KEYSETS[purpose].rotationDays * 24 * HOUR_MS]);
  const env = {
    COUNTERSIGN_REGION: name,
    COUNTERSIGN_KEYS_MANAGED_BY: keysManagedBy,
    COUNTERSIGN_ROTATION_PERIODS: JSON.stringify(Object.fromEntries(periods)),
    COUNTERSIGN_REGION_NAMES: JSON.stringify(regions.map((each) => each.name)),
    COUNTERSIGN_REGISTRY_TABLE: tableName(STAGE, 'registry'),
    COUNTERSIGN_CLIENTS_TABLE: tableName(STAGE, 'clients'),
  };
  return keysWatch(
    { env, nowMs, log, dynamodb: aws.dynamodb },
    askByLambda(aws.lambda, STAGE),
  ) as LambdaHandler;
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
