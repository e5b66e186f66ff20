import { expect, it } from 'vitest';
import { plot } from '../../bench/plot.ts';
import type { Row } from '../../bench/report.ts';

const table = (rows: Partial<Row>[], unit: string | undefined = 'µs') =>
  plot({
    title: 'A & B',
    note: '',
    ...(unit && { unit }),
    rows: rows.map((row) => ({ figure: 'one', measured: '', ...row })),
  });
const all = (svg: string, pattern: RegExp) => [...svg.matchAll(pattern)].map(([, found]) => Number(found));

it('bars are as long as their medians, on one scale', () => {
  const svg = table([{ values: [1, 2, 9] }, { values: [4] }, { values: [8] }])!;
  const [first, second, third] = all(svg, /class="bar"[^>]* width="([\d.]+)"/g) as [number, number, number];
  expect(second).toBeCloseTo(2 * first, 0);
  expect(third).toBeCloseTo(4 * first, 0);
});

it('a line reaches from the least to the greatest value, and is left out where there is one', () => {
  const svg = table([{ values: [10, 20, 80] }, { values: [40] }])!;
  const lines = [...svg.matchAll(/<path class="spread" d="M([\d.]+) \d+H([\d.]+)/g)];
  expect(lines).toHaveLength(1);
  const [from, to] = lines[0]!.slice(1).map(Number) as [number, number];
  expect((to - 12) / (from - 12)).toBeCloseTo(8, 0);
  // The number beside it needs its place, too.
  expect(to).toBe(640);
});

it('limits have a colour of their own', () => {
  const svg = table([{ values: [1], limit: true }, { values: [2] }])!;
  expect([...svg.matchAll(/<rect class="(\w+)" x/g)].map(([, name]) => name)).toEqual(['limit', 'bar']);
});

it('a row without values has no bar, and less than two bars or no unit make no plot', () => {
  expect(
    all(table([{ values: [1] }, {}, { values: [2] }])!, /class="bar"[^>]* width="([\d.]+)"/g),
  ).toHaveLength(2);
  expect(table([{ values: [1] }, {}])).toBeUndefined();
  expect(table([{ values: [1] }, { values: [2] }], '')).toBeUndefined();
});

it('text is escaped and loses the marks of Markdown, and a dark page has colours of its own', () => {
  const svg = table([{ figure: '`a<b`', values: [1] }, { values: [0] }])!;
  expect(svg).toContain('>a&lt;b</text>');
  expect(svg).toContain('A &amp; B');
  expect(svg).toContain('prefers-color-scheme: dark');
});
