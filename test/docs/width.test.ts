/** Comments and prose end where the formatter ends code. Biome does not wrap them. */
import { globSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import biome from '../../biome.json' with { type: 'json' };

const root = new URL('../../', import.meta.url);
const WIDTH = biome.formatter.lineWidth;
/** The benchmark writes the whole of it. */
const GENERATED = 'docs/performance.md';

const linesOf = (file: string): string[] => readFileSync(new URL(file, root), 'utf8').split('\n');
/** Without a place to break, such as a URL, a line may be longer. */
const isTooLong = (line: string): boolean =>
  [...line].length > WIDTH && line.trimStart().lastIndexOf(' ', WIDTH) > 2;

const CODE = globSync(
  '{bench,bin,cli,examples,lambda,lib,local,protocol,scripts,sdk,test}/**/*.{ts,cts,mjs}',
  {
    cwd: root,
  },
).filter((file) => !file.includes('node_modules'));

it('comments', () => {
  const long = CODE.flatMap((file) =>
    linesOf(file).flatMap((line, i) =>
      /^\s*(\/\/(?! biome-ignore)|\/?\*)/.test(line) && isTooLong(line) ? [`${file}:${i + 1}`] : [],
    ),
  );
  expect(long).toEqual([]);
});

it('documents, outside of tables, code and generated parts', () => {
  const documents = globSync('{*.md,docs/**/*.md,sdk/*/README.md,lib/README.md}', { cwd: root });
  const long = documents
    .filter((file) => file !== GENERATED)
    .flatMap((file) => {
      let fenced = false;
      let generated = false;
      return linesOf(file).flatMap((line, i) => {
        if (/^\s*```/.test(line)) fenced = !fenced;
        if (/^<!-- (generated|end)\b/.test(line)) generated = line.startsWith('<!-- generated');
        const isProse = !fenced && !generated && !/^\s*([|#<]|```|- \[\d)/.test(line);
        return isProse && isTooLong(line) ? [`${file}:${i + 1}`] : [];
      });
    });
  expect(long).toEqual([]);
});
