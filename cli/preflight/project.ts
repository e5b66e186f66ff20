/** Reads what the project in a folder would deploy. Its own `cdk synth` validates the config as a deployment does. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type DeployPlan, isDeployPlanFile } from '../../lambda/contract/deploy-plan.ts';
import { CliError, EXIT, type Io, usage } from '../io.ts';

/** Longest that the project's `cdk synth` may take. */
const SYNTH_MS = 5 * 60_000;

/**
 * @returns the plan of each stage in the project's app
 * @throws CliError outside a project, and where the project does not synthesise: `cdk` has then printed the reason
 */
export async function readDeployPlans({ cwd, env, stderr, onInterrupt }: Io): Promise<DeployPlan[]> {
  if (!existsSync(join(cwd, 'cdk.json')))
    throw usage(`${cwd} is not a CDK project: run preflight in the folder of cdk.json`);
  const outdir = mkdtempSync(join(tmpdir(), 'countersign-preflight-'));
  try {
    await synthesise({ cwd, env, stderr, onInterrupt, outdir });
    return readdirSync(outdir)
      .filter(isDeployPlanFile)
      .map((name) => JSON.parse(readFileSync(join(outdir, name), 'utf8')) as DeployPlan);
  } finally {
    rmSync(outdir, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function synthesise({
  cwd,
  env,
  stderr,
  onInterrupt,
  outdir,
}: Pick<Io, 'cwd' | 'env' | 'stderr' | 'onInterrupt'> & { outdir: string }): Promise<void> {
  // The project's own `cdk` comes first, as with `npx cdk`.
  const path = [join(cwd, 'node_modules', '.bin'), env.PATH].join(delimiter);
  const isWindows = process.platform === 'win32';
  const child = spawn('cdk', ['synth', '--quiet', '--no-notices', '--output', outdir], {
    cwd,
    env: { ...env, PATH: path },
    stdio: ['ignore', 'ignore', 'pipe'],
    shell: isWindows,
    // A process group of its own: it ends together with the app that `cdk` starts.
    detached: !isWindows,
  });
  let messages = '';
  child.stderr.on('data', (chunk) => {
    messages += chunk;
  });
  const ended = Promise.withResolvers<number | null>();
  const endBy = (error: CliError) => {
    ended.reject(error);
    if (isWindows || child.pid === undefined) child.kill();
    else killGroup(child.pid);
  };
  const terminate = () => endBy(new CliError(EXIT.interrupted, 'interrupted while `cdk synth` ran'));
  const timer = setTimeout(
    () =>
      endBy(
        new CliError(
          EXIT.failed,
          `\`cdk synth\` has not ended after ${SYNTH_MS / 60_000} minutes: run it yourself to see what it waits for`,
        ),
      ),
    SYNTH_MS,
  );
  const disarm = onInterrupt(terminate);
  for (const signal of SIGNALS) process.on(signal, terminate);
  try {
    child.on('error', (error: NodeJS.ErrnoException) =>
      ended.reject(
        error.code === 'ENOENT'
          ? usage('preflight needs the cdk command, which is not installed: npm install --save-dev aws-cdk')
          : error,
      ),
    );
    child.on('close', ended.resolve);
    child.on('spawn', () => stderr.write('running `cdk synth` to read what the project deploys\n'));
    if ((await ended.promise) === 0) return;
  } finally {
    clearTimeout(timer);
    disarm();
    for (const signal of SIGNALS) process.off(signal, terminate);
  }
  stderr.write(messages);
  throw new CliError(EXIT.failed, '`cdk synth` failed, so the project would not deploy: see above');
}

/** Of a terminal that closes, and of whoever ends this process. */
const SIGNALS = ['SIGTERM', 'SIGHUP'] as const;

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}
