/** Files beside the input hold users' data: only their owner may read them, and no link redirects them. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest';
import { Checkpoint } from '../../cli/register/checkpoint.ts';
import { FailuresFile } from '../../cli/register/failures.ts';
import { Directory } from './cli.ts';

const OWNER = { url: 'https://api.example.com', client_id: 'dev' };
const FAILURE = { line: 1, user: { user_id: 'a' }, error: { code: 'c', message: 'm' } };

let directory: Directory;
beforeEach(() => {
  directory = new Directory();
});
afterEach(() => directory.remove());
const at = (name: string) => `${directory.path}/${name}`;
const modeOf = (name: string) => statSync(at(name)).mode & 0o777;

function write(): void {
  const failures = new FailuresFile(at('failed.jsonl'));
  try {
    failures.add(FAILURE);
  } finally {
    failures.close();
  }
}
const goOn = () => new FailuresFile(at('failed.jsonl')).goOn(5);
const begin = () => new Checkpoint(at('progress.json'), OWNER, false, new FailuresFile(at('failed.jsonl')));

describe('the failures file', () => {
  it.each([0o644, 0o666, 0o777])('has mode 0600, whatever its mode was before: %o', (mode) => {
    directory.write('failed.jsonl', 'what stood there');
    chmodSync(at('failed.jsonl'), mode);
    write();
    expect(modeOf('failed.jsonl')).toBe(0o600);
    expect(directory.readLines('failed.jsonl')).toEqual([FAILURE]);
    chmodSync(at('failed.jsonl'), 0o644);
    goOn();
    expect(modeOf('failed.jsonl')).toBe(0o600);
  });

  it('holds the failures of its own run only, however long the old file was', () => {
    directory.write('failed.jsonl', "an older run's failure\n".repeat(100));
    write();
    expect(directory.readLines('failed.jsonl')).toEqual([FAILURE]);
    // A killed run wrote more than it counted.
    const counted = statSync(at('failed.jsonl')).size;
    directory.write('failed.jsonl', `${directory.read('failed.jsonl')}${'a line cut off '.repeat(100)}`);
    const failures = new FailuresFile(at('failed.jsonl'));
    failures.goOn(counted);
    expect(directory.readLines('failed.jsonl')).toEqual([FAILURE]);
    failures.add(FAILURE);
    failures.close();
    expect(directory.readLines('failed.jsonl')).toEqual([FAILURE, FAILURE]);
  });

  it('must belong to this user: another owner could read it', () => {
    directory.write('failed.jsonl', 'of somebody');
    const owner = process.getuid!();
    const somebodyElse = vi.spyOn(process, 'getuid').mockReturnValue(owner + 1);
    try {
      for (const attempt of [write, goOn])
        expect(attempt).toThrow('failed.jsonl: it belongs to another user, who could read it; choose');
    } finally {
      somebodyElse.mockRestore();
    }
    expect(directory.read('failed.jsonl')).toBe('of somebody');
  });

  it('is not written through a symbolic link, nor if the file has a second name', () => {
    directory.write('precious', 'keep this');
    for (const link of [symlinkSync, linkSync]) {
      link(at('precious'), at('failed.jsonl'));
      for (const attempt of [write, goOn])
        expect(attempt).toThrow(
          /failed\.jsonl: .*(is a symbolic link|hard link).*; choose another place with --failures/,
        );
      expect(directory.read('precious')).toBe('keep this');
      rmSync(at('failed.jsonl'));
    }
    // A dangling link creates no file.
    symlinkSync(at('not-there'), at('failed.jsonl'));
    expect(write).toThrow('is a symbolic link');
    expect(existsSync(at('not-there'))).toBe(false);
  });

  it('is neither a pipe nor a directory', () => {
    execFileSync('mkfifo', [at('failed.jsonl')]);
    expect(write).toThrow('it is not a regular file');
    rmSync(at('failed.jsonl'));
    mkdirSync(at('failed.jsonl'));
    expect(write).toThrow('failed.jsonl: EISDIR');
  });

  it('is safe to display', () => {
    const failures = new FailuresFile(at('failed.jsonl'));
    const failure = { ...FAILURE, user: { user_id: '\u202e\u009b31m\u2028' } };
    failures.add(failure);
    failures.close();
    expect(directory.read('failed.jsonl')).toContain('"\\u202e\\u009b31m\\u2028"');
    expect(directory.readLines('failed.jsonl')).toEqual([failure]);
  });
});

describe('the progress file', () => {
  it.each(['progress.json', 'progress.json.draft'])('is not written through the link %s', (name) => {
    directory.write('precious', 'keep this');
    symlinkSync(at('precious'), at(name));
    try {
      begin().close(false);
    } catch (error) {
      expect((error as Error).message).toContain('progress.json: it is a symbolic link');
    }
    expect(directory.read('precious')).toBe('keep this');
  });

  it('is not read through a dangling link', () => {
    symlinkSync(at('not-there'), at('progress.json'));
    expect(begin).toThrow('is a symbolic link');
  });

  it('has mode 0600, and is written despite the draft of a killed run', () => {
    directory.write('progress.json.draft', '{');
    const checkpoint = begin();
    checkpoint.admit({ line: 1, endByte: 1, user: {} });
    checkpoint.admit({ line: 2, endByte: 2, user: {} });
    checkpoint.done(0, { registered: 1, replayed: 0, failed: 0 });
    checkpoint.close(false);
    expect(modeOf('progress.json')).toBe(0o600);
    expect(JSON.parse(readFileSync(at('progress.json'), 'utf8'))).toMatchObject({ mark: 1 });
    chmodSync(at('progress.json'), 0o644);
    begin();
    expect(modeOf('progress.json')).toBe(0o600);
  });

  test.each([
    ['null', ''],
    ['[]', ''],
    ['{}', ''],
    ['7', ''],
    ['', ''],
    ['mark', -1],
    ['mark', 1.5],
    ['failures_bytes', -5],
    ['failures_bytes', 1e300],
    ['beyond', 7],
    ['beyond', ['a']],
    ['hash', 7],
    ['pid', 'a'],
  ])('that holds %s %j is said to be broken', (what, value) => {
    const good = {
      ...OWNER,
      ...{ pid: 0, started_ms: 1, registered: 1, replayed: 0, failed: 0, mark: 1, line: 1 },
      ...{ beyond: [], hash: 'h', failures_bytes: 0 },
    };
    directory.write('progress.json', value === '' ? what : JSON.stringify({ ...good, [what]: value }));
    expect(begin).toThrow('is broken: start again with --restart');
  });
});
