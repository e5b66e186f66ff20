/** The permissions in docs/iam.md for a copy match the command's calls, on these tables only. */
import { readdirSync, readFileSync } from 'node:fs';
import { runSimulation } from '@cloud-copilot/iam-simulate';
import { expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

const ACCOUNT = '123456789012';
const policy = JSON.parse(
  /### Who copies tables[\s\S]*?```json\n([\s\S]*?)```/.exec(read('docs/iam.md'))![1]!,
);
const asked = readdirSync(new URL('cli/registry', root)).flatMap((name) =>
  [...read(`cli/registry/${name}`).matchAll(/new (\w+)Command\(/g)].map(([, call]) => `dynamodb:${call}`),
);

async function may(action: string, table: string): Promise<boolean> {
  const simulated = await runSimulation(
    {
      request: {
        principal: `arn:aws:iam::${ACCOUNT}:user/operator`,
        action,
        resource: { resource: `arn:aws:dynamodb:eu-west-1:${ACCOUNT}:table/${table}`, accountId: ACCOUNT },
        contextVariables: {},
      },
      identityPolicies: [{ name: 'copy', policy }],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
    },
    {},
  );
  if (simulated.resultType === 'error') throw new Error(JSON.stringify(simulated.errors));
  return simulated.overallResult === 'Allowed';
}

it('the policy lists each call, and no other', () => {
  const listed = policy.Statement.flatMap(({ Action }: { Action: string | string[] }) => Action);
  expect(new Set(listed.filter((action: string) => action !== 'kms:Decrypt'))).toEqual(new Set(asked));
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
