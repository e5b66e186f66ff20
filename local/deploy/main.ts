/** `npm run deploy:local`: the stacks on an emulator by the real `cdk deploy`, until Ctrl-C. */
import { setTimeout as delay } from 'node:timers/promises';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { invoke } from '../../cli/admin.ts';
import { rotationFunctionName } from '../../lambda/contract/names.ts';
import { PURPOSES } from '../../lambda/contract/purposes.ts';
import { interruption } from '../interruption.ts';
import { openLocalFiles } from '../local-files.ts';
import type { LocalClient, PlatformInfo } from '../platform.ts';
import { invokeAdmin, STAGE } from '../stage.ts';
import { localOption } from '../terminal.ts';
import { type Deployment, startDeployment } from './deployment.ts';

const REGIONS = ['eu-west-1', 'eu-central-1'];
/** How late what is written in one Region reaches the other. */
const REPLICATION_MS = 1_000;
/** Signatures a minute: none that a person would meet. */
const DEV_LIMIT = 1_000_000;
const DEV_KEY_LIFE_MS = 80 * 24 * 3600 * 1000;

const interrupted = interruption();

try {
  await run();
} catch (error) {
  // The Ctrl-C of a terminal ends the CDK as well, in the midst of what it did: no fault of anybody's.
  if (!interrupted.aborted) {
    process.stderr.write(`error: ${error instanceof Error ? error.message : error}\n`);
    process.exitCode = 1;
  }
}
process.exit();

async function run(): Promise<void> {
  const say = (text: string) => process.stderr.write(`${text}\n`);
  say('Starting emulator and Vault (installed once, into .countersign/), and bootstrapping ...');
  const deployment = await startDeployment({ stage: STAGE, regions: REGIONS });
  try {
    if (interrupted.aborted) return;
    say(`cdk deploy --all: stage ${STAGE} in ${REGIONS.join(' and ')} ...`);
    await deployment.deploy();
    if (interrupted.aborted) return;
    say('First keys, from Vault ...');
    await makeKeys(deployment);
    const info = await describe(deployment);
    await deployment.replicas.synchronise();
    const files = await openLocalFiles(process.cwd(), Number(new URL(info.entry).port));
    try {
      files.announce(info);
      process.stdout.write(`${JSON.stringify(info)}\n`);
      const command = `npx countersign register examples/users.csv${localOption(info, files)}`;
      say(`It runs until Ctrl-C. Try, in another terminal: ${command}`);
      await replicateUntil(interrupted, deployment);
    } finally {
      files.close();
    }
  } finally {
    await deployment.stop();
  }
}

/** What `countersign keys init` asks for; here the Regions have what they need once they are made equal. */
async function makeKeys({ aws }: Deployment): Promise<void> {
  const target = { stage: STAGE, regions: REGIONS, aws };
  for (const purpose of PURPOSES)
    await invoke(target, REGIONS[0]!, rotationFunctionName(STAGE, purpose), 'keys.rotate', {});
}

/** The same as `npm start -- --json` prints; the entry is the home Region, since there is no DNS to lead anywhere. */
async function describe({ regions, awsEndpoint, vault, aws }: Deployment): Promise<PlatformInfo> {
  const lambda = new LambdaClient(aws(REGIONS[0]!));
  const expires_at = new Date(Date.now() + DEV_KEY_LIFE_MS).toISOString();
  const dev = { client_id: 'dev', profile: 'strict', limit: DEV_LIMIT } as const;
  const basic = { client_id: 'dev-basic', profile: 'basic', limit: DEV_LIMIT, expires_at } as const;
  const clients: LocalClient[] = [];
  for (const params of [dev, basic]) {
    const { client_id, profile, api_key } = await invokeAdmin(lambda, 'clients.create', params);
    clients.push({ client_id, profile, api_key: api_key! });
  }
  lambda.destroy();
  return { entry: regions[0]!.url, regions, awsEndpoint, vault: vault.address, console: null, clients };
}

async function replicateUntil(signal: AbortSignal, { replicas }: Deployment): Promise<void> {
  while (!signal.aborted) {
    await replicas.synchronise();
    await delay(REPLICATION_MS, undefined, { signal }).catch(() => {});
  }
}
