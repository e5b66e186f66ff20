/**
 * Reads what the project in a folder would deploy. Its own `cdk synth` validates the config as a deployment
 * does.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DeployPlan, isDeployPlanFile } from '../lambda/contract/deploy-plan.ts';
import { IS_WINDOWS, startCdk } from './cdk.ts';
import { onEnding } from './ending.ts';
import { CliError, EXIT, type Io, usage } from './io.ts';
import { writeLines } from './printable.ts';

export interface Synthesis {
  /** The plan of each stage in the project's app. */
  readonly plans: readonly DeployPlan[];
  /** Directory of the templates. */
  readonly assembly: string;
}

/** @returns the plans @throws CliError as `withSynthesis` */
export const readDeployPlans = (io: Io): Promise<DeployPlan[]> =>
  withSynthesis(io, async ({ plans }) => [...plans]);
/** Longest that the project's `cdk synth` may take. */
const SYNTH_MS = 5 * 60_000;

/**
 * Synthesises the project once, for as long as `use` works with the result.
 *
 * @throws CliError outside a project, and where the project does not synthesise: `cdk` has then printed the
 * reason
 */
export async function withSynthesis<T>(
  { cwd, env, stderr, onInterrupt }: Io,
  use: (synthesis: Synthesis) => Promise<T>,
): Promise<T> {
  requireProject(cwd);
  const outdir = mkdtempSync(join(tmpdir(), 'countersign-synth-'));
  try {
    await synthesise({ cwd, env, stderr, onInterrupt, outdir });
    const plans = readdirSync(outdir)
      .filter(isDeployPlanFile)
      .map((name) => JSON.parse(readFileSync(join(outdir, name), 'utf8')) as DeployPlan);
    return await use({ plans, assembly: outdir });
  } finally {
    rmSync(outdir, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** @throws CliError outside a project */
function requireProject(cwd: string): void {
  if (!existsSync(join(cwd, 'cdk.json')))
    throw usage(`${cwd} is not a CDK project: run this command in the folder of cdk.json`);
}

/** @returns the plan of a stage, or of the only one @throws CliError */
export function choosePlan(plans: readonly DeployPlan[], stage: string | undefined): DeployPlan {
  if (plans.length === 0)
    throw usage('this project deploys no Countersign stage: its CDK app adds no platform');
  const stages = plans.map((plan) => plan.stage).join(', ');
  const chosen = stage === undefined ? plans : plans.filter((plan) => plan.stage === stage);
  if (chosen.length === 0) throw usage(`--stage: this project has no stage ${stage}; it has ${stages}`);
  if (chosen.length > 1) throw usage(`this project has several stages: choose one with --stage: ${stages}`);
  return chosen[0]!;
}

async function synthesise({
  cwd,
  env,
  stderr,
  onInterrupt,
  outdir,
}: Pick<Io, 'cwd' | 'env' | 'stderr' | 'onInterrupt'> & { outdir: string }): Promise<void> {
  const { child, ended } = startCdk(
    { cwd, env },
    ['synth', '--quiet', '--no-notices', '--output', outdir],
    // A process group of its own: it ends together with the app that `cdk` starts.
    { stdout: 'ignore', detached: !IS_WINDOWS },
  );
  let messages = '';
  child.stderr.on('data', (chunk) => {
    messages += chunk;
  });
  const stopped = Promise.withResolvers<never>();
  const endBy = (error: CliError) => {
    stopped.reject(error);
    if (IS_WINDOWS || child.pid === undefined) child.kill();
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
  const disarm = onEnding({ onInterrupt }, terminate);
  try {
    child.on('spawn', () => stderr.write('running `cdk synth` to read what the project deploys\n'));
    if ((await Promise.race([ended, stopped.promise])) === 0) return;
  } finally {
    clearTimeout(timer);
    disarm();
  }
  // Each line of its own: `cdk` names one wrong setting a line.
  writeLines(stderr, messages);
  throw new CliError(EXIT.failed, '`cdk synth` failed, so the project would not deploy: see above');
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}
