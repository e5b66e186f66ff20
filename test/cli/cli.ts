/** Runs the command in this process, in a directory of its own, with streams that a test reads. */
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { run } from '../../cli/program.ts';
import { deriveApiKey } from '../../protocol/api-key.ts';

/** @returns a URL at which nothing listens */
export async function closedUrl(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `http://127.0.0.1:${port}`;
}

/**
 * @returns the environment of a command for a server that stands in for the platform, with a well-formed key
 */
export const environmentFor = (server: Server): Record<string, string> => ({
  COUNTERSIGN_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  COUNTERSIGN_API_KEY: deriveApiKey({
    root: Buffer.alloc(32),
    salt: Buffer.alloc(16),
    clientId: 'dev',
    generation: 1,
    profile: 'strict',
  }),
});

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout, as one JSON document. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
  readonly json: any;
}

export interface RunOptions {
  readonly stdin?: string | Readable;
  readonly env?: Readonly<Record<string, string>>;
  /** Whether stderr is a terminal. */
  readonly terminal?: boolean;
  /** The width of the terminal that stdout is. */
  readonly columns?: number;
  /** Receives a function that presses Ctrl-C. */
  readonly onReady?: (interrupt: () => void) => void;
  readonly patienceMs?: number;
}

/** Presses Ctrl-C in the wait of `registrations erase`: what listens first is the call of the Regions. */
export function whileWaiting(): (interrupt: () => void) => void {
  let listeners = 0;
  return (interrupt) => {
    listeners += 1;
    if (listeners === 2) setImmediate(interrupt);
  };
}

export class Directory {
  readonly path = mkdtempSync(join(tmpdir(), 'countersign-cli-'));

  write(name: string, content: string | Buffer): string {
    const path = join(this.path, name);
    writeFileSync(path, content);
    return path;
  }

  /** Writes the file by which a command finds a local platform. */
  announce(info: object): void {
    mkdirSync(join(this.path, '.countersign'), { recursive: true });
    this.write('.countersign/local.json', JSON.stringify(info));
  }

  read(name: string): string {
    return readFileSync(join(this.path, name), 'utf8');
  }

  /** The output's JSON Lines. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
  readLines(name: string): any[] {
    return this.read(name)
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  }

  async run(
    args: readonly string[],
    { stdin = '', env = {}, terminal = false, columns, onReady, patienceMs }: RunOptions = {},
  ): Promise<Ran> {
    const stdout = Object.assign(new Collected(), columns && { columns });
    const stderr = Object.assign(new Collected(), { isTTY: terminal });
    const code = await run(args, {
      stdin: typeof stdin === 'string' ? Readable.from([stdin]) : stdin,
      stdout,
      stderr,
      env,
      cwd: this.path,
      onInterrupt(interrupt) {
        onReady?.(interrupt);
        return () => {};
      },
      pollMs: 5,
      ...(patienceMs !== undefined && { patienceMs }),
    });
    return {
      code,
      stdout: stdout.text,
      stderr: stderr.text,
      get json() {
        return JSON.parse(stdout.text);
      },
    };
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

class Collected extends Writable {
  text = '';

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}
