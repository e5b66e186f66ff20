/** A Region that is cut off never answers: each AWS client of the commands has limits. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const root = new URL('../../cli/', import.meta.url);
const makers = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
  .map((name) => ({ name, text: readFileSync(new URL(name, root), 'utf8') }))
  .filter(({ text }) => /new (?!Countersign)\w+Client\(/.test(text));

it('whoever makes one uses them', () => {
  expect(makers.length).toBeGreaterThan(4);
  for (const { name, text } of makers) expect(text, name).toContain('...awsLimits(');
});
