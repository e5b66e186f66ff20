/**
 * `.countersign/`: what other programs on this machine need to find the platform, and its log. The first platform of a
 * folder has `local.json` and `local.log`; one that is started beside it has its port in the names of its files.
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
import type { LogEntry } from '../lambda/log.ts';
import type { PlatformInfo } from './platform.ts';

export interface LocalFiles {
  /** Whether commands in this folder reach this platform without being told its port. */
  readonly isFirst: boolean;
  readonly infoPath: string;
  readonly logPath: string;
  /** Appends one line of JSON. */
  log(entry: LogEntry): void;
  /** Writes the file of addresses and API keys: for its owner's eyes alone. */
  announce(info: PlatformInfo): void;
  /** Removes that file, unless somebody else has written there since. */
  close(): void;
}

/**
 * @param parent the directory in which `.countersign/` lies, or is made
 * @param port the entry's, on which this platform listens already: so nobody else has files of this name
 */
export async function openLocalFiles(parent: string, port: number): Promise<LocalFiles> {
  const directory = join(parent, '.countersign');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  const lock = await takeLock(join(directory, 'local.lock'), port);
  const name = lock ? 'local' : `local-${port}`;
  const infoPath = join(directory, `${name}.json`);
  const logPath = join(directory, `${name}.log`);
  // What a platform left that was killed leads nowhere any more.
  rmSync(infoPath, { force: true });
  // Made anew rather than truncated, so that the mode is ours.
  rmSync(logPath, { force: true });
  const descriptor = openSync(logPath, 'ax', 0o600);
  let announced: string | undefined;

  return {
    isFirst: lock !== undefined,
    infoPath,
    logPath,
    log: (entry) =>
      writeFileSync(descriptor, `${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`),
    announce(info) {
      announced = `${JSON.stringify(info)}\n`;
      // Moved into place: a reader sees all of it or nothing.
      const draft = `${infoPath}.${port}`;
      writeNew(draft, announced);
      renameSync(draft, infoPath);
    },
    close() {
      closeSync(descriptor);
      if (announced !== undefined) removeOwn(infoPath, announced);
      announced = undefined;
      lock?.release();
    },
  };
}

interface Lock {
  release(): void;
}

/** @returns undefined where a platform has it; that of one which is gone is taken over */
async function takeLock(path: string, port: number): Promise<Lock | undefined> {
  const own = `${port} ${process.pid}\n`;
  const draft = `${path}.${port}`;
  writeNew(draft, own);
  try {
    for (;;) {
      // Linked, so that it is there with its content or not at all.
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
 * Whoever has the lock listens on its port from before it takes it until its end. This platform has `port` now, so nobody
 * else does; and a program that took a dead platform's port is not the process that the lock names.
 */
async function isRunning(held: string, port: number): Promise<boolean> {
  const [itsPort = Number.NaN, pid = Number.NaN] = held.trim().split(' ').map(Number);
  return itsPort !== port && isAlive(pid) && (await answers(itsPort));
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process is alive as well.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function answers(port: number): Promise<boolean> {
  if (!(port > 0 && port < 65_536)) return false;
  const socket = connect(port, '127.0.0.1');
  const answered = Promise.withResolvers<boolean>();
  socket.on('connect', () => answered.resolve(true)).on('error', () => answered.resolve(false));
  // Neither taken nor refused: somebody is there, and busy.
  socket.setTimeout(2_000, () => answered.resolve(true));
  const result = await answered.promise;
  socket.destroy();
  return result;
}

/** Removes a lock of this content. One that somebody faster has taken meanwhile goes back to its place. */
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

/** @returns false where there is something of this name */
function link(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** What is there of this name is of an earlier process. */
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
