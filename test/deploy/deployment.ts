/** A MiniStack with the platform on it, put there by the real CDK CLI. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startMinistack } from '../real/ministack.ts';

export const STAGE = 'ci';
export const REGION = 'eu-west-1';
export const API_ID = 'c0ffee01';
export const BASE_URL_VARIABLE = 'COUNTERSIGN_TEST_BASE_URL';

const run = promisify(execFile);
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };

export interface Deployment {
  readonly baseUrl: string;
  /** For the `countersign` command and other programs: endpoint, Region and credentials. */
  readonly env: Readonly<Record<string, string>>;
  /** The same for AWS SDK clients. */
  readonly sdk: {
    endpoint: string;
    region: string;
    credentials: { accessKeyId: string; secretAccessKey: string };
  };
  /** `cdk deploy --all` */
  deploy(): Promise<void>;
  /** `cdk destroy --all` */
  destroy(): Promise<void>;
  /** Ends the emulator and removes every file. */
  stop(): Promise<void>;
}

/** A bootstrapped account, with nothing deployed yet. */
export async function startDeployment(): Promise<Deployment> {
  const ministack = await startMinistack();
  const directory = await mkdtemp(join(tmpdir(), 'countersign-deploy-'));
  const baseUrl = `${ministack.endpoint}/_aws/execute-api/${API_ID}/live`;
  const env = { ...CREDENTIALS, AWS_ENDPOINT_URL: ministack.endpoint, AWS_REGION: REGION };
  const stop = async () => {
    await ministack.stop();
    await rm(directory, { recursive: true, force: true });
  };

  const cdk = async (...args: string[]) => {
    await run(path('../../node_modules/.bin/cdk'), [...args, '--no-notices', '--ci'], {
      cwd: directory,
      // The CLI keeps its caches in the home directory.
      env: {
        PATH: process.env.PATH,
        HOME: directory,
        CDK_DISABLE_CLI_TELEMETRY: 'true',
        ...env,
        [BASE_URL_VARIABLE]: baseUrl,
      },
    }).catch(({ stdout, stderr }) => {
      throw new Error(`cdk ${args.join(' ')} failed:\n${stdout}${stderr}\n${ministack.output()}`);
    });
  };
  const app = `${path('../../node_modules/.bin/node')} ${path('app.ts')}`;
  try {
    await cdk('bootstrap', `aws://000000000000/${REGION}`);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    baseUrl,
    env,
    sdk: {
      endpoint: ministack.endpoint,
      region: REGION,
      credentials: { accessKeyId: env.AWS_ACCESS_KEY_ID, secretAccessKey: env.AWS_SECRET_ACCESS_KEY },
    },
    deploy: () => cdk('deploy', '--all', '--require-approval', 'never', '--app', app),
    // By the assembly that the deployment left: there is no need to build it again.
    destroy: () => cdk('destroy', '--all', '--force', '--app', 'cdk.out'),
    stop,
  };
}
