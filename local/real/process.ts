/** Runs a server in its own process group, on a free loopback port, until it is stopped. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface ServerProcess {
  readonly stop: () => Promise<void>;
  /** The server's output so far. */
  readonly output: () => string;
}

export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Rejects while the server is not ready. */
  readonly ready: () => Promise<unknown>;
}

/**
 * Starts the server in a directory that is removed with it, and that is its temporary directory too: nothing
 * is left.
 */
export async function startProcess({ command, args, env, ready }: ServerCommand): Promise<ServerProcess> {
  const cwd = await mkdtemp(join(tmpdir(), 'countersign-'));
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env, TMPDIR: cwd },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output = (output + chunk).slice(-20_000);
    });
  const ended = once(child, 'close').catch(() => {});
  // The server's workers are in its group: they end with it, even if this process ends early.
  const signal = (name: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, name);
    } catch {
      // The process has already ended.
    }
  };
  const endWithThis = () => signal('SIGKILL');
  process.once('exit', endWithThis);

  const stop = async () => {
    signal('SIGTERM');
    const patience = new AbortController();
    await Promise.race([ended, delay(5_000, undefined, { signal: patience.signal }).catch(() => {})]);
    patience.abort();
    signal('SIGKILL');
    await ended;
    process.off('exit', endWithThis);
    await rm(cwd, { recursive: true, force: true });
  };

  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
      await stop();
      throw new Error(`${command} ended before it was ready:\n${output}`);
    }
    const isReady = await ready().then(
      () => true,
      () => false,
    );
    if (isReady) return { stop, output: () => output };
    await delay(50);
  }
}

/** @returns a port that no process uses now, on any address */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
