import { expect, it } from 'vitest';
import { FUNCTIONS } from '../../lambda/contract/names.ts';
import { constructsReference, declarations } from '../../scripts/constructs-reference.ts';
import { costReference, scaleReference } from '../../scripts/cost-reference.ts';
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

it('docs/scale.md prices a billion as docs/cost.md prices a million', () => {
  expect(readDocument('scale.md')).toBe(scaleReference());
});

const declared = declarations();

it('docs/constructs.md says what the package declares; `node scripts/constructs-reference.ts` makes it current', () => {
  expect(readDocument('constructs.md')).toBe(constructsReference(declared));
});

it('an editor shows what each setting and each member of the package means, and the default of what may be left out', () => {
  expect(declared.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['RegistrationPlatform', 'RegionStack', 'ConfigInput', 'VaultSettings']),
  );
  for (const { kind, name, doc, members } of declared) {
    expect(doc, name).not.toBe('');
    for (const member of members) {
      const at = `${name}.${member.name}`;
      if (!member.name.startsWith('constructor(')) expect(member.doc, at).not.toBe('');
      if (kind === 'interface') expect(member.default !== undefined, `${at}: @default`).toBe(member.optional);
    }
  }
});
