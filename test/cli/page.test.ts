/** docs/command-line.md names every command and option that `--help` names. */
import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { Directory } from './cli.ts';

const page = readFileSync(new URL('../../docs/command-line.md', import.meta.url), 'utf8');
const directory = new Directory();
afterAll(() => directory.remove());

interface Found {
  readonly command: string;
  readonly options: readonly string[];
  readonly help: string;
}

/** Every command with an action, with its own help and that of its parent commands. */
async function commands(path: readonly string[] = []): Promise<Found[]> {
  const { stdout } = await directory.run([...path, '--help']);
  const section = (name: string) =>
    new RegExp(`^${name}:\\n((?: {2}.*\\n?)+)`, 'm').exec(stdout)?.[1]?.split('\n') ?? [];
  const below = section('Commands')
    .map((line) => /^ {2}(\S+)/.exec(line)?.[1])
    .filter((name) => name !== undefined && name !== 'help') as string[];
  if (below.length > 0) return (await Promise.all(below.map((name) => commands([...path, name])))).flat();
  const options = section('Options').flatMap((line) => /^ {2}(?:-\w, )?(--[\w-]+)/.exec(line)?.[1] ?? []);
  return [{ command: path.join(' '), options: options.filter((name) => name !== '--help'), help: stdout }];
}

const found = await commands();

test('the page names every command and option', () => {
  expect(found.map(({ command }) => command)).toEqual(
    expect.arrayContaining(['register', 'clients rotate-key', 'revoke proof', 'registrations erase']),
  );
  for (const { command, options } of found) {
    const [parent, verb] = command.split(' ');
    // Two commands in one row share the words before them.
    const named = page.includes(`countersign ${command}`) || page.includes(`, \`${verb} `);
    expect(named, command).toBe(true);
    expect(page, command).toContain(`countersign ${parent}`);
    for (const option of options) expect(page, `${command} ${option}`).toContain(option);
  }
});

test('help shows a default time as one would type it', () => {
  const times = found.flatMap(({ command, help }) =>
    [...help.matchAll(/^ {2}(--[\w-]+) <time>(?:.*\n {4,})*?.*\(default: ([^)]*)\)/gm)].map(
      ([, option, value]) => `${command} ${option} ${value}`,
    ),
  );
  expect(times).toContain('deploy --watch 15m');
  for (const time of times) expect(time).toMatch(/ \d+[smhd]$/);
});
