/** The progress file beside an input file, and which run may resume from it. */
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

test('records that are done are not admitted again, before the mark and after it', () => {
  interrupt();
  const checkpoint = begin();
  expect(checkpoint.resumedAfterLine).toBe(1);
  expect(checkpoint.counts).toEqual({ ...NONE, registered: 2 });
  expect(admit(checkpoint, 'abcdefg')).toEqual([undefined, 1, 2, 3, undefined, 5, 6]);
});

test('a run over a changed file marks nothing as done: the original file is resumed in full', () => {
  interrupt();
  const changed = begin();
  admit(changed, 'axbc');
  changed.done(1, { ...NONE, registered: 3 });
  expect(() => admit(changed, 'd')).toThrow('the file has changed since the last run, at or before line 1');
  changed.close(false);
  expect(admit(begin(), 'abcdef')).toEqual([undefined, 1, 2, 3, undefined, 5]);
});

test('a file that is shorter than the part already done counts as changed', () => {
  interrupt();
  const checkpoint = begin();
  admit(checkpoint, 'abcd');
  expect(() => checkpoint.end()).toThrow('--restart');
});

test('the progress file is removed when the input is complete, and when nothing was done', () => {
  const through = begin();
  admit(through, 'a');
  through.done(0, { ...NONE, registered: 1 });
  through.close(true);
  expect(() => readFileSync(path)).toThrow('ENOENT');
  begin().close(false);
  expect(() => readFileSync(path)).toThrow('ENOENT');
});

test('one run at a time: a run at work is not displaced, not even by --restart', () => {
  begin();
  for (const restart of [false, true])
    expect(() => begin(restart)).toThrow(`process ${process.pid} is registering this file`);
  edit({ pid: process.ppid });
  for (const restart of [false, true])
    expect(() => begin(restart)).toThrow(`process ${process.ppid} is registering this file`);
});

test('of several runs that begin at once, one continues and the others are refused', async () => {
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

test('a run that has just begun is not displaced; the claim of a killed run blocks nobody', () => {
  interrupt();
  writeFileSync(`${path}.claim`, '');
  expect(() => begin()).toThrow('another process is just starting to register this file');
  utimesSync(`${path}.claim`, 1, 1);
  expect(begin().resumedAfterLine).toBe(1);
  expect(existsSync(`${path}.claim`)).toBe(false);
  expect(() => begin()).toThrow('is registering this file');
  expect(existsSync(`${path}.claim`)).toBe(false);
});

test('a process number that now belongs to another process blocks nobody', () => {
  // As in a container, where each run has the same process number.
  interrupt();
  edit({ pid: process.pid, started_ms: Date.now() - 1 });
  expect(begin().resumedAfterLine).toBe(1);
  // As after a power cut: the process number is in use again.
  edit({ pid: process.ppid, started_ms: 1 });
  expect(begin().resumedAfterLine).toBe(1);
});

test('a broken progress file is reported, and --restart ignores it', () => {
  writeFileSync(path, '{"pid":');
  expect(() => begin()).toThrow('is broken: start again with --restart');
  expect(begin(true).resumedAfterLine).toBeUndefined();
});
