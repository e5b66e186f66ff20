/** Reads what the project in a folder would deploy. Its own `cdk synth` validates the config as a deployment does. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type DeployPlan, isDeployPlanFile } from '../../lambda/contract/deploy-plan.ts';
import { CliError, EXIT, type Io, usage } from '../io.ts';

/**
 * @returns the plan of each stage in the project's app
 * @throws CliError outside a project, and where the project does not synthesise: `cdk` has then printed the reason
 */
export async function readDeployPlans({ cwd, env, stderr }: Io): Promise<DeployPlan[]> {
  if (!existsSync(join(cwd, 'cdk.json')))
    throw usage(`${cwd} is not a CDK project: run preflight in the folder of cdk.json`);
  const outdir = mkdtempSync(join(tmpdir(), 'countersign-preflight-'));
  try {
    await synthesise({ cwd, env, stderr, outdir });
    return readdirSync(outdir)
      .filter(isDeployPlanFile)
      .map((name) => JSON.parse(readFileSync(join(outdir, name), 'utf8')) as DeployPlan);
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

async function synthesise({
  cwd,
  env,
  stderr,
  outdir,
}: Pick<Io, 'cwd' | 'env' | 'stderr'> & { outdir: string }): Promise<void> {
  // The project's own `cdk` comes first, as with `npx cdk`.
  const path = [join(cwd, 'node_modules', '.bin'), env.PATH].join(delimiter);
  const child = spawn('cdk', ['synth', '--quiet', '--no-notices', '--output', outdir], {
    cwd,
    env: { ...env, PATH: path },
    stdio: ['ignore', 'ignore', 'pipe'],
    shell: process.platform === 'win32',
  });
  let messages = '';
  child.stderr.on('data', (chunk) => {
    messages += chunk;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'ENOENT'
          ? usage('preflight needs the cdk command, which is not installed: npm install --save-dev aws-cdk')
          : error,
      ),
    );
    child.on('close', resolve);
  });
  if (code === 0) return;
  stderr.write(messages);
  throw new CliError(EXIT.failed, '`cdk synth` failed, so the project would not deploy: see above');
}
