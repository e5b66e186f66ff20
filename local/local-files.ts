/**
 * The folder `.countersign/`: it lets other programs on this machine find the platform, and holds its log.
 * The first platform of a folder has `local.json` and `local.log`. Another one in the same folder has its
 * port in the file names.
 */
import {
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { isProcessAlive } from '../cli/process-alive.ts';
import type { LogEntry } from '../lambda/contract/log-entry.ts';
import type { PlatformInfo } from './platform.ts';

export interface LocalFiles {
  /** Whether commands in this folder use this platform by default, without `--local`. */
  readonly isFirst: boolean;
  readonly infoPath: string;
  readonly logPath: string;
  /** Appends one line of JSON. */
  log(entry: LogEntry): void;
  /**
   * Writes the file with addresses and API keys, and another with the token that lets drills cause faults, if
   * there is one. Only their owner can read them.
   */
  announce(info: PlatformInfo, controlToken?: string): void;
  /** Removes these files, unless another process has written them since. */
  close(): void;
}

/**
 * @param parent the directory that holds `.countersign/`; the folder is created if needed
 * @param port the entry's port. This platform listens on it already, so no other platform has files of this
 * name.
 */
export async function openLocalFiles(parent: string, port: number): Promise<LocalFiles> {
  const directory = join(parent, '.countersign');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  const lock = await takeLock(join(directory, 'local.lock'), port);
  const name = lock ? 'local' : `local-${port}`;
  const infoPath = join(directory, `${name}.json`);
  const tokenPath = join(directory, `${name}.token`);
  const logPath = join(directory, `${name}.log`);
  // A platform that was killed may have left these files: they are out of date.
  rmSync(infoPath, { force: true });
  rmSync(tokenPath, { force: true });
  // Created again rather than truncated, so that the mode is right.
  rmSync(logPath, { force: true });
  const descriptor = openSync(logPath, 'ax', 0o600);
  const announced = new Map<string, string>();
  // Written elsewhere and renamed: a reader sees the whole file or none.
  const write = (path: string, text: string) => {
    const draft = `${path}.${port}`;
    writeNew(draft, text);
    renameSync(draft, path);
    announced.set(path, text);
  };

  return {
    isFirst: lock !== undefined,
    infoPath,
    logPath,
    log: (entry) =>
      writeFileSync(descriptor, `${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`),
    announce(info, controlToken) {
      if (controlToken !== undefined) write(tokenPath, `${controlToken}\n`);
      write(infoPath, `${JSON.stringify(info)}\n`);
    },
    close() {
      closeSync(descriptor);
      for (const [path, text] of announced) removeOwn(path, text);
      announced.clear();
      lock?.release();
    },
  };
}

interface Lock {
  release(): void;
}

/**
 * @returns undefined where a running platform holds the lock; the lock of one that has ended is taken over
 */
async function takeLock(path: string, port: number): Promise<Lock | undefined> {
  const own = `${port} ${process.pid}\n`;
  const draft = `${path}.${port}`;
  writeNew(draft, own);
  try {
    for (;;) {
      // Created as a link, so that the lock appears together with its content.
      if (link(draft, path)) return { release: () => removeOwn(path, own) };
      const held = contentOf(path);
      if (held === undefined) continue;
      if (await isRunning(held, port)) return undefined;
      takeAway(path, held, `${path}.${port}.old`);
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * Whoever has the lock listens on its port from before it takes it until its end. This platform has `port`
 * now, so nobody else does; and a program that took a dead platform's port is not the process that the lock
 * names.
 */
async function isRunning(held: string, port: number): Promise<boolean> {
  const [itsPort = Number.NaN, pid = Number.NaN] = held.trim().split(' ').map(Number);
  return itsPort !== port && isProcessAlive(pid) && (await answers(itsPort));
}

async function answers(port: number): Promise<boolean> {
  if (!(port > 0 && port < 65_536)) return false;
  const socket = connect(port, '127.0.0.1');
  const answered = Promise.withResolvers<boolean>();
  socket.on('connect', () => answered.resolve(true)).on('error', () => answered.resolve(false));
  // No answer and no refusal: a platform is there, but busy.
  socket.setTimeout(2_000, () => answered.resolve(true));
  const result = await answered.promise;
  socket.destroy();
  return result;
}

/** Removes a lock with this content. A lock that another process has just taken is put back. */
function takeAway(path: string, held: string, aside: string): void {
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if (contentOf(aside) !== held) link(aside, path);
  rmSync(aside);
}

/** @returns false where the name exists already */
function link(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Creates the file again: one of this name was left by an earlier process. */
function writeNew(path: string, text: string): void {
  rmSync(path, { force: true });
  writeFileSync(path, text, { mode: 0o600, flag: 'wx' });
}

function removeOwn(path: string, own: string): void {
  if (contentOf(path) === own) rmSync(path);
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
