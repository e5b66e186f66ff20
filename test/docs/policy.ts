/** The policies that docs/iam.md gives an operator, and what they allow. */
import { readFileSync } from 'node:fs';
import { runSimulation } from '@cloud-copilot/iam-simulate';

export interface Policy {
  readonly Statement: readonly { readonly Action: string | readonly string[] }[];
}

const ACCOUNT = '123456789012';
const iam = readFileSync(new URL('../../docs/iam.md', import.meta.url), 'utf8');

/** @returns the policy under a heading */
export const policyUnder = (heading: string): Policy =>
  JSON.parse(new RegExp(`### ${heading}[\\s\\S]*?\`\`\`json\n([\\s\\S]*?)\`\`\``).exec(iam)![1]!);

/** @param resource a table, what follows `table/` in its ARN, or another thing's whole ARN */
export async function allows(
  policies: readonly Policy[],
  action: string,
  resource: string,
  contextVariables: Record<string, string | string[]> = {},
): Promise<boolean> {
  const simulated = await runSimulation(
    {
      request: {
        principal: `arn:aws:iam::${ACCOUNT}:user/operator`,
        action,
        resource: {
          resource: resource.startsWith('arn:')
            ? resource
            : `arn:aws:dynamodb:eu-west-1:${ACCOUNT}:table/${resource}`,
          accountId: ACCOUNT,
        },
        contextVariables,
      },
      identityPolicies: policies.map((policy, i) => ({ name: String(i), policy })),
      serviceControlPolicies: [],
      resourceControlPolicies: [],
    },
    {},
  );
  if (simulated.resultType === 'error') throw new Error(JSON.stringify(simulated.errors));
  return simulated.overallResult === 'Allowed';
}
