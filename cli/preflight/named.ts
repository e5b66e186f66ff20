/**
 * Checks the existing resources that the config names: each must exist in its Region and be of the right
 * kind.
 */
import type { DeployPlan, PlannedNetwork, PlannedRegion } from '../../lambda/contract/deploy-plan.ts';
import { accountStackName, keyAlias } from '../../lambda/contract/names.ts';
import type { Region } from './account.ts';
import { fail, type Outcome, ok, warn } from './outcome.ts';

/** Checks the key that encrypts tables and secrets. */
export async function checkCustomerKey(
  here: Region,
  stage: string,
  { kmsKeyArn: arn, namesMadeKey }: PlannedRegion,
): Promise<Outcome[]> {
  if (arn === undefined) return [];
  const key = await here.key(arn);
  const another = `set kmsKeyArn to another key of ${here.name}, or leave it out: the stage then makes a key`;
  if (!key) return [fail(`there is no key ${arn}`, another)];
  if (key.state !== 'Enabled') return [fail(`${arn} is ${key.state}`, `enable it, or ${another}`)];
  if (!key.isCustomers) return [fail(`${arn} is AWS's own key, whose policy nobody can change`, another)];
  if (!key.isSymmetric)
    return [fail(`${arn} is not a symmetric key, which tables and secrets need`, another)];
  const alias = keyAlias(stage);
  const made = namesMadeKey ? await here.key(alias) : undefined;
  // The stage's tables and secrets would be taken for those of another key.
  if (made && made.arn !== arn)
    return [
      warn(
        `${arn} is named as the key that the stage made, but ${alias} leads to ${made.arn}`,
        `set kmsKeyArn and previousKmsKeyArn to ${made.arn}, if it encrypted the tables and secrets that are adopted`,
      ),
    ];
  return [ok(`${arn} is enabled`)];
}

export async function checkAlarmTopic(here: Region, arn: string | undefined): Promise<Outcome[]> {
  if (arn === undefined) return [];
  const topic = await here.topic(arn);
  if (!topic)
    return [
      fail(
        `there is no topic ${arn}`,
        `set it to another topic of ${here.name}, or leave it out: a prod stage then makes a topic`,
      ),
    ];
  // With any of these faults the deployment succeeds, but no alarm reaches anybody.
  const allowed = alarmsMayPublish(topic.policy, arn.split(':')[4]!);
  if (allowed === 'no')
    return [
      fail(
        `the policy of ${arn} does not let alarms publish`,
        'allow sns:Publish to cloudwatch.amazonaws.com in its policy',
      ),
    ];
  if (topic.key?.endsWith('alias/aws/sns'))
    return [
      fail(
        `${arn} is encrypted with alias/aws/sns, a key that alarms may not use`,
        'encrypt it with a customer key whose policy lets cloudwatch.amazonaws.com decrypt and create data keys',
      ),
    ];
  const unchecked = [
    ...(allowed === 'maybe'
      ? [
          warn(
            `the policy of ${arn} has a condition or a denial, which is not evaluated here`,
            'check that it lets cloudwatch.amazonaws.com publish for alarms of this account',
          ),
        ]
      : []),
    ...(topic.key === undefined
      ? []
      : [
          warn(
            `${arn} is encrypted with ${topic.key}, whose policy is not read here`,
            'check that the policy of that key lets cloudwatch.amazonaws.com decrypt and create data keys',
          ),
        ]),
  ];
  return unchecked.length > 0 ? unchecked : [ok(`${arn} takes alarms`)];
}

interface Statement {
  readonly Effect: string;
  readonly Principal?: string | { readonly AWS?: string | string[]; readonly Service?: string | string[] };
  readonly Action?: string | string[];
  readonly Condition?: object;
}

/**
 * @returns `maybe` where that depends on a condition, or on a statement that denies something: they are not
 * evaluated
 */
function alarmsMayPublish(policy: string, account: string): 'yes' | 'no' | 'maybe' {
  const { Statement: given } = JSON.parse(policy) as { readonly Statement: Statement | Statement[] };
  const statements = [given].flat();
  const allowing = statements.filter(({ Effect, Principal, Action }) => {
    const principals =
      typeof Principal === 'object' ? [Principal.AWS, Principal.Service].flat() : [Principal];
    const actions = [Action].flat().map((action) => action?.toLowerCase());
    return (
      Effect === 'Allow' &&
      principals.some((who) => who === '*' || who === 'cloudwatch.amazonaws.com') &&
      actions.some((action) => action !== undefined && ['*', 'sns:*', 'sns:publish'].includes(action))
    );
  });
  if (allowing.length === 0) return 'no';
  // As Amazon SNS makes it for a topic: alarms of the account meet it.
  const own = JSON.stringify({ StringEquals: { 'AWS:SourceOwner': account } });
  const isSure = allowing.some(({ Condition }) => !Condition || JSON.stringify(Condition) === own);
  return isSure && statements.every(({ Effect }) => Effect === 'Allow') ? 'yes' : 'maybe';
}

/** Checks the network through which the rotation functions reach Vault. */
export async function checkNetwork(here: Region, network: PlannedNetwork | undefined): Promise<Outcome[]> {
  if (!network) return [];
  const { vpcId, subnetIds, securityGroupIds } = network;
  const { vpcs, subnets, securityGroups } = await here.network(network);
  if (!vpcs.includes(vpcId))
    return [
      fail(`there is no VPC ${vpcId} in ${here.name}`, `set vpcId to a VPC of ${here.name} in the config`),
    ];
  const faults = [
    ...subnetIds.map((id) => ['subnet', id, subnets.get(id)] as const),
    ...securityGroupIds.map((id) => ['security group', id, securityGroups.get(id)] as const),
  ].flatMap(([kind, id, liesIn]) => {
    if (liesIn === vpcId) return [];
    const detail =
      liesIn === undefined ? `there is no ${kind} ${id} in ${here.name}` : `${kind} ${id} is in ${liesIn}`;
    return [fail(detail, `name a ${kind} of ${vpcId} in the config`)];
  });
  return faults.length > 0 ? faults : [ok(`${vpcId} has ${[...subnetIds, ...securityGroupIds].join(', ')}`)];
}

/**
 * Checks the API Gateway role of the account and Region. A stage with an access log cannot deploy without it.
 */
export async function checkApiGatewayRole(
  here: Region,
  mode: DeployPlan['apiGatewayRole'],
): Promise<Outcome[]> {
  if (mode === undefined) return [];
  const arn = await here.apiGatewayRole();
  if (mode === 'existing')
    return arn === undefined
      ? [
          fail(
            'the config expects an existing role, but the account has none set',
            'set apiGatewayRole: "create" in the config',
          ),
        ]
      : [ok(arn)];
  if (arn === undefined) return [ok('no role is set; the stacks create one')];
  const owner = await here.owner(arn.split('/').at(-1)!);
  if (owner === accountStackName(here.name)) return [ok(`${arn}, of stack ${owner}`)];
  return [
    warn(
      `${arn} is set; the deployment would replace it with its own role, for every API of the account`,
      'set apiGatewayRole: "existing" in the config',
    ),
  ];
}
