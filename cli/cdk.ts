/** Starts the project's own `cdk`. */
import { type ChildProcessByStdio, type SpawnOptions, spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import type { Readable } from 'node:stream';
import { type Io, usage } from './io.ts';

export const IS_WINDOWS = process.platform === 'win32';

/** A run of `cdk`. */
export interface CdkRun {
  readonly child: ChildProcessByStdio<null, Readable | null, Readable>;
  /** Its exit code. @throws CliError where `cdk` is not installed */
  readonly ended: Promise<number | null>;
}

export function startCdk(
  { cwd, env }: Pick<Io, 'cwd' | 'env'>,
  args: readonly string[],
  options: Pick<SpawnOptions, 'detached'> & { readonly stdout: 'ignore' | 'pipe' },
): CdkRun {
  // The project's own `cdk` comes first, as with `npx cdk`.
  const path = [join(cwd, 'node_modules', '.bin'), env.PATH].join(delimiter);
  const { stdout, ...rest } = options;
  const child = spawn('cdk', args, {
    ...rest,
    cwd,
    env: { ...env, PATH: path },
    stdio: ['ignore', stdout, 'pipe'],
    shell: IS_WINDOWS,
  }) as CdkRun['child'];
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'ENOENT'
          ? usage('this needs the cdk command, which is not installed: npm install --save-dev aws-cdk')
          : error,
      ),
    );
    child.on('close', resolve);
  });
  return { child, ended };
}
