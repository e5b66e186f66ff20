/**
 * docs/performance.md and its plots say what the kept figures say: `npm run bench -- --render` writes them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DOCS, RESULTS, readResults, render } from '../../bench/page.ts';
import { PARTS } from '../../bench/parts.ts';

const results = readResults();
const rendered = render(results);

it('every part has been measured, and no other figures are kept', () => {
  expect([...results.keys()]).toEqual(Object.keys(PARTS));
  expect(readdirSync(RESULTS).sort()).toEqual(
    Object.keys(PARTS)
      .map((name) => `${name}.json`)
      .sort(),
  );
});

it.each([...rendered.keys()])('docs/%s is what the kept figures give', (file) => {
  expect(readFileSync(new URL(file, DOCS), 'utf8')).toBe(rendered.get(file));
});

it('no plot is left of a table that is not there any more, and each is small', () => {
  const plots = [...rendered.keys()].filter((file) => file.startsWith('performance/'));
  const kept = readdirSync(new URL('performance/', DOCS)).map((file) => `performance/${file}`);
  expect(kept.sort()).toEqual(plots.sort());
  for (const plot of plots) expect(rendered.get(plot)!.length, plot).toBeLessThan(10_000);
});

it('each figure that misses its target says so on the page', () => {
  const sections = [...results].flatMap(([name, { raw }]) => PARTS[name]!.sections(raw));
  const missed = sections.flatMap(({ rows }) => rows.filter((row) => row.missed));
  const page = rendered.get('performance.md')!;
  expect(page.match(/\*\*missed\*\*/g) ?? []).toHaveLength(missed.length);
});
