/** The lock of an installation. Its holder may belong to another user. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { takeLock } from '../../../local/real/install.ts';

let directory: string;
let lock: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'countersign-install-'));
  lock = join(directory, 'installing');
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true });
});

/** Makes the system answer a signal to this process with an error. */
const answerSignals = (code: string) =>
  vi.spyOn(process, 'kill').mockImplementation(() => {
    throw Object.assign(new Error(code), { code });
  });

test('a free lock is taken, and then also held against this process', async () => {
  expect(await takeLock(lock)).toBe(true);
  expect(await takeLock(lock)).toBe(false);
  expect(readFileSync(lock, 'utf8')).toBe(String(process.pid));
});

test("another user's process keeps its lock", async () => {
  writeFileSync(lock, '4321');
  const kill = answerSignals('EPERM');
  expect(await takeLock(lock)).toBe(false);
  expect(kill).toHaveBeenCalledWith(4321, 0);
  expect(readFileSync(lock, 'utf8')).toBe('4321');
});

test('the lock of a process that has ended is removed, then taken', async () => {
  writeFileSync(lock, '4321');
  answerSignals('ESRCH');
  expect(await takeLock(lock)).toBe(false);
  expect(existsSync(lock)).toBe(false);
  expect(await takeLock(lock)).toBe(true);
});

test.each(['', '0', '-1', 'no pid'])('a lock that contains %j names no process, and stays', async (text) => {
  writeFileSync(lock, text);
  const kill = vi.spyOn(process, 'kill');
  expect(await takeLock(lock)).toBe(false);
  expect(kill).not.toHaveBeenCalled();
  expect(readFileSync(lock, 'utf8')).toBe(text);
});
