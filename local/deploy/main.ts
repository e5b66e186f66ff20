/**
 * `npm run deploy:local`: deploys the stacks to an emulator with the real `cdk deploy`, and runs until
 * Ctrl-C.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { invoke } from '../../cli/admin.ts';
import { rotationFunctionName } from '../../lambda/contract/names.ts';
import { PURPOSES } from '../../lambda/contract/purposes.ts';
import { interruption } from '../interruption.ts';
import { openLocalFiles } from '../local-files.ts';
import type { PlatformInfo } from '../platform.ts';
import { createDevClients, STAGE } from '../stage.ts';
import { localOption } from '../terminal.ts';
import { type Deployment, startDeployment } from './deployment.ts';

const REGIONS = ['eu-west-1', 'eu-central-1'];
/** How late a write in one Region reaches the other. */
const REPLICATION_MS = 1_000;
const DEV_KEY_LIFE_MS = 80 * 24 * 3600 * 1000;

const interrupted = interruption();

try {
  await run();
} catch (error) {
  // A terminal's Ctrl-C also ends the CDK in the middle of its work: that failure is expected.
  if (!interrupted.aborted) {
    process.stderr.write(`error: ${error instanceof Error ? error.message : error}\n`);
    process.exitCode = 1;
  }
}
process.exit();

async function run(): Promise<void> {
  const say = (text: string) => process.stderr.write(`${text}\n`);
  say('Starting an emulator and a Vault (installed once, into .countersign/), then bootstrapping ...');
  const deployment = await startDeployment({ stage: STAGE, regions: REGIONS });
  try {
    if (interrupted.aborted) return;
    say(`Deploying stage ${STAGE} in ${REGIONS.join(' and ')} ...`);
    await deployment.deploy();
    if (interrupted.aborted) return;
    say('Creating the first keys ...');
    await makeKeys(deployment);
    const info = await describe(deployment);
    await deployment.replicas.synchronise();
    const files = await openLocalFiles(process.cwd(), Number(new URL(info.entry).port));
    try {
      files.announce(info);
      process.stdout.write(`${JSON.stringify(info)}\n`);
      const command = `npx countersign register examples/users.csv${localOption(info, files)}`;
      say(`The platform runs until Ctrl-C. Try this in another terminal: ${command}`);
      await replicateUntil(interrupted, deployment);
    } finally {
      files.close();
    }
  } finally {
    await deployment.stop();
  }
}

/**
 * Creates the first keys, as `countersign keys init` does. It need not wait for the Regions: they are
 * synchronised next.
 */
async function makeKeys({ aws }: Deployment): Promise<void> {
  const target = { stage: STAGE, regions: REGIONS, args: '', aws };
  for (const purpose of PURPOSES)
    await invoke(target, REGIONS[0]!, rotationFunctionName(STAGE, purpose), 'keys.rotate', {});
}

/**
 * Returns the same document as `npm start -- --json`. The entry is the home Region, since there is no DNS
 * here.
 */
async function describe({ regions, awsEndpoint, vault, aws }: Deployment): Promise<PlatformInfo> {
  const target = { stage: STAGE, regions: REGIONS, args: '', aws };
  const clients = await createDevClients(target, Date.now() + DEV_KEY_LIFE_MS);
  return { entry: regions[0]!.url, regions, awsEndpoint, vault: vault.address, console: null, clients };
}

async function replicateUntil(signal: AbortSignal, { replicas }: Deployment): Promise<void> {
  while (!signal.aborted) {
    await replicas.synchronise();
    await delay(REPLICATION_MS, undefined, { signal }).catch(() => {});
  }
}
