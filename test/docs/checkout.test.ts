/** After following the guide a checkout is still clean, on every system. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runnable } from './blocks.ts';

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');

test('git ignores the files that the guide saves in the checkout', () => {
  const saved = [...read('docs/guide.md').matchAll(/(?:Save this as `|--etag-save )([\w.]+)/g)];
  expect(saved.map(([, name]) => name)).toEqual(['first.ts', 'first.etag']);
  const ignored = read('.gitignore').split('\n');
  for (const [, name] of saved) expect(ignored).toContain(`/${name}`);
});

test('no line of code in the guide exceeds the line width', () => {
  const { lineWidth } = JSON.parse(read('biome.json')).formatter;
  for (const { code } of runnable('docs/guide.md').filter(({ language }) => language === 'ts'))
    for (const line of code.split('\n')) expect(line.length, line).toBeLessThanOrEqual(lineWidth);
});

test('a checkout has the same line ends everywhere', () => {
  expect(read('.gitattributes')).toBe('* text=auto eol=lf\n');
});
