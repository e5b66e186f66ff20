/** The permissions in docs/iam.md for a copy match the command's calls, on these tables only. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { allows, policyUnder } from './policy.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

const policy = policyUnder('Who copies tables');
const asked = readdirSync(new URL('cli/registry', root)).flatMap((name) =>
  [...read(`cli/registry/${name}`).matchAll(/new (\w+)Command\(/g)].map(([, call]) => `dynamodb:${call}`),
);

const may = (action: string, table: string) => allows([policy], action, table);

it('the policy lists each call, and no other', () => {
  const listed = policy.Statement.flatMap(({ Action }) => Action);
  expect(new Set(listed.filter((action) => action !== 'kms:Decrypt'))).toEqual(new Set(asked));
});

it('it lets the command write the target, and only read the tables in use', async () => {
  for (const action of new Set(asked)) {
    const writes = /Put|Delete/.test(action);
    for (const kind of ['registry', 'clients']) {
      expect([action, await may(action, `countersign-prod-${kind}-2`)]).toEqual([action, true]);
      expect([action, await may(action, `countersign-prod-${kind}-1`)]).toEqual([action, !writes]);
    }
    expect(await may(action, 'countersign-prod-registry-restored')).toBe(!writes);
    expect(await may(action, 'countersign-prod-limits-1')).toBe(false);
  }
});
