/** The parts of the command line that all commands share. */
import { readFileSync } from 'node:fs';
import { Help } from 'commander';
import { afterAll, expect, test } from 'vitest';
import { commands } from '../../cli/commands.ts';
import { commandIo } from '../../cli/io.ts';
import { Directory } from './cli.ts';

const directory = new Directory();
afterAll(() => directory.remove());

test('--version prints the version of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  for (const flag of ['--version', '-V'])
    expect(await directory.run([flag])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
});

test('an input that cannot be read is named, and so is what is wrong with it', async () => {
  directory.write('empty.txt', '\n');
  const wrong: [string[], string][] = [
    [['doctor', '--url', 'https://x.example', '--api-key-file', 'empty.txt'], '/empty.txt is empty'],
    [['revoke', 'proof', 'nofile'], 'error: there is no file nofile'],
    [['revoke', 'proof', '.'], 'error: . is a directory'],
    [['deploy'], 'is not a CDK project: run this command in the folder of cdk.json'],
    [['region', 'add', 'eu-west-1'], 'is not a CDK project'],
  ];
  for (const [args, message] of wrong) {
    const { code, stderr } = await directory.run(args);
    expect([args, code, stderr]).toEqual([args, 2, expect.stringContaining(message)]);
  }
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

test.each([
  [['register', '-x\nAll is well.\n0 failed']],
  [['register', 'a', 'b\nAll is well.\n0 failed']],
  [['keys', 'x\n(Did you mean All is well.\n0 failed']],
  [['clients', 'update', 'c', '--limit', 'x\nAll is well.\n0 failed']],
  [['clients', 'create', '--profile', 'x\nAll is well.\n0 failed']],
])('no argument of %j begins a line of its own', async (args) => {
  const { code, stdout, stderr } = await directory.run(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^error: .*\n$/);
  expect(stderr).not.toMatch(/\n./);
});

test('a misspelt command is still suggested', async () => {
  expect((await directory.run(['doctr'])).stderr).toBe(
    "error: unknown command 'doctr' (Did you mean doctor?)\n",
  );
});

test.each([
  [['registrations', 'show', 'my-service', '-ada'], 'countersign registrations show my-service -- -ada'],
  [
    ['registrations', 'show', 'my-service', "-it's", '--json'],
    "countersign registrations show my-service --json -- '-it'\\''s'",
  ],
  [['registrations', 'show', '-x', 'ada'], 'countersign registrations show -- -x ada'],
])('%j: the error names the command line that takes the word as an argument', async (args, command) => {
  const { code, stderr } = await directory.run(args);
  expect(code).toBe(2);
  expect(stderr.endsWith(`; if it is an argument: ${command}\n`)).toBe(true);
});

test('the line of each command in the help of all is that of the command itself', async () => {
  const { stdout } = await directory.run(['--help']);
  const lines = stdout.replaceAll(/\s+/g, ' ');
  const io = commandIo({
    ...{ stdin: process.stdin, stdout: process.stdout, stderr: process.stderr },
    ...{ env: {}, cwd: directory.path, onInterrupt: () => () => {} },
  });
  for (const { term, description, load } of commands(
    io,
    () => {},
    async () => 0,
  )) {
    const command = await load();
    const help = new Help();
    expect({ term, description }).toEqual({
      term: help.subcommandTerm(command),
      description: help.subcommandDescription(command),
    });
    expect(lines).toContain(` ${term} ${description}`);
  }
});
