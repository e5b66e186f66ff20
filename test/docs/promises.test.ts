/** docs/promises.md: each loss, each drill and each row of AWS truths that it names is there. */
import { expect, it } from 'vitest';
import { DRILLS } from '../../cli/drill/drills.ts';
import { documents } from './blocks.ts';

const textOf = (file: string) => documents().find((document) => document.file === file)!.text;
const page = textOf('docs/promises.md');
const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((text) => [text.split('\n')[0]!.trim(), text]),
);
const cellsOf = (row: string) => row.split('|').map((cell) => cell.trim());
const rowsOf = (text: string) =>
  text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1)
    .map((line) => cellsOf(line).slice(1, -1));
const truths = rowsOf(textOf('docs/aws-truths.md').replaceAll('\\|', '/')).map(([assumption]) => assumption);

it.each(['a Region', 'the home Region', 'us-east-1', 'a table', 'Vault', 'a certificate', 'the quorum'])(
  'the loss of %s has a promise in each mode, and its section',
  (loss) => {
    const row = rowsOf(page.split('## ')[0]!).find(([name]) => name!.startsWith(`[${loss}]`))!;
    expect(row).toHaveLength(4);
    for (const promise of row.slice(1)) expect(promise).not.toBe('');
    const section = sections.get(loss[0]!.toUpperCase() + loss.slice(1)) ?? sections.get(loss)!;
    const lines = rowsOf(section.split('\n### ')[0]!);
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) {
      expect(line).toHaveLength(4);
      expect(line.at(-1), line[0]).toMatch(/drilled: `|read: \*|^(synth: )?`test\/|^no drill$/);
    }
  },
);

it.each(Object.keys(DRILLS))(
  'the drill %s is named for a loss, and has a line that was measured',
  (drill) => {
    const losses = [...sections].filter(([name]) => name !== 'Measured').map(([, text]) => text);
    expect(losses.join('\n')).toMatch(new RegExp(`drilled: \`${drill}[\` ]`));
    const measured = rowsOf(sections.get('Measured')!).filter(([name]) => name === `\`${drill}\``);
    expect(measured.map(([, mode]) => mode)).toContain('strong');
    // Neither mode promises that a proof works twice; strong mode loses nothing.
    for (const [, mode, acknowledged, lost, duplicated] of measured) {
      expect(Number(acknowledged)).toBeGreaterThan(0);
      expect(duplicated).toBe('0');
      if (mode === 'strong') expect(lost).toBe('0');
    }
  },
);

it('names no drill that does not exist', () => {
  const named = [...page.matchAll(/drilled: `([\w-]+)/g)].map(([, name]) => name!);
  for (const name of named) expect(Object.keys(DRILLS)).toContain(name);
});

it('quotes rows of AWS truths word for word', () => {
  const quoted = [...page.matchAll(/read:\s+\*([^*]+)\*/g)].map(([, row]) => row!.replace(/\s+/g, ' '));
  expect(quoted.length).toBeGreaterThan(10);
  for (const row of quoted) expect(truths).toContain(row);
});

it('says on which day the figures were measured', () => {
  expect(sections.get('Measured')).toMatch(/^On \d{4}-\d{2}-\d{2}, /m);
});

it.each(['README.md', 'docs/regions.md', 'docs/drills.md'])('%s leads to it', (file) => {
  expect(textOf(file)).toContain('promises.md)');
});
