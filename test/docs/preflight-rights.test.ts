/** The permissions that the documents list for `countersign preflight` match its calls. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** Services whose name in IAM differs from the client's name. */
const SERVICES: Readonly<Record<string, string>> = {
  'api-gateway': 'apigateway',
  'route-53': 'route53',
  'secrets-manager': 'secretsmanager',
};

function actions(): string[] {
  const imports = read('cli/preflight/aws-account.ts').matchAll(
    /import \{([^}]+)\} from '@aws-sdk\/client-([\w-]+)'/g,
  );
  return [...imports].flatMap(([, names, client]) => {
    const service = SERVICES[client!] ?? client!;
    const calls = [...names!.matchAll(/\b(?:paginate(\w+)|(\w+)Command)\b/g)].map(
      ([, many, one]) => many ?? one,
    );
    // API Gateway's actions are HTTP methods.
    return calls.map((call) => (service === 'apigateway' ? 'apigateway:GET' : `${service}:${call}`));
  });
}

const asked = actions();

it('the test finds the calls in the code', () => {
  expect(asked.length).toBeGreaterThan(15);
  expect(asked).toContain('cloudformation:DescribeStacks');
});

it.each([
  ['docs/iam.md', /^`countersign preflight` calls,[\s\S]*?\n\n[^|]/m],
  ['docs/deploy.md', /^`deploy\.json`:[\s\S]*?^```$/m],
])('%s allows every call of preflight, and nothing more', (file, part) => {
  const text = part.exec(read(file))![0];
  const listed = [...text.matchAll(/["`]([a-z0-9]+:\w+)["`]/g)].map(([, action]) => action!);
  // GetCallerIdentity needs no permission. AssumeRole is for deploying with the bootstrap's roles.
  // DescribeAlarms is for checking alarms during an upgrade.
  const apart = ['sts:GetCallerIdentity', 'sts:AssumeRole', 'cloudwatch:DescribeAlarms'];
  const without = (all: readonly string[]) =>
    [...new Set(all.filter((each) => !apart.includes(each)))].sort();
  expect(without(listed)).toEqual(without(asked));
});
