/**
 * One numbering of the checks: docs/protocol.md defines it, and every other place cites a check by number and
 * name.
 */
import { globSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

const [, section = ''] = read('docs/protocol.md').split('### Checks');
const CHECKS = new Map(
  [...section.split('\n## ')[0]!.matchAll(/^\| (\d+) \| ([a-z ]+) \|/gm)].map(([, n, name]) => [
    Number(n),
    name!,
  ]),
);

/** `check 4 (signature)`, `checks 2 (form) and 3 (header)`, `checks 9 (known quota) to 11 (quota)`. */
const CITED = /\bchecks? (\d+)(?: \(([a-z ]+)\))?(?:(?: to | and )(\d+)(?: \(([a-z ]+)\))?)?/gi;
const cited = (text: string) =>
  [...text.matchAll(CITED)].flatMap(([, from, fromName, to, toName]) => [
    [Number(from), fromName],
    ...(to === undefined ? [] : [[Number(to), toName]]),
  ]);

const CODE = globSync('{protocol,lambda}/**/*.ts', { cwd: root });
const OTHER = globSync(['docs/*.md', 'docs/decisions/*.md', 'test/{protocol,lambda}/**/*.ts'], { cwd: root });

it('the checks are numbered from 1, without a gap', () => {
  expect([...CHECKS.keys()]).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
});

it.each([...CODE, ...OTHER].filter((file) => file !== 'docs/performance.md'))(
  '%s cites existing checks by their right names',
  (file) => {
    // A comment may break the line within a citation.
    const text = read(file).replace(/\n\s*(\*|\/\/) /g, ' ');
    for (const [number, name] of cited(text))
      expect([number, name]).toEqual([number, CHECKS.get(number as number)]);
  },
);

it('the code names each check where it is made', () => {
  const made = new Set(CODE.flatMap((file) => cited(read(file)).map(([number]) => number)));
  expect([...made].sort((a, b) => Number(a) - Number(b))).toEqual([...CHECKS.keys()]);
});

it('every check in a measurement has its right number', () => {
  const labels = [...read('docs/performance.md').matchAll(/^\| ([^|]*, checks? \d[^|]*) \|/gm)].map(
    ([, label]) => label!,
  );
  expect(labels.length).toBeGreaterThan(0);
  for (const label of labels) {
    expect(read('bench/layers.ts')).toContain(`layer: '${label}'`);
    const [, names, numbers] = /^(.*), checks? (\d.*)$/.exec(label)!;
    const [from = 0, to = from] = numbers!.match(/\d+/g)!.map(Number);
    const within = numbers!.includes('–')
      ? Array.from({ length: to - from + 1 }, (_, i) => from + i)
      : [from, to];
    const known = within.map((number) => CHECKS.get(number)!);
    expect(
      known.some((name) => names!.includes(name)),
      `${label}: ${known.join(', ')}`,
    ).toBe(true);
  }
});
