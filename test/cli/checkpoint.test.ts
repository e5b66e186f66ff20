/** What lies beside a file that is under way, and who may go on from it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Checkpoint } from '../../cli/register/checkpoint.ts';
import { FailuresFile } from '../../cli/register/failures.ts';
import { Directory } from './cli.ts';

const OWNER = { url: 'https://api.example.com', client_id: 'dev' };
const NONE = { registered: 0, replayed: 0, failed: 0 };

let directory: Directory;
let path: string;
beforeEach(() => {
  directory = new Directory();
  path = `${directory.path}/progress.json`;
});
afterEach(() => directory.remove());

const begin = (restart = false) =>
  new Checkpoint(path, OWNER, restart, new FailuresFile(`${directory.path}/failed.jsonl`));
const admit = (checkpoint: Checkpoint, users: string) =>
  [...users].map((user, i) => checkpoint.admit({ line: i + 1, endByte: i, user: { user } }));
const edit = (change: object) =>
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...change }));

/** Of `abcdef`, a and e are done, then the run ends. */
function interrupt(): void {
  const checkpoint = begin();
  admit(checkpoint, 'abcdef');
  checkpoint.done(0, { ...NONE, registered: 1 });
  checkpoint.done(4, { ...NONE, registered: 2 });
  checkpoint.close(false);
}

test('what is done up to a mark, and beyond it, is not admitted again', () => {
  interrupt();
  const checkpoint = begin();
  expect(checkpoint.resumedAfterLine).toBe(1);
  expect(checkpoint.counts).toEqual({ ...NONE, registered: 2 });
  expect(admit(checkpoint, 'abcdefg')).toEqual([undefined, 1, 2, 3, undefined, 5, 6]);
});

test('what a run over a changed file did counts for nothing: the file as it was goes on in full', () => {
  interrupt();
  const changed = begin();
  admit(changed, 'axbc');
  changed.done(1, { ...NONE, registered: 3 });
  expect(() => admit(changed, 'd')).toThrow('the file has changed since the last run, at or before line 1');
  changed.close(false);
  expect(admit(begin(), 'abcdef')).toEqual([undefined, 1, 2, 3, undefined, 5]);
});

test('a file that ends before what is done does is a changed one', () => {
  interrupt();
  const checkpoint = begin();
  admit(checkpoint, 'abcd');
  expect(() => checkpoint.end()).toThrow('--restart');
});

test('it goes when the file is through, and where nothing was done', () => {
  const through = begin();
  admit(through, 'a');
  through.done(0, { ...NONE, registered: 1 });
  through.close(true);
  expect(() => readFileSync(path)).toThrow('ENOENT');
  begin().close(false);
  expect(() => readFileSync(path)).toThrow('ENOENT');
});

test('one at a time: another process at work is not displaced, not by --restart either', () => {
  begin();
  for (const restart of [false, true])
    expect(() => begin(restart)).toThrow(`process ${process.pid} is registering this file`);
  edit({ pid: process.ppid });
  for (const restart of [false, true])
    expect(() => begin(restart)).toThrow(`process ${process.ppid} is registering this file`);
});

test('of several that begin at once, one goes on and the others are refused', async () => {
  interrupt();
  const module = (name: string) => new URL(`../../cli/register/${name}.ts`, import.meta.url).href;
  const script = `
    import { Checkpoint } from ${JSON.stringify(module('checkpoint'))};
    import { FailuresFile } from ${JSON.stringify(module('failures'))};
    process.stdout.write('ready;');
    process.stdin.once('data', () => {
      try {
        new Checkpoint(...${JSON.stringify([path, OWNER, false])}, new FailuresFile('none'));
        process.stdout.write('begun');
      } catch (error) {
        process.stdout.write(error.message);
      }
    });`;
  const runs = Array.from({ length: 4 }, () => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script]);
    child.stdout.setEncoding('utf8');
    return child;
  });
  await Promise.all(runs.map(({ stdout }) => once(stdout, 'data')));
  const answers = runs.map(({ stdout }) => once(stdout, 'data'));
  for (const { stdin } of runs) stdin.write('go');
  const outcomes = (await Promise.all(answers)).map(([text]) => text as string);
  for (const { stdin } of runs) stdin.end();
  expect(outcomes.filter((text) => text === 'begun')).toHaveLength(1);
  for (const text of outcomes)
    expect(text).toMatch(/^begun$|^process \d+ is registering this file|^another process is just starting/);
});

test('who has just begun is not displaced; a claim that a killed run left holds nobody up', () => {
  interrupt();
  writeFileSync(`${path}.claim`, '');
  expect(() => begin()).toThrow('another process is just starting to register this file');
  utimesSync(`${path}.claim`, 1, 1);
  expect(begin().resumedAfterLine).toBe(1);
  expect(existsSync(`${path}.claim`)).toBe(false);
  expect(() => begin()).toThrow('is registering this file');
  expect(existsSync(`${path}.claim`)).toBe(false);
});

test('a process number that is another process by now holds nobody up', () => {
  // As in a container, where each run has the same.
  interrupt();
  edit({ pid: process.pid, started_ms: Date.now() - 1 });
  expect(begin().resumedAfterLine).toBe(1);
  // As after a power cut.
  edit({ pid: process.ppid, started_ms: 1 });
  expect(begin().resumedAfterLine).toBe(1);
});

test('a broken one is said to be, and --restart does without it', () => {
  writeFileSync(path, '{"pid":');
  expect(() => begin()).toThrow('is broken: start again with --restart');
  expect(begin(true).resumedAfterLine).toBeUndefined();
});
