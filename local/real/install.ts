/** Installs a tool once, even if several test files ask for it at the same time. */
import { access, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isProcessAlive } from '../../cli/process-alive.ts';

/** Git ignores this directory. It may be deleted at any time. */
export const DIRECTORY = fileURLToPath(new URL('../../.countersign', import.meta.url));

/**
 * @param name of the tool, with its version: a file of this name marks the finished installation
 * @param work installs the tool into `DIRECTORY`
 */
export async function installOnce(name: string, work: () => Promise<void>): Promise<void> {
  const marker = join(DIRECTORY, 'installed', name);
  const lock = join(DIRECTORY, 'installing');
  await mkdir(join(DIRECTORY, 'installed'), { recursive: true, mode: 0o700 });
  while (!(await exists(marker))) {
    if (!(await takeLock(lock))) {
      await delay(100);
      continue;
    }
    try {
      // Written last: an interrupted installation starts again.
      if (!(await exists(marker))) await work();
      await writeFile(marker, '');
    } finally {
      await rm(lock);
    }
  }
}

/** @returns whether this process has the lock now. A lock of a process that has ended is removed. */
export async function takeLock(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const holder = Number(await readFile(lock, 'utf8').catch(() => ''));
  if (holder > 0 && !isProcessAlive(holder)) await rm(lock, { force: true });
  return false;
}

export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
