import { expect, it } from 'vitest';
import { FUNCTIONS } from '../../lambda/contract/names.ts';
import { costReference } from '../../scripts/cost-reference.ts';
import { iamReference } from '../../scripts/iam-reference.ts';
import { readDocument } from '../../scripts/reference.ts';

it('docs/iam.md says what the templates say; `node scripts/iam-reference.ts` makes it current', () => {
  expect(readDocument('iam.md')).toBe(iamReference());
});

it('docs/iam.md has a row for every function', () => {
  for (const name of FUNCTIONS)
    expect(readDocument('iam.md')).toContain(`| \`countersign-<stage>-${name}\` |`);
});

it('docs/cost.md prices what the templates hold; `node scripts/cost-reference.ts` makes it current', () => {
  expect(readDocument('cost.md')).toBe(costReference());
});
