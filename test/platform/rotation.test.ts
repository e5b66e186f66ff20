/** Rotations, one after the other, while users register in two Regions whose copies have different ages. */
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
import { type Keyset, parseKeyset, signingKey } from '../../protocol/keyset.ts';
import { readNonce } from '../../protocol/nonce.ts';
import { rotationRefusal } from '../../protocol/rotation.ts';
import { type SteadyClock, startSteadyClock } from './clock.ts';
import { type Consumer, consumer } from './consumer.ts';

const ROTATIONS = 100;
const NONCE_LIFE_MS = 300;
const AGES_MS = { 'local-a': 25, 'local-b': 150 };
const REPLICA_LAG_MS = 20;
/**
 * Of the whole call from the check in `finishSecret` to what the other Region sees, and of a whole rotation.
 */
const LAGS = {
  replicationMs: 60,
  verifierAgeMs: 150,
  signerAgeMs: 150,
  clockErrorMs: 1,
  rotationTimeMs: 120,
};

const SECRET = secretName('local', 'nonce');
let clock: SteadyClock;
let platform: Platform;
let one: Consumer;
const secrets = new Map<string, SecretsManagerClient>();

beforeAll(async () => {
  clock = startSteadyClock();
  platform = await startPlatform({
    port: 0,
    nowMs: clock.nowMs,
    nonceLifeMs: NONCE_LIFE_MS,
    keys: {
      lags: LAGS,
      maxLifeMs: { nonce: NONCE_LIFE_MS },
      keysetMaxAgeMs: AGES_MS,
      replicaLagMs: () => REPLICA_LAG_MS,
    },
  });
  const { awsEndpoint, clients, entry, regions } = platform.info;
  for (const { name } of regions) {
    const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
    secrets.set(name, new SecretsManagerClient({ endpoint: awsEndpoint, region: name, credentials }));
  }
  one = consumer(clients[0]!, entry, clock.nowMs);
});
afterAll(async () => {
  for (const each of secrets.values()) each.destroy();
  await platform?.stop();
  clock?.stop();
});

const keysetIn = async (region: string, purpose: Purpose = 'nonce'): Promise<Keyset> => {
  const SecretId = secretName('local', purpose);
  const { SecretString } = await secrets.get(region)!.send(new GetSecretValueCommand({ SecretId }));
  return parseKeyset(SecretString!);
};

/**
 * Acts as Secrets Manager's schedule. A rotation that took too long is given up, and the next one repairs
 * that.
 */
async function rotate(): Promise<void> {
  const home = secrets.get('local-a')!;
  await home.send(new RotateSecretCommand({ SecretId: SECRET }));
  for (;;) {
    const { VersionIdsToStages = {} } = await home.send(new DescribeSecretCommand({ SecretId: SECRET }));
    const pending = Object.values(VersionIdsToStages).find((each) => each?.includes('AWSPENDING'));
    if (!pending || pending.includes('AWSCURRENT')) return;
  }
}

it('every key comes from Vault', async () => {
  for (const purpose of PURPOSES)
    expect((await keysetIn('local-a', purpose)).keys.map(({ vault }) => vault)).toEqual([
      { key: `countersign-local-${purpose}`, version: expect.any(Number) },
    ]);
});

it(`${ROTATIONS} rotations cause no refusal, whatever copies the Regions hold`, async () => {
  const kids = new Set<string>();
  let keyset = await keysetIn('local-a');
  let rotating = true;
  const refused: unknown[] = [];
  let registered = 0;
  let late = 0;
  let withOlderKey = 0;
  let differing = 0;

  const register = async (url: string, name: string) => {
    const nonce = await one.nonce(url);
    const { issuedMs, kid } = readNonce(nonce)!;
    // Some at once, some at the end of their life.
    if (registered % 2 === 0) await clock.wait(Math.random() * (NONCE_LIFE_MS - 60));
    const before = signingKey(keyset, clock.nowMs())?.kid;
    const outcome = await one.register(url, nonce, `${name}-${++registered}`);
    if (outcome.status === 201) withOlderKey += Number(before !== kid);
    // A nonce may expire on the way. Such a refusal says nothing about keys.
    else if (clock.nowMs() >= issuedMs + NONCE_LIFE_MS) late += 1;
    else refused.push({ name, kid, ...outcome });
  };
  const load = platform.info.regions.flatMap(({ name, url }) =>
    Array.from({ length: 3 }, async () => {
      while (rotating) await register(url, name);
    }),
  );
  while (kids.size < ROTATIONS) {
    // As fast as a keyset has room for keys: with too many live keys it refuses a rotation.
    while (rotationRefusal(keyset, { ...LAGS, maxLifeMs: NONCE_LIFE_MS }, clock.nowMs())) await clock.wait(5);
    await rotate();
    keyset = await keysetIn('local-a');
    differing += Number((await keysetIn('local-b')).seq < keyset.seq);
    for (const { kid } of keyset.keys) kids.add(kid);
  }
  rotating = false;
  await Promise.all(load);

  expect(refused).toEqual([]);
  // The test is meaningful only if the Regions differed, keys were removed, and old ones were asked for.
  expect(differing).toBeGreaterThan(ROTATIONS / 4);
  expect(keyset.keys.length).toBeLessThan(ROTATIONS / 2);
  expect(withOlderKey).toBeGreaterThan(ROTATIONS / 2);
  expect(late).toBeLessThan(registered / 10);
});
