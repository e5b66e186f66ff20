/** Simulates IAM's rules: whether a function's role allows an action. */
import { runSimulation } from '@cloud-copilot/iam-simulate';
import { tableName } from '../../../lambda/contract/names.ts';
import { PURPOSES } from '../../../lambda/contract/purposes.ts';
import type { ConfigInput } from '../../../lib/config/schema.ts';
import { PROD, synthesise } from '../synth.ts';

export const ACCOUNT = '123456789012';
export const HERE = 'eu-west-1';
export const THERE = 'eu-central-1';

/** A template's value after deployment. */
function deployed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(deployed);
  if (typeof value !== 'object' || value === null) return value;
  const { 'Fn::Join': join, Ref: ref, 'Fn::GetAtt': attribute } = value as Record<string, never>;
  if (join) return (deployed(join[1]) as string[]).join(join[0]);
  if (attribute) return arnOf(attribute[0]);
  if (ref)
    return (
      { 'AWS::Partition': 'aws', 'AWS::AccountId': ACCOUNT, 'AWS::URLSuffix': 'amazonaws.com' }[ref] ??
      aliasArn(ref)
    );
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, deployed(each)]));
}

/** The ARN of a log group, or of a function or a queue, which has its name. */
function arnOf(id: string): string {
  const { FunctionName, QueueName } = synthesise(PROD).region.resources[id]?.Properties ?? {};
  if (FunctionName !== undefined) return functionArn(FunctionName);
  return QueueName === undefined ? `arn:aws:logs:${HERE}:${ACCOUNT}:log-group:${id}:*` : queueArn(QueueName);
}

function aliasArn(id: string): string {
  const { Name, FunctionName } = synthesise(PROD).region.resources[id]!.Properties;
  const { Properties } = synthesise(PROD).region.resources[FunctionName.Ref]!;
  return `${functionArn(Properties.FunctionName)}:${Name}`;
}

export const functionArn = (name: string, region = HERE): string =>
  `arn:aws:lambda:${region}:${ACCOUNT}:function:${name}`;

export const queueArn = (name: string, region = HERE): string => `arn:aws:sqs:${region}:${ACCOUNT}:${name}`;

/** A role's inline policies, as they are after deployment. */
export function policiesOf(functionName: string, config: ConfigInput, at: string) {
  const region = synthesise(config).part(`region-${at}`);
  const { Properties } = region
    .ofType('AWS::Lambda::Function')
    .find((each) => each.Properties.FunctionName === functionName)!;
  const role = region.resources[Properties.Role['Fn::GetAtt'][0]]!.Properties;
  return role.Policies.map((each: { PolicyName: string; PolicyDocument: unknown }) => ({
    name: each.PolicyName,
    policy: deployed(each.PolicyDocument),
  }));
}

/** A key's own policy decides first. Ours delegates to IAM; an imported key's policy must do the same. */
const KEY_POLICY = deployed(
  Object.values(synthesise(PROD).part(`base-${HERE}`).resources).find(({ Type }) => Type === 'AWS::KMS::Key')!
    .Properties.KeyPolicy,
);

export interface Try {
  readonly action: string;
  readonly resource: string;
  readonly context?: Record<string, string | string[]>;
}

/**
 * @param functionName its full name
 * @param at the Region that it is in. @default the first one of the config
 */
export async function may(
  functionName: string,
  { action, resource, context = {} }: Try,
  config = PROD,
  at = config.regions[0]!.name,
): Promise<boolean> {
  const simulated = await runSimulation(
    {
      request: {
        principal: `arn:aws:iam::${ACCOUNT}:role/function`,
        action,
        resource: { resource, accountId: ACCOUNT },
        contextVariables: context,
      },
      identityPolicies: policiesOf(functionName, config, at),
      ...(action.startsWith('kms:') && { resourcePolicy: KEY_POLICY }),
      serviceControlPolicies: [],
      resourceControlPolicies: [],
    },
    {},
  );
  if (simulated.resultType === 'error')
    throw new Error(`${action} ${resource}: ${JSON.stringify(simulated.errors)}`);
  return simulated.overallResult === 'Allowed';
}

/** Partition keys of `limits` items. An empty list stands for a call that no condition on them sees. */
export const item = (action: string, keys: readonly string[], region = HERE): Try => ({
  action: `dynamodb:${action}`,
  resource: `arn:aws:dynamodb:${region}:${ACCOUNT}:table/${tableName('live', 'limits')}`,
  context: keys.length === 0 ? {} : { 'dynamodb:LeadingKeys': [...keys] },
});

/** One partition key of each kind of item, including kinds of later versions. */
export const ITEMS = [
  'quota#acme#29000000',
  ...PURPOSES.map((purpose) => `revoked#${purpose}`),
  'revoked#webhook',
  'public#webhook',
  'public#webhook-root',
  'stop#writes',
  'deny#jti',
  `evacuated#${HERE}`,
  'health',
] as const;

/** Every action that could read or change an item. */
export const ITEM_ACTIONS = [
  'GetItem',
  'PutItem',
  'UpdateItem',
  'DeleteItem',
  'Query',
  'Scan',
  'BatchGetItem',
  'BatchWriteItem',
  'PartiQLUpdate',
] as const;

interface Used {
  readonly region?: string;
  readonly alias?: string;
  readonly key?: string;
  readonly via?: string;
}

/** Decrypting with a Region's key, through a service of the same Region or of another. */
export const decrypt = (
  service: string,
  { region = HERE, alias = 'alias/countersign-live', key, via = region }: Used = {},
): Try => ({
  action: 'kms:Decrypt',
  resource: key ?? `arn:aws:kms:${region}:${ACCOUNT}:key/any`,
  context: { 'kms:ViaService': `${service}.${via}.amazonaws.com`, 'kms:ResourceAliases': [alias] },
});
