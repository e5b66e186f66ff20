/** `.countersign/`: what other programs on this machine need to find the platform, and its log. */
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { LogEntry } from '../lambda/log.ts';
import type { PlatformInfo } from './platform.ts';

export interface LocalFiles {
  readonly infoPath: string;
  readonly logPath: string;
  /** Appends one line of JSON. */
  log(entry: LogEntry): void;
  /** Writes `local.json`, which holds API keys: for its owner's eyes alone. */
  announce(info: PlatformInfo): void;
  /** Removes `local.json`, unless another platform has written its own there since. */
  close(): void;
}

/** @param parent the directory in which `.countersign/` lies, or is made */
export function openLocalFiles(parent: string): LocalFiles {
  const directory = join(parent, '.countersign');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  const infoPath = join(directory, 'local.json');
  const logPath = join(directory, 'local.log');
  // Made anew rather than truncated, so that the mode is ours.
  rmSync(logPath, { force: true });
  const descriptor = openSync(logPath, 'ax', 0o600);
  let announced: string | undefined;

  return {
    infoPath,
    logPath,
    log: (entry) =>
      writeFileSync(descriptor, `${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`),
    announce(info) {
      announced = `${JSON.stringify(info)}\n`;
      // Moved into place: a reader sees all of it or nothing.
      const draft = `${infoPath}.${process.pid}`;
      rmSync(draft, { force: true });
      writeFileSync(draft, announced, { mode: 0o600, flag: 'wx' });
      renameSync(draft, infoPath);
    },
    close() {
      closeSync(descriptor);
      if (announced !== undefined && contentOf(infoPath) === announced) rmSync(infoPath);
      announced = undefined;
    },
  };
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
