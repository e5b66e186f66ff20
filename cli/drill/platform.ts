/** The platform of a drill: one that it starts as a process and ends, or the one that runs in this folder. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TableConsistency } from '../../lambda/contract/serving-environment.ts';
import { CliError, EXIT, interrupted, usage } from '../io.ts';
import { findLocalPlatform, type LocalPlatform } from '../local.ts';
import type { Fault } from './fault.ts';

export interface DrillPlatform {
  readonly info: LocalPlatform;
  readonly consistency: TableConsistency;
  /** Where commands find it. */
  readonly cwd: string;
  /** The option with which they do. */
  readonly local: readonly string[];
  /** @throws CliError */
  cause(fault: Fault): Promise<void>;
  /** Ends the platform, if the drill started it. */
  stop(): Promise<void>;
}

/** A Region that starts again takes a few seconds on a busy machine. */
const CONTROL_MS = 60_000;
const STOP_MS = 10_000;

/** @throws CliError where none runs, or it takes no faults */
export async function findRunning(cwd: string, port: string | undefined): Promise<DrillPlatform> {
  const info = findLocalPlatform(cwd, 'leave out --running', port);
  const local = ['--local', new URL(info.entry).port];
  return control(info, cwd, local, async () => {});
}

const MAIN = fileURLToPath(new URL('../../local/main.ts', import.meta.url));

/** @returns false in the published package, which has no local platform */
export const canStartPlatform = (): boolean => existsSync(MAIN);

/** @throws CliError where it cannot be started, or the signal aborts first */
export async function startOwn(consistency: TableConsistency, signal: AbortSignal): Promise<DrillPlatform> {
  if (!canStartPlatform())
    throw usage('a drill starts the local platform, which only the project itself has: run it there');
  const cwd = mkdtempSync(join(tmpdir(), 'countersign-drill-'));
  const flags = ['--port', '0', '--json', '--no-demo', '--region-processes', '--consistency', consistency];
  // A group of its own: Ctrl-C reaches this process alone, which ends the platform once the drill has
  // stopped. The channel ends it where this process is killed.
  const child = spawn(process.execPath, [MAIN, ...flags], {
    ...{ cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] },
  });
  const exited = once(child, 'close').catch(() => {});
  let errors = '';
  child.stderr!.on('data', (chunk) => {
    errors += chunk;
  });
  const stop = async () => {
    const patience = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    child.kill('SIGTERM');
    await exited;
    clearTimeout(patience);
    rmSync(cwd, { recursive: true, force: true });
  };
  const ready = Promise.withResolvers<boolean>();
  const abort = () => ready.resolve(false);
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  child.stdout!.once('data', () => ready.resolve(true));
  void exited.then(abort);
  try {
    if (await ready.promise) return await control(findLocalPlatform(cwd, ''), cwd, [], stop);
    if (signal.aborted) throw interrupted();
    throw new CliError(EXIT.unreachable, `the platform did not start: ${errors.trim() || 'it ended'}`);
  } catch (error) {
    await stop();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function control(
  info: LocalPlatform,
  cwd: string,
  local: readonly string[],
  stop: () => Promise<void>,
): Promise<DrillPlatform> {
  const token = readToken(info.path.replace(/\.json$/, '.token'));
  const ask = async (method: string, fault?: Fault): Promise<Record<string, unknown>> => {
    const answer = await fetch(`${info.awsEndpoint}/faults`, {
      method,
      headers: { Authorization: `Bearer ${token}` },
      ...(fault && { body: JSON.stringify(fault) }),
      signal: AbortSignal.timeout(CONTROL_MS),
    }).catch((error: Error) => {
      throw new CliError(EXIT.unreachable, `the platform takes no faults: ${error.message}`);
    });
    const body = (await answer.json()) as Record<string, unknown>;
    if (!answer.ok) throw new CliError(EXIT.failed, `the platform refused a fault: ${body.error}`);
    return body;
  };
  const { consistency } = await ask('GET');
  return {
    info,
    consistency: consistency === 'eventual' ? 'eventual' : 'strong',
    cwd,
    local,
    cause: async (fault) => void (await ask('POST', fault)),
    stop,
  };
}

function readToken(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    throw new CliError(
      EXIT.unreachable,
      `this platform takes no faults (no ${path}): start it with \`npm start\``,
    );
  }
}
