import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { PROBLEMS } from '../../protocol/problem.ts';
import { ERROR_CLASSES } from '../../sdk/typescript/errors.ts';
import * as sdk from '../../sdk/typescript/index.ts';

const readme = readFileSync(new URL('../../sdk/typescript/README.md', import.meta.url), 'utf8');
const rows = [...readme.matchAll(/^\| `([A-Z]\w+Error)` \| (.*?) \|/gm)].map(([, name, codes]) => ({
  name: name!,
  codes: [...codes!.matchAll(/`(\w+)`/g)].map(([, code]) => code!),
}));

test('the table of errors has every code of the protocol, with its class', () => {
  for (const code of Object.keys(PROBLEMS) as (keyof typeof PROBLEMS)[])
    expect(rows.filter(({ codes }) => codes.includes(code)).map(({ name }) => name)).toEqual([
      ERROR_CLASSES[code].name,
    ]);
});

test('the table of errors has every exported class', () => {
  const exported = Object.keys(sdk).filter(
    (name) => name.endsWith('Error') && !/^(Api|Countersign)Error$/.test(name),
  );
  expect(rows.map(({ name }) => name).sort()).toEqual(exported.sort());
});
