/**
 * Deploys the platform to MiniStack, an emulator of AWS, with the real CDK CLI. An OpenBao makes its keys.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { awsParts } from '../../cli/deploy/aws-parts.ts';
import { deployStacks } from '../../cli/deploy/run.ts';
import { deploySteps } from '../../cli/deploy/steps.ts';
import { stageArguments } from '../../cli/target.ts';
import { setUpVault } from '../../cli/vault/setup.ts';
import { type DeployPlan, deployPlanFile } from '../../lambda/contract/deploy-plan.ts';
import { WATCH_REGION } from '../../lambda/contract/forms.ts';
import { PURPOSES } from '../../lambda/contract/purposes.ts';
import { createVaultApi } from '../../lambda/vault/api.ts';
import type { ConfigInput } from '../../lib/config/schema.ts';
import { DIRECTORY } from '../real/install.ts';
import { startMinistack } from '../real/ministack.ts';
import { freePort } from '../real/process.ts';
import { storeAppRole } from '../vault/approle.ts';
import { type Openbao, startOpenbao } from '../vault/openbao.ts';
import { type Replicas, replicasOf } from './replicas.ts';

/** Holds the config for `app.ts`, as JSON. */
export const CONFIG_VARIABLE = 'COUNTERSIGN_EMULATOR_CONFIG';

/** The emulator identifies an API by its id alone, in every Region. */
export const apiId = (index: number): string => `c0ffee0${index}`;

const run = promisify(execFile);
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const KEYS = { accessKeyId: 'test', secretAccessKey: 'test' };
const ACCOUNT = '000000000000';
/** How long a Region may take to be healthy: many functions start on one small machine. */
const HEALTH_MS = 300_000;
/** Lets `cdk` write the lock of fixed settings: this stage is new each time, so no lock is committed. */
const WRITE_LOCK = ['--context', 'countersign:lock=write'];

export interface DeploymentOptions {
  readonly stage: string;
  /** The home Region first. */
  readonly regions: readonly string[];
}

/** Settings that an update may change. */
export type Settings = Omit<ConfigInput, 'stage' | 'regions' | 'vault'>;

export interface Deployment {
  readonly stage: string;
  /** The home Region first, with the base URL of each. */
  readonly regions: readonly { readonly name: string; readonly url: string }[];
  readonly awsEndpoint: string;
  readonly vault: Openbao;
  /** For AWS SDK clients. */
  aws(region: string): {
    readonly endpoint: string;
    readonly region: string;
    readonly credentials: typeof KEYS;
  };
  /** The same options as environment variables, for other programs. */
  readonly env: Readonly<Record<string, string>>;
  /** Deploys as `countersign deploy` does, and creates the replicas, which the emulator does not create. */
  deploy(settings?: Settings): Promise<void>;
  /** Replicates writes between Regions: the emulator does not. */
  readonly replicas: Replicas;
  /** Runs `cdk destroy --all`. */
  destroy(): Promise<void>;
  /** Stops the emulator and removes every file. */
  stop(): Promise<void>;
}

/** Prepares a bootstrapped account and a Vault that is set up. Nothing is deployed yet. */
export async function startDeployment({ stage, regions: names }: DeploymentOptions): Promise<Deployment> {
  const ministack = await startMinistack();
  const directory = await mkdtemp(join(tmpdir(), 'countersign-deploy-'));
  const undo = [ministack.stop, () => rm(directory, { recursive: true, force: true })];
  const stop = async () => {
    for (const step of undo.splice(0)) await step();
  };
  const { endpoint } = ministack;
  const regions = names.map((name, i) => ({ name, url: `${endpoint}/_aws/execute-api/${apiId(i)}/live` }));
  const aws = (region: string) => ({ endpoint, region, credentials: KEYS });
  const env = {
    AWS_ACCESS_KEY_ID: KEYS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: names[0]!,
  };
  const config = (settings: Settings): ConfigInput => ({
    issuer: regions[0]!.url,
    ...settings,
    vault: { address: vault!.address, auth: 'approle' },
    stage: { name: stage, kind: names.length > 1 ? 'prod' : 'dev' },
    regions: regions.map(({ name, url }) => ({ name, baseUrl: url })),
  });

  const cdkEnvironment = {
    PATH: [path('../../node_modules/.bin'), process.env.PATH].join(delimiter),
    // The CLI keeps its caches in the home directory.
    HOME: directory,
    CDK_DISABLE_CLI_TELEMETRY: 'true',
    ...env,
  };
  const cdk = async (args: readonly string[], settings: Settings = {}) => {
    await run(path('../../node_modules/.bin/cdk'), [...args, '--no-notices', '--ci'], {
      cwd: directory,
      env: { ...cdkEnvironment, [CONFIG_VARIABLE]: JSON.stringify(config(settings)) },
    }).catch(({ stdout, stderr }) => {
      throw new Error(`cdk ${args.join(' ')} failed:\n${stdout}${stderr}\n${ministack.output()}`);
    });
  };
  let vault: Openbao | undefined;
  const app = `${path('../../node_modules/.bin/node')} ${path('app.ts')}`;
  const replicas = replicasOf(stage, names, aws);
  try {
    vault = await startOpenbao(DIRECTORY, await freePort());
    undo.push(vault.stop);
    await prepareVault(vault, stage, names.map(aws));
    const bootstrapped = new Set([...names, WATCH_REGION]);
    await cdk(['bootstrap', ...[...bootstrapped].map((name) => `aws://${ACCOUNT}/${name}`)]);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    stage,
    regions,
    awsEndpoint: endpoint,
    aws,
    env,
    vault,
    replicas,
    async deploy(settings) {
      const assembly = join(directory, 'cdk.out');
      await cdk(['synth', '--quiet', ...WRITE_LOCK, '--output', assembly, '--app', app], settings);
      const plan: DeployPlan = JSON.parse(await readFile(join(assembly, deployPlanFile(stage)), 'utf8'));
      const said: string[] = [];
      const signal = new AbortController().signal;
      const parts = awsParts(
        {
          cwd: directory,
          env: cdkEnvironment,
          stderr: { write: (text) => void said.push(text) },
          pollMs: 1_000,
        },
        { plan, assembly, aws, signal },
      );
      const { stopped } = await deployStacks(
        deploySteps(plan, {}).stacks,
        { args: stageArguments(plan), alarmsMs: 0, healthMs: HEALTH_MS, mayLackKeys: true },
        {
          ...parts,
          async deploy(stack) {
            await parts.deploy(stack);
            if (stack.part === 'home') await replicas.create(generationsOf(plan));
          },
        },
      );
      if (stopped)
        throw new Error(`${stopped.step}: ${stopped.why}\n${said.join('')}\n${ministack.output()}`);
    },
    async destroy() {
      await replicas.remove();
      // Use the assembly that the deployment left: it need not be built again.
      await cdk(['destroy', '--all', '--force', '--app', 'cdk.out']);
    },
    stop,
  };
}

const generationsOf = ({ tableGeneration, otherTables }: DeployPlan): number[] => [
  tableGeneration,
  ...(otherTables ? [otherTables.generation] : []),
];

/** Does what an operator does before the first deployment (docs/vault.md, AppRole). */
async function prepareVault(
  { address, rootToken }: Openbao,
  stage: string,
  aws: readonly ReturnType<Deployment['aws']>[],
): Promise<void> {
  const api = createVaultApi({ address });
  await setUpVault({ api, token: rootToken, plan: { stage, auth: { method: 'approle' } } });
  const secrets = aws.map((options) => new SecretsManagerClient(options));
  for (const purpose of PURPOSES) await storeAppRole({ api, rootToken, stage, secrets }, purpose);
  for (const each of secrets) each.destroy();
}
