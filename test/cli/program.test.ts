/** The parts of the command line that all commands share. */
import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { Directory } from './cli.ts';

const directory = new Directory();
afterAll(() => directory.remove());

test('--version prints the version of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  for (const flag of ['--version', '-V'])
    expect(await directory.run([flag])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
});

test.each([
  [['help', 'keys', 'revoke'], 'Usage: countersign keys revoke [options] <purpose>'],
  [['keys', 'help', 'revoke'], 'Usage: countersign keys revoke [options] <purpose>'],
  [['help', 'register'], 'Usage: countersign register [options] <file>'],
  [['help'], 'Usage: countersign [options] [command]'],
])('%j prints the help of that command', async (args, first) => {
  const { code, stdout, stderr } = await directory.run(args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout.split('\n')[0]).toBe(first);
  // A line break in our own text counts as one.
  expect(stdout).not.toContain('\\n');
});

test.each([[['help', 'nothing']], [['help', 'keys', 'nothing']], [['nothing']], [['keys', 'nothing']]])(
  '%j is wrong usage',
  async (args) => {
    const { code, stdout, stderr } = await directory.run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^error: unknown command 'nothing'\n/);
  },
);
