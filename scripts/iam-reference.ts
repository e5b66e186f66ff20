/** Writes the generated half of docs/iam.md: every role of the stacks, read from their templates. */
import { fileURLToPath } from 'node:url';
import {
  type Json,
  production,
  type Resources,
  readDocument,
  resourcesOf,
  withGenerated,
  writeDocument,
} from './reference.ts';

/** Example names, which the document shows as `<stage>` and `<region>`. */
const STAGE = 'anystage';
const REGION = 'eu-west-1';
/** The example's second Region, whose stacks repeat those of the first. */
const OTHER_REGION = 'eu-central-1';

/** @returns docs/iam.md with a new generated half */
export function iamReference(): string {
  const stacks = [...resourcesOf(production(STAGE))];
  const text = stacks
    .filter(([name]) => !name.endsWith(OTHER_REGION))
    .flatMap(([name, resources]) => section(name, resources))
    .join('\n');
  return withGenerated(readDocument('iam.md'), 'iam-reference.ts', text);
}

/** Empty for a stack without roles. */
function section(stack: string, resources: Resources): string[] {
  const rows = Object.entries(resources)
    .filter(([, { Type }]) => Type === 'AWS::IAM::Role')
    .flatMap(([id, { Properties }]) => {
      const who =
        userOf(id, resources) ?? text(Properties.RoleName ?? Properties.Description ?? id, resources);
      return statementsOf(id, Properties, resources).map(({ Effect, Action, Resource, Condition }: Json) => {
        const may = `${Effect === 'Deny' ? '**not** ' : ''}${list(Action, resources)}`;
        return `| \`${who}\` | ${may} | ${list(Resource, resources)} | ${where(Condition, resources)} |`;
      });
    });
  if (rows.length === 0) return [];
  return [
    `### \`${anonymous(stack)}\`\n`,
    '| role of | may | on | where |',
    '|---|---|---|---|',
    ...rows,
    '',
  ];
}

/** The function that has the role, by its name. */
function userOf(roleId: string, resources: Resources): string | undefined {
  const user = Object.values(resources).find(
    ({ Type, Properties }) =>
      Type === 'AWS::Lambda::Function' && Properties.Role?.['Fn::GetAtt']?.[0] === roleId,
  );
  return user && text(user.Properties.FunctionName, resources);
}

function statementsOf(id: string, role: Json, resources: Resources): Json[] {
  const attached = Object.values(resources).filter(
    ({ Type, Properties }) =>
      Type === 'AWS::IAM::Policy' && Properties.Roles?.some(({ Ref }: { Ref?: string }) => Ref === id),
  );
  const documents = [...(role.Policies ?? []), ...attached.map(({ Properties }) => Properties)];
  const managed = (role.ManagedPolicyArns ?? []).map((arn: Json) => ({
    Action: 'what the policy allows',
    Resource: arn,
  }));
  return [...documents.flatMap(({ PolicyDocument }: Json) => PolicyDocument.Statement), ...managed];
}

const list = (values: Json, resources: Resources): string =>
  [values]
    .flat()
    .map((value) => `\`${text(value, resources)}\``)
    .join(', ');

/** Every condition: that a value exists, equals or resembles something. */
const where = (conditions: Json, resources: Resources): string =>
  Object.entries(conditions ?? {})
    .flatMap(([operator, keys]: [string, Json]) =>
      Object.entries(keys).map(
        ([key, value]) => `\`${key}\` is ${operator === 'Null' ? 'there' : list(value, resources)}`,
      ),
    )
    .join(' and ');

/** Values that only the deployment knows are written as a person would write them. */
function text(value: Json, resources: Resources): string {
  if (typeof value === 'string') return anonymous(value);
  const { 'Fn::Join': join, Ref: reference, 'Fn::GetAtt': attribute } = value;
  if (join) return join[1].map((part: Json) => text(part, resources)).join(join[0]);
  if (reference) return PSEUDO[reference] ?? nameOf(reference, resources);
  if (attribute) return nameOf(attribute[0], resources);
  throw new Error(`cannot be written: ${JSON.stringify(value)}`);
}

/** The fixed name of a resource, or its name in the template. */
function nameOf(id: string, resources: Resources): string {
  const { Type, Properties: properties = {} } = resources[id] ?? {};
  if (Type === 'AWS::Lambda::Alias') return `${text(properties.FunctionName, resources)}:${properties.Name}`;
  const [, name] = Object.entries(properties).find(([key]) => /Name$/.test(key)) ?? [];
  return typeof name === 'string' ? anonymous(name) : `<${id}>`;
}

const PSEUDO: Readonly<Record<string, string>> = {
  'AWS::Partition': 'aws',
  'AWS::AccountId': '<account>',
  'AWS::Region': '<region>',
  'AWS::URLSuffix': 'amazonaws.com',
};

const anonymous = (name: string): string => name.replaceAll(STAGE, '<stage>').replaceAll(REGION, '<region>');

if (process.argv[1] === fileURLToPath(import.meta.url)) writeDocument('iam.md', iamReference());
