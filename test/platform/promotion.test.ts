/**
 * A rehearsal of docs/runbook.md, "primary-region-lost", on the running platform: the home Region is lost
 * under load, another takes over by `countersign keys promote`, rotates and revokes, and the former key home
 * comes back.
 */
import { mkdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
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
import { type Keyset, parseKeyset } from '../../protocol/keyset.ts';
import { readNonce } from '../../protocol/nonce.ts';
import { Directory } from '../cli/cli.ts';
import { type Consumer, consumer, type Outcome } from './consumer.ts';

const HOME = 'local-a';
const NEXT = 'local-b';
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const directory = new Directory();
const secrets = new Map<string, SecretsManagerClient>();
let aheadMs = 0;
let platform: Platform;
let one: Consumer;

beforeAll(async () => {
  platform = await startPlatform({ port: 0, nowMs: () => Date.now() + aheadMs });
  mkdirSync(`${directory.path}/.countersign`);
  directory.write('.countersign/local.json', JSON.stringify(platform.info));
  const { awsEndpoint, clients, entry, regions } = platform.info;
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  for (const { name } of regions)
    secrets.set(
      name,
      new SecretsManagerClient({ endpoint: awsEndpoint, region: name, credentials, maxAttempts: 1 }),
    );
  one = consumer(clients[0]!, entry, () => Date.now() + aheadMs);
});
afterAll(async () => {
  for (const each of secrets.values()) each.destroy();
  directory.remove();
  await platform?.stop();
});

const keys = (...args: string[]) => directory.run(['keys', ...args]);

async function keysetIn(region: string, purpose: Purpose): Promise<Keyset> {
  const SecretId = secretName('local', purpose);
  const { SecretString } = await secrets.get(region)!.send(new GetSecretValueCommand({ SecretId }));
  return parseKeyset(SecretString!);
}
const kidsIn = async (region: string, purpose: Purpose = 'nonce') =>
  (await keysetIn(region, purpose)).keys.map(({ kid }) => kid);

/**
 * As the schedule of a Region does, even of one that should have none any more. @returns once a step failed,
 * or all are done
 */
async function rotateIn(region: string): Promise<void> {
  const SecretId = secretName('local', 'nonce');
  const client = secrets.get(region)!;
  await client.send(new RotateSecretCommand({ SecretId }));
  for (let i = 0; i < 100; i++) {
    const { VersionIdsToStages = {} } = await client.send(new DescribeSecretCommand({ SecretId }));
    const pending = Object.values(VersionIdsToStages).find((each) => each?.includes('AWSPENDING'));
    if (!pending || pending.includes('AWSCURRENT')) return;
    await delay(5);
  }
}

/** Consumers that register without a break, in the Regions that are in service. */
class Load {
  /** DNS and the SDK lead there. */
  inService: readonly string[];
  /** Whatever a consumer got that was neither 201, nor one `use_nonce` with a nonce that was then good. */
  readonly refused: unknown[] = [];
  readonly signedBy = new Map<string, Set<string>>();
  registered = 0;
  #running = true;
  #underWay = 0;
  /** Consumers begin no request until it is resolved. */
  #gate: Promise<void> = Promise.resolve();
  readonly #consumers: Promise<void>[];

  constructor(regions: readonly string[]) {
    this.inService = regions;
    this.#consumers = Array.from({ length: 2 }, async (_, i) => {
      while (this.#running) {
        await this.#gate;
        this.#underWay += 1;
        await this.#register(this.inService[i % this.inService.length]!, `${i}`);
        this.#underWay -= 1;
        // All Regions share this process, and so do the commands.
        await delay(20);
      }
    });
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#consumers);
  }

  async #register(region: string, name: string): Promise<void> {
    const { url } = platform.info.regions.find((each) => each.name === region)!;
    const user = `${name}-${this.registered}`;
    try {
      const nonce = await one.nonce(url);
      const signed = this.signedBy.get(region) ?? new Set();
      this.signedBy.set(region, signed.add(readNonce(nonce)!.kid));
      let outcome: Outcome = await one.register(url, nonce, user);
      if (outcome.code === 'use_nonce') outcome = await one.register(url, outcome.nonce!, user);
      if (outcome.status === 201 || outcome.status === 200) this.registered += 1;
      else this.#refuse(region, outcome);
    } catch (error) {
      this.#refuse(region, { error: String(error) });
    }
  }

  #refuse(region: string, outcome: object): void {
    // A request may have been under way as its Region was lost.
    if (this.inService.includes(region)) this.refused.push({ region, ...outcome });
  }

  /** Lets time pass between two requests: no proof becomes old on its way. */
  async pass(ms: number): Promise<void> {
    let open = () => {};
    this.#gate = new Promise((resolve) => {
      open = resolve;
    });
    while (this.#underWay > 0) await delay(1);
    aheadMs += ms;
    open();
  }

  /** Waits until some more registrations are through. */
  async goesOn(): Promise<void> {
    const enough = this.registered + 10;
    while (this.registered < enough && this.refused.length === 0) await delay(5);
    expect(this.refused).toEqual([]);
  }
}

it('the home Region is lost under load, another makes the keys, and the former key home comes back as a replica', async () => {
  const load = new Load([HOME, NEXT]);
  await load.goesOn();
  const before = await kidsIn(HOME);

  load.inService = [NEXT];
  await platform.faults.loseRegion(HOME);
  const first = await keys('promote', '--to', NEXT, '--json');
  expect(first.json.steps.filter(({ done }: { done: boolean }) => !done)).toEqual([
    expect.objectContaining({ step: 'replicate', region: HOME, purpose: null }),
  ]);
  expect(first.code).toBe(1);
  await load.goesOn();

  // Rotation goes on in the new key home, by its schedule and by the command line.
  await rotateIn(NEXT);
  const [next] = (await kidsIn(NEXT)).filter((kid) => !before.includes(kid));
  expect(next).toBeDefined();
  await load.pass(3 * DAY);
  await load.goesOn();
  expect(load.signedBy.get(NEXT)).toContain(next);
  expect((await keys('rotate', 'token')).code).toBe(0);

  // So does a revocation: it says that the lost Region is left.
  const revoked = await keys('revoke', 'nonce', '--yes', '--timeout', '1s');
  expect([revoked.code, revoked.stderr]).toEqual([1, expect.stringContaining(`not confirmed by ${HOME}`)]);
  expect(revoked.stdout).toMatch(/nonce: key [\w-]{6} signs now\n/);
  const signs = (await kidsIn(NEXT)).at(-1)!;
  await load.pass(11_000);
  await load.goesOn();
  expect(load.signedBy.get(NEXT)).toContain(signs);

  // Back, and not in service: its schedule, its keys-watch and a person make no key there.
  await platform.faults.bringBackRegion(HOME);
  const old = await kidsIn(HOME);
  await rotateIn(HOME);
  expect(await kidsIn(HOME)).toEqual(old);
  expect(old).toEqual(before);
  const list = await keys('list', 'nonce', '--json');
  expect(list.json.keysets[0].keys.map(({ kid }: { kid: string }) => kid)).toEqual(await kidsIn(NEXT));

  const second = await keys('promote', '--to', NEXT);
  expect([second.code, second.stderr]).toEqual([0, '']);
  expect(second.stdout).toMatch(/local-b makes the keys, and every other Region has them\n$/);
  for (const purpose of PURPOSES) expect(await kidsIn(HOME, purpose)).toEqual(await kidsIn(NEXT, purpose));
  // What was revoked while it was away ends there, too.
  expect((await keys('list', 'nonce')).stdout).not.toContain('does not refuse');

  // In service again, as far as its copies are due for a refresh.
  await load.pass(2 * 60_000);
  load.inService = [HOME, NEXT];
  await load.goesOn();
  await load.goesOn();
  await load.stop();
  expect(load.refused).toEqual([]);

  // No key signed that the new key home did not have: before the loss it had the same, and afterwards it made
  // them.
  const known = [...before, next, ...(await kidsIn(NEXT))];
  for (const kids of load.signedBy.values()) for (const kid of kids) expect(known).toContain(kid);
  const again = await keys('promote', '--to', NEXT);
  expect([again.code, again.stderr]).toEqual([0, '']);
  expect((await keys('rotate', 'nonce')).code).toBe(0);
  expect(await kidsIn(HOME)).toEqual(await kidsIn(NEXT));
});

it('another Region of the platform only; and while the home Region answers, only on purpose', async () => {
  const elsewhere = await keys('promote', '--to', 'local-z');
  expect([elsewhere.code, elsewhere.stderr]).toEqual([
    2,
    'error: --to must be a Region of the stage: local-a, local-b\n',
  ]);
  const unasked = await keys('promote', '--to', HOME);
  expect([unasked.code, unasked.stderr]).toEqual([
    1,
    expect.stringMatching(/^error: local-b answers, and makes the keys: .*--yes\n$/),
  ]);
  expect((await keys('promote', '--to', HOME, '--yes')).code).toBe(0);
  expect((await keys('rotate', 'client-root')).code).toBe(0);
  expect(await kidsIn(NEXT, 'client-root')).toEqual(await kidsIn(HOME, 'client-root'));
});
