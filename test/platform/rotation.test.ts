/** Keys are made in Vault and rotated on the running platform, by Secrets Manager's steps, while users register. */
import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  RotateSecretCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { secretName } from '../../lambda/contract/names.ts';
import { PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { parseKeyset } from '../../protocol/keyset.ts';
import { CountersignClient } from '../../sdk/typescript/index.ts';

const DAY_MS = 24 * 3600_000;
let platform: Platform;
let secrets: SecretsManagerClient;
let aheadMs = 0;

beforeAll(async () => {
  platform = await startPlatform({ port: 0, nowMs: () => Date.now() + aheadMs });
  secrets = new SecretsManagerClient({
    endpoint: platform.info.awsEndpoint,
    region: 'local-a',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
});
afterAll(async () => {
  secrets?.destroy();
  await platform?.stop();
});

const keysetOf = async (purpose: Purpose) => {
  const SecretId = secretName('local', purpose);
  return parseKeyset((await secrets.send(new GetSecretValueCommand({ SecretId }))).SecretString!);
};

async function rotate(purpose: Purpose): Promise<void> {
  const SecretId = secretName('local', purpose);
  const { seq } = await keysetOf(purpose);
  await secrets.send(new RotateSecretCommand({ SecretId }));
  while ((await keysetOf(purpose)).seq === seq) await new Promise(setImmediate);
  // The next one is refused while a version is pending.
  for (;;) {
    const { VersionIdsToStages = {} } = await secrets.send(new DescribeSecretCommand({ SecretId }));
    const stages = Object.values(VersionIdsToStages).filter((each) => each?.includes('AWSPENDING'));
    if (stages.every((each) => each?.includes('AWSCURRENT'))) return;
  }
}

it('every key comes from Vault, and no other Region’s copy differs', async () => {
  for (const purpose of PURPOSES) {
    const { keys } = await keysetOf(purpose);
    expect(keys.map(({ vault }) => vault)).toEqual([
      { key: `countersign-local-${purpose}`, version: expect.any(Number) },
    ]);
  }
});

it('twelve rotations under registrations refuse nobody', async () => {
  const { entry, clients } = platform.info;
  await using client = new CountersignClient({ url: entry, apiKey: clients[0]!.api_key, maxRetries: 0 });
  const kids = new Set<string>();
  let users = 0;
  const register = async () =>
    expect((await client.register({ user_id: `rotated-${++users}` })).replayed).toBe(false);
  for (let month = 0; month < 12; month++) {
    await register();
    await Promise.all([rotate('nonce'), register(), register()]);
    await register();
    for (const { kid } of (await keysetOf('nonce')).keys) kids.add(kid);
    // The dev client's key would end; the nonces' keys are what is rotated here.
    aheadMs += month < 2 ? 30 * DAY_MS : 0;
  }
  expect(kids.size).toBe(13);
  expect((await keysetOf('nonce')).keys.length).toBeLessThan(13);
});
