/**
 * The form of docs/aws-truths.md: each assumption has AWS's own sentence or says that there is none, and
 * names existing tests.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { documents } from './blocks.ts';

const root = new URL('../../', import.meta.url).pathname;
const { text } = documents().find(({ file }) => file === 'docs/aws-truths.md')!;
const HEADS = ['| assumption | AWS says | shown here by | seen on AWS |', '|---|---|---|---|'];
const rows = text.split('\n').filter((line) => line.startsWith('|') && !HEADS.includes(line));
const cellsOf = (row: string) => row.split(/(?<!\\)\|/).map((cell) => cell.trim());

it('has a table in each section, and more than a few rows', () => {
  const sections = text.split(/^## /m).slice(1);
  for (const section of sections) expect(section).toContain(HEADS.join('\n'));
  expect(rows.length).toBeGreaterThan(60);
});

it.each(rows.map((row) => [cellsOf(row)[1], row]))('%s', (_, row) => {
  const [before, assumption, says, shown, seen, after, ...more] = cellsOf(row!);
  expect([before, after, more]).toEqual(['', '', []]);
  for (const cell of [assumption, says, shown]) expect(cell).not.toBe('');
  // A quoted sentence followed by its address, or the plain statement that there is none.
  expect(says).toMatch(/"[^"]{8,}" https:\/\/\S+|^assumed, no quote found/);
  for (const [address] of says!.matchAll(/\w+:\/\/\S+/g))
    expect(address).toMatch(/^https:\/\/[\w.-]+\.\w+\//);
  expect(seen).toMatch(/^(no|\d{4}-\d{2}-\d{2}\b.*)$/);
  for (const [, path] of shown!.matchAll(/`((?:test|lib|local)\/[\w./-]*)`/g))
    expect(existsSync(join(root, path!)), path).toBe(true);
});

it('has no duplicate rows', () => {
  const assumptions = rows.map((row) => cellsOf(row)[1]);
  expect(assumptions).toEqual([...new Set(assumptions)]);
});
