/** Comments cite only what a reader has: a document of this repository by its section, or an RFC. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

/** A reference to notes that the repository does not contain. */
const ELSEWHERE =
  /design:|the design\b|\b\d{1,2}-(product|protocol|keys|regions|architecture|running|style|wire)\b/;
/** `docs/protocol.md, "Limits"`, `docs/protocol.md, "Registering" and "Limits"`. */
const SECTIONS = /(docs\/[\w/.-]+\.md)((?:(?:,| and) "[^"]+")+)/g;
const DOCUMENT = /docs\/[\w/.-]+\.(?:md|yaml)/g;

const headings = (document: string) =>
  [...read(document).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading!.replace(/^\d+\. /, ''));

const DOCUMENTS = globSync('docs/**/*.md', { cwd: root });

it.each(DOCUMENTS)('%s', (file) => {
  expect(read(file).replaceAll('\n', ' ')).not.toMatch(ELSEWHERE);
});

const CODE = globSync('{bench,bin,cli,lambda,lib,local,protocol,scripts,sdk,test}/**/*.{ts,mjs,hcl}', {
  cwd: root,
}).filter((file) => file !== 'test/docs/citations.test.ts' && !file.includes('node_modules'));

it.each(CODE)('%s', (file) => {
  // A comment may break the line within a citation.
  const text = read(file).replace(/\n\s*(\*|\/\/) /g, ' ');
  expect(text).not.toMatch(ELSEWHERE);
  for (const [document] of text.matchAll(DOCUMENT))
    expect(existsSync(new URL(document, root)), document).toBe(true);
  for (const [, document, sections] of text.matchAll(SECTIONS))
    for (const [, section] of sections!.matchAll(/"([^"]+)"/g))
      expect(headings(document!)).toContain(section);
});
