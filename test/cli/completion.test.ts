/** The completion scripts, run by their shells: bash, and zsh and fish where they are installed. */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Directory } from './cli.ts';

const directory = new Directory();
afterAll(() => directory.remove());

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];
const isInstalled = (shell: Shell) => spawnSync(shell, ['--version']).status === 0;
const installed = SHELLS.filter(isInstalled);

beforeAll(async () => {
  for (const shell of SHELLS) {
    const { code, stdout, stderr } = await directory.run(['completion', shell]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    directory.write(`countersign.${shell}`, stdout);
  }
});

/** Asks a shell what its script offers; zsh by what the script hands to the shell's own functions. */
const ASK: Readonly<Record<Shell, (script: string, words: readonly string[]) => readonly string[]>> = {
  bash: (script, words) => [
    ...[
      '--norc',
      '-c',
      `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _countersign; printf "%s\\n" "\${COMPREPLY[@]}"`,
    ],
    ...[script, ...words],
  ],
  zsh: (script, words) => [
    ...[
      '-f',
      '-c',
      `compdef() { }; _files() { }; compadd() { shift; print -l -- "$@" }
       _describe() { print -l -- "\${(@)\${(@P)2}%%:*}" }
       source "$0"; words=("$@"); CURRENT=$#; _countersign`,
    ],
    ...[script, ...words],
  ],
  fish: (script, words) => [
    '--no-config',
    '-c',
    `source $argv[1]; complete -C $argv[2]`,
    script,
    words.join(' '),
  ],
};

/** @returns what the shell offers for the last word */
function offered(shell: Shell, words: readonly string[]): string[] {
  const args = ASK[shell](join(directory.path, `countersign.${shell}`), words);
  const output = execFileSync(shell, args, { encoding: 'utf8', cwd: directory.path });
  const last = words.at(-1)!;
  return output
    .split('\n')
    .map((line) => line.split('\t')[0]!)
    .filter((word) => word !== '' && word.startsWith(last))
    .sort();
}

test('bash is installed, so that at least its script is tried', () => {
  expect(installed).toContain('bash');
});

test.each(installed)('%s completes commands, subcommands, options and their values', (shell) => {
  const of = (...words: string[]) => offered(shell, ['countersign', ...words]);
  expect(of('reg')).toEqual(['region', 'register', 'registrations', 'registry']);
  expect(of('keys', 're')).toEqual(['revoke']);
  expect(of('keys', 'revoke', 'web')).toEqual(['webhook', 'webhook-root']);
  expect(of('keys', '--local', '4100', 'revoke', 'non')).toEqual(['nonce']);
  expect(of('register', '--f')).toEqual(['--failures', '--format']);
  expect(of('register', '--format', '')).toEqual(['csv', 'jsonl']);
  expect(of('completion', 'f')).toEqual(['fish']);
  // The words of another command are not offered, and a value is no argument.
  expect(of('doctor', '--con')).toEqual([]);
  expect(of('keys', 'revoke', '--only-kid', 'no')).toEqual([]);
});

test('a shell without a script is wrong usage', async () => {
  const { code, stderr } = await directory.run(['completion', 'tcsh']);
  expect(code).toBe(2);
  expect(stderr).toContain('Allowed choices are bash, zsh, fish');
});
