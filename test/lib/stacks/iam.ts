import { runSimulation } from '@cloud-copilot/iam-simulate';
import { expect, it } from 'vitest';
import {
  FUNCTIONS,
  type FunctionName,
  functionName,
  secretName,
  TABLES,
  type TableKind,
  tableName,
} from '../../../lambda/contract/names.ts';
import { PURPOSES, type Purpose } from '../../../lambda/contract/purposes.ts';
import { PERMISSIONS } from '../../../lib/api/permissions.ts';
import type { ConfigInput } from '../../../lib/config/schema.ts';
import { PROD, synthesise } from '../synth.ts';

const ACCOUNT = '123456789012';
const HERE = 'eu-west-1';
const THERE = 'eu-central-1';
const KEY = `arn:aws:kms:${HERE}:${ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;
const imported: ConfigInput = { ...PROD, regions: [{ name: HERE, kmsKeyArn: KEY }, { name: THERE }] };

/** A template's value as it is once deployed. */
function deployed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(deployed);
  if (typeof value !== 'object' || value === null) return value;
  const { 'Fn::Join': join, Ref: ref, 'Fn::GetAtt': attribute } = value as Record<string, never>;
  if (join) return (deployed(join[1]) as string[]).join(join[0]);
  if (attribute) return `arn:aws:logs:${HERE}:${ACCOUNT}:log-group:${attribute[0]}:*`;
  if (ref)
    return { 'AWS::Partition': 'aws', 'AWS::AccountId': ACCOUNT, 'AWS::URLSuffix': 'amazonaws.com' }[ref];
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, deployed(each)]));
}

function policiesOf(name: FunctionName, config: ConfigInput) {
  const { region } = synthesise(config);
  const { Properties } = region
    .ofType('AWS::Lambda::Function')
    .find((each) => each.Properties.FunctionName === functionName('live', name))!;
  const role = region.resources[Properties.Role['Fn::GetAtt'][0]]!.Properties;
  return role.Policies.map((each: { PolicyName: string; PolicyDocument: unknown }) => ({
    name: each.PolicyName,
    policy: deployed(each.PolicyDocument),
  }));
}

/** A key asks its own policy first. Ours leaves the rest to IAM; an imported one has to as well. */
const KEY_POLICY = deployed(
  Object.values(synthesise(PROD).part(`base-${HERE}`).resources).find(({ Type }) => Type === 'AWS::KMS::Key')!
    .Properties.KeyPolicy,
);

interface Try {
  readonly action: string;
  readonly resource: string;
  readonly context?: Record<string, string | string[]>;
}

async function may(
  name: FunctionName,
  { action, resource, context = {} }: Try,
  config = PROD,
): Promise<boolean> {
  const simulated = await runSimulation(
    {
      request: {
        principal: `arn:aws:iam::${ACCOUNT}:role/function`,
        action,
        resource: { resource, accountId: ACCOUNT },
        contextVariables: context,
      },
      identityPolicies: policiesOf(name, config),
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

const table = (kind: TableKind, region = HERE, generation = 1) =>
  `arn:aws:dynamodb:${region}:${ACCOUNT}:table/${tableName('live', kind, generation)}`;
const secret = (purpose: Purpose, region = HERE, stage = 'live') =>
  `arn:aws:secretsmanager:${region}:${ACCOUNT}:secret:${secretName(stage, purpose)}-aB3dE6`;
interface Used {
  readonly region?: string;
  readonly alias?: string;
  readonly key?: string;
}
const decrypt = (
  service: string,
  { region = HERE, alias = 'alias/countersign-live', key }: Used = {},
): Try => ({
  action: 'kms:Decrypt',
  resource: key ?? `arn:aws:kms:${region}:${ACCOUNT}:key/any`,
  context: { 'kms:ViaService': `${service}.${region}.amazonaws.com`, 'kms:ResourceAliases': [alias] },
});

/** What each needs, written down apart from the table that the roles are made of. */
const NEEDS: Record<FunctionName, Try[]> = {
  nonce: [read('nonce')],
  register: withProof(),
  registration: withProof(),
  discovery: [],
  jwks: [{ action: 'dynamodb:GetItem', resource: table('limits') }, read('token')],
  health: [
    { action: 'dynamodb:GetItem', resource: table('limits') },
    { action: 'dynamodb:PutItem', resource: table('ledger') },
    { action: 'dynamodb:PutItem', resource: table('registry') },
    read('nonce'),
    read('client-root'),
  ],
  'admin-read': [
    { action: 'dynamodb:Query', resource: table('clients') },
    { action: 'dynamodb:Scan', resource: table('clients') },
    { action: 'dynamodb:GetItem', resource: table('registry') },
  ],
  'admin-write': [
    { action: 'dynamodb:PutItem', resource: table('clients') },
    { action: 'dynamodb:DeleteItem', resource: table('clients') },
    { action: 'dynamodb:Query', resource: table('clients') },
    { action: 'dynamodb:UpdateItem', resource: table('clients') },
    { action: 'dynamodb:PutItem', resource: table('ledger') },
    { action: 'dynamodb:GetItem', resource: table('limits') },
    { action: 'dynamodb:DeleteItem', resource: table('registry') },
    { action: 'dynamodb:GetItem', resource: table('registry') },
    { action: 'dynamodb:PutItem', resource: table('registry') },
    read('client-root'),
  ],
};

function read(purpose: Purpose): Try {
  return { action: 'secretsmanager:GetSecretValue', resource: secret(purpose) };
}

function withProof(): Try[] {
  return [
    { action: 'dynamodb:PutItem', resource: table('ledger') },
    { action: 'dynamodb:GetItem', resource: table('limits') },
    { action: 'dynamodb:UpdateItem', resource: table('limits') },
    { action: 'dynamodb:GetItem', resource: table('registry') },
    { action: 'dynamodb:PutItem', resource: table('registry') },
    { action: 'dynamodb:Query', resource: table('clients') },
    read('nonce'),
    read('client-root'),
  ];
}

it.each(FUNCTIONS)('%s may do all that it needs', async (name) => {
  for (const each of NEEDS[name]) expect([each, await may(name, each)]).toEqual([each, true]);
});

it.each(FUNCTIONS)(
  "%s reads with its Region's key where it reads secrets or what all Regions share",
  async (name) => {
    const secrets = NEEDS[name].some(({ action }) => action.startsWith('secretsmanager:'));
    const shared = NEEDS[name].some(({ resource }) => /registry|clients/.test(resource));
    for (const [config, key] of [
      [PROD, undefined],
      [imported, KEY],
    ] as const) {
      const options = key ? { key, alias: 'alias/theirs' } : {};
      expect(await may(name, decrypt('secretsmanager', options), config)).toBe(secrets);
      expect(await may(name, decrypt('dynamodb', options), config)).toBe(shared);
    }
  },
);

it.each(FUNCTIONS)('%s uses that key through those services alone, and no other key', async (name) => {
  const never: [Try, ConfigInput][] = [
    [decrypt('s3'), PROD],
    [decrypt('secretsmanager', { alias: 'alias/countersign-test' }), PROD],
    [decrypt('secretsmanager', { region: THERE }), PROD],
    [decrypt('dynamodb', { region: THERE }), PROD],
    [decrypt('secretsmanager'), imported],
    ...['Encrypt', 'GenerateDataKey', 'CreateGrant', 'ScheduleKeyDeletion', 'DisableKey'].map(
      (action): [Try, ConfigInput] => [{ ...decrypt('secretsmanager'), action: `kms:${action}` }, PROD],
    ),
  ];
  for (const [each, config] of never) expect([each, await may(name, each, config)]).toEqual([each, false]);
});

it.each(FUNCTIONS)(
  "%s does nothing else to a table, and nothing to another Region's, stage's or generation's",
  async (name) => {
    const actions = [
      'GetItem',
      'PutItem',
      'UpdateItem',
      'DeleteItem',
      'Query',
      'Scan',
      'BatchGetItem',
      'BatchWriteItem',
      'PartiQLUpdate',
      'DeleteTable',
      'UpdateTable',
      'UpdateTimeToLive',
      'RestoreTableToPointInTime',
      'ExportTableToPointInTime',
    ].map((action) => `dynamodb:${action}`);
    const kinds = Object.keys(TABLES) as TableKind[];
    const needed = new Set(NEEDS[name].map(({ action, resource }) => `${action} ${resource}`));
    for (const kind of kinds)
      for (const action of actions) {
        const resource = table(kind);
        expect([action, resource, await may(name, { action, resource })]).toEqual([
          action,
          resource,
          needed.has(`${action} ${resource}`),
        ]);
      }
    for (const kind of kinds)
      for (const action of ['dynamodb:PutItem', 'dynamodb:GetItem', 'dynamodb:Query'])
        for (const resource of [
          table(kind, THERE),
          table(kind, HERE, 2),
          table(kind).replace('-live-', '-test-'),
        ])
          expect([resource, await may(name, { action, resource })]).toEqual([resource, false]);
  },
);

it.each(FUNCTIONS)('%s reads the keys of its own purposes, and writes none', async (name) => {
  const own = PERMISSIONS[name].secrets ?? [];
  for (const purpose of PURPOSES) {
    const action = 'secretsmanager:GetSecretValue';
    expect([purpose, await may(name, { action, resource: secret(purpose) })]).toEqual([
      purpose,
      own.includes(purpose),
    ]);
    for (const resource of [
      secret(purpose, THERE),
      secret(purpose, HERE, 'test'),
      `${secret(purpose)}-other`,
    ])
      expect([resource, await may(name, { action, resource })]).toEqual([resource, false]);
    for (const verb of [
      'PutSecretValue',
      'UpdateSecret',
      'DeleteSecret',
      'RotateSecret',
      'PutResourcePolicy',
    ]) {
      const resource = secret(purpose);
      expect([verb, await may(name, { action: `secretsmanager:${verb}`, resource })]).toEqual([verb, false]);
    }
  }
});

it.each(FUNCTIONS)(
  '%s neither calls functions, nor takes roles, nor puts a Region in or out',
  async (name) => {
    const never: Try[] = [
      {
        action: 'lambda:InvokeFunction',
        resource: `arn:aws:lambda:${HERE}:${ACCOUNT}:function:countersign-live-admin-write`,
      },
      { action: 'sts:AssumeRole', resource: `arn:aws:iam::${ACCOUNT}:role/any` },
      { action: 'iam:PassRole', resource: `arn:aws:iam::${ACCOUNT}:role/any` },
      { action: 'cloudwatch:PutMetricData', resource: '*' },
      { action: 'cloudwatch:SetAlarmState', resource: `arn:aws:cloudwatch:${HERE}:${ACCOUNT}:alarm:any` },
      { action: 'logs:DeleteLogGroup', resource: `arn:aws:logs:${HERE}:${ACCOUNT}:log-group:any` },
    ];
    for (const each of never) expect([each, await may(name, each)]).toEqual([each, false]);
  },
);
