import { expect, it } from 'vitest';
import { ENVIRONMENT } from '../../../lambda/contract/environment.ts';
import type { TableFinding, WatchFinding } from '../../../lambda/contract/keys.ts';
import {
  EMPTY_KEYSET,
  keysWatchName,
  rotationFunctionName,
  secretName,
  tableName,
  WATCH_ALIAS,
} from '../../../lambda/contract/names.ts';
import { PURPOSES, type Purpose } from '../../../lambda/contract/purposes.ts';
import { appRoleSecretName, rotationRoleName } from '../../../lambda/contract/vault.ts';
import type { ConfigInput } from '../../../lib/config/schema.ts';
import { CONFIG, eventual, PROD, type Stack, synthesise } from '../synth.ts';
import {
  ACCOUNT,
  decrypt,
  functionArn,
  HERE,
  ITEM_ACTIONS,
  ITEMS,
  item,
  may,
  policiesOf,
  THERE,
  type Try,
} from './may.ts';

const prod = synthesise(PROD);
const { region } = prod;
const away = prod.part(`region-${THERE}`);
const rotator = (purpose: Purpose) => rotationFunctionName('live', purpose);
const WATCH = keysWatchName('live');

// biome-ignore lint/suspicious/noExplicitAny: a template is JSON of any form
function functionOf(stack: Stack, name: string): any {
  const found = stack.ofType('AWS::Lambda::Function').filter((each) => each.Properties.FunctionName === name);
  expect(found).toHaveLength(1);
  return found[0]!.Properties;
}

const vault = (settings: Partial<ConfigInput['vault']>): ConfigInput => ({
  ...PROD,
  vault: { ...PROD.vault, ...settings },
});

it('a secret is created with one fixed text: another text would overwrite live keys', () => {
  expect(EMPTY_KEYSET).toBe('{"keys":[]}');
  const secrets = prod.home.ofType('AWS::SecretsManager::Secret').map(({ Properties }) => Properties);
  expect(secrets.map(({ Name, SecretString }) => [Name, SecretString])).toEqual(
    PURPOSES.map((purpose) => [secretName('live', purpose), '{"keys":[]}']),
  );
});

it.each(PURPOSES)(
  '%s rotates on its schedule in the home Region only, and not when a schedule changes',
  (purpose) => {
    const schedules = region
      .ofType('AWS::SecretsManager::RotationSchedule')
      .map(({ Properties }) => Properties);
    const schedule = schedules.find(({ SecretId }) => SecretId === secretName('live', purpose))!;
    const days = { nonce: 30, 'client-root': 180, token: 30, webhook: 30, 'webhook-root': 180 }[purpose];
    expect(schedule.RotationRules).toEqual({ ScheduleExpression: `rate(${days * 24} hours)` });
    expect(schedule.RotateImmediatelyOnUpdate).toBe(false);
    const called = region.resources[schedule.RotationLambdaARN['Fn::GetAtt'][0]]!.Properties.FunctionName;
    expect(called).toBe(rotator(purpose));
    expect(schedules).toHaveLength(PURPOSES.length);
    expect(away.ofType('AWS::SecretsManager::RotationSchedule')).toEqual([]);
  },
);

it.each([region, away])(
  "Secrets Manager may call each rotation function, even before a schedule, for this account's secrets only",
  (stack) => {
    const permissions = Object.entries(stack.resources).filter(
      ([, { Type, Properties }]) =>
        Type === 'AWS::Lambda::Permission' && Properties.Principal === 'secretsmanager.amazonaws.com',
    );
    const of = (stack: Stack, { FunctionName }: { FunctionName: { 'Fn::GetAtt': [string] } }) =>
      stack.resources[FunctionName['Fn::GetAtt'][0]]!.Properties.FunctionName;
    expect(permissions.map(([, { Properties }]) => of(stack, Properties))).toEqual(PURPOSES.map(rotator));
    for (const [, { Properties }] of permissions) {
      expect(Properties.Action).toBe('lambda:InvokeFunction');
      expect(Properties.SourceAccount).toEqual({ Ref: 'AWS::AccountId' });
    }
    for (const schedule of stack.ofType('AWS::SecretsManager::RotationSchedule')) {
      const target = JSON.stringify(schedule.Properties.RotationLambdaARN);
      const [id] = permissions.find(
        ([, { Properties }]) => JSON.stringify(Properties.FunctionName) === target,
      )!;
      expect((schedule as unknown as { DependsOn: string[] }).DependsOn).toContain(id);
    }
  },
);

it.each(PURPOSES)(
  'the function of %s is in every Region, has its purpose, windows and Vault settings, and may run for a minute',
  (purpose) => {
    for (const [stack, name] of [
      [region, HERE],
      [away, THERE],
    ] as const) {
      const { Environment, Timeout, Role } = functionOf(stack, rotator(purpose));
      const { Variables } = Environment;
      expect(Object.keys(Variables).sort()).toEqual([...ENVIRONMENT.rotate].sort());
      expect(Variables).toMatchObject({
        COUNTERSIGN_STAGE: 'live',
        COUNTERSIGN_REGION: name,
        COUNTERSIGN_PURPOSE: purpose,
        COUNTERSIGN_LIMITS_TABLE: tableName('live', 'limits'),
      });
      expect(JSON.parse(Variables.COUNTERSIGN_REGION_NAMES)).toEqual([HERE, THERE]);
      expect(JSON.parse(Variables.COUNTERSIGN_KEY_LAGS)).toEqual({
        replicationMs: 3_600_000,
        verifierAgeMs: 86_400_000,
        signerAgeMs: 86_400_000,
        maxLifeMs: {
          nonce: 3_660_000,
          'client-root': 90 * 86_400_000,
          token: 3_600_000,
          webhook: 3 * 86_400_000 + 300_000,
          'webhook-root': 90 * 86_400_000,
        }[purpose],
        clockErrorMs: 2_000,
        rotationTimeMs: 3_600_000,
      });
      expect(JSON.parse(Variables.COUNTERSIGN_VAULT)).toEqual({
        address: 'https://vault.example.com:8200',
        auth: 'aws',
      });
      expect(Timeout).toBe(60);
      expect(stack.resources[Role['Fn::GetAtt'][0]]!.Properties.RoleName).toBe(
        rotationRoleName('live', purpose, name),
      );
    }
  },
);

it('the Vault settings reach the function unchanged', () => {
  const config = vault({ namespace: 'platform', caPem: '-----BEGIN CERTIFICATE-----\nx', auth: 'jwt' });
  const { Variables } = functionOf(synthesise(config).region, rotator('nonce')).Environment;
  expect(JSON.parse(Variables.COUNTERSIGN_VAULT)).toEqual({
    address: 'https://vault.example.com:8200',
    namespace: 'platform',
    caPem: '-----BEGIN CERTIFICATE-----\nx',
    auth: 'jwt',
  });
});

it('an STS endpoint of a Region reaches the function', () => {
  const config = vault({ stsRegion: 'eu-west-1' });
  const { Variables } = functionOf(synthesise(config).region, rotator('nonce')).Environment;
  expect(JSON.parse(Variables.COUNTERSIGN_VAULT)).toMatchObject({ auth: 'aws', stsRegion: 'eu-west-1' });
});

it('a Region with a VPC reaches Vault from it, and only the rotation functions are in the VPC', () => {
  const vpc = (n: number) => ({
    vpcId: `vpc-0a1b2c3${n}`,
    subnetIds: [`subnet-0a1b2c3${n}`],
    securityGroupIds: [`sg-0a1b2c3${n}`],
  });
  const [home, other] = PROD.regions;
  const config = { ...vault({ network: vpc(1) }), regions: [home!, { ...other!, vaultNetwork: vpc(2) }] };
  const stacks = synthesise(config);
  for (const [name, n] of [
    [HERE, 1],
    [THERE, 2],
  ] as const)
    for (const { Properties } of stacks.part(`region-${name}`).ofType('AWS::Lambda::Function'))
      expect([Properties.FunctionName, Properties.VpcConfig]).toEqual([
        Properties.FunctionName,
        PURPOSES.map(rotator).includes(Properties.FunctionName)
          ? { SubnetIds: [`subnet-0a1b2c3${n}`], SecurityGroupIds: [`sg-0a1b2c3${n}`] }
          : undefined,
      ]);
});

it('Lambda may connect a function to its VPC; the function itself has no network permissions', async () => {
  const network = {
    vpcId: 'vpc-0a1b2c3d',
    subnetIds: ['subnet-0a1b2c3d'],
    securityGroupIds: ['sg-0a1b2c3d'],
  };
  const config = eventual({ ...vault({ network }), regions: [PROD.regions[0]!] });
  const resource = `arn:aws:ec2:${HERE}:${ACCOUNT}:network-interface/*`;
  const self = { 'lambda:SourceFunctionArn': functionArn(rotator('nonce')) };
  const connect = { action: 'ec2:CreateNetworkInterface', resource };
  expect(await may(rotator('nonce'), connect, config)).toBe(true);
  expect(await may(rotator('nonce'), { ...connect, context: self }, config)).toBe(false);
  expect(await may(rotator('nonce'), connect)).toBe(false);
});

const secret = (purpose: Purpose, region = HERE, stage = 'live') =>
  `arn:aws:secretsmanager:${region}:${ACCOUNT}:secret:${secretName(stage, purpose)}-aB3dE6`;
const limits = (region: string) =>
  `arn:aws:dynamodb:${region}:${ACCOUNT}:table/${tableName('live', 'limits')}`;
const SECRET_ACTIONS = [
  'DescribeSecret',
  'GetSecretValue',
  'PutSecretValue',
  'UpdateSecretVersionStage',
  'UpdateSecret',
  'DeleteSecret',
  'RotateSecret',
  'PutResourcePolicy',
  'ReplicateSecretToRegions',
  'StopReplicationToReplica',
].map((action) => `secretsmanager:${action}`);

it.each(PURPOSES)(
  'rotate-%s writes its own keyset, reads its replicas, and has no access to another purpose’s',
  async (purpose) => {
    const name = rotator(purpose);
    for (const other of PURPOSES)
      for (const [at, allowed] of [
        [HERE, SECRET_ACTIONS.slice(0, 4)],
        [THERE, ['secretsmanager:GetSecretValue']],
        ['us-east-1', []],
      ] as const)
        for (const action of SECRET_ACTIONS) {
          const expected = other === purpose && (allowed as readonly string[]).includes(action);
          const asked = { action, resource: secret(other, at) };
          expect([asked, await may(name, asked)]).toEqual([asked, expected]);
        }
    for (const resource of [secret(purpose, HERE, 'test'), `${secret(purpose)}-other`])
      expect(await may(name, { action: 'secretsmanager:GetSecretValue', resource })).toBe(false);
  },
);

/** After `countersign keys promote --to eu-central-1`. */
const PROMOTED: ConfigInput = { ...PROD, keys: { managedBy: THERE } };
const promoted = synthesise(PROMOTED);

/** The longest names of AWS's Regions are among them. */
const TEN = ['ap-northeast-1', 'ap-northeast-2', 'ap-northeast-3', 'ap-southeast-1', 'ap-southeast-2'].concat(
  ['ap-southeast-3', 'ap-southeast-4', 'ap-southeast-5', 'eu-central-1', 'ca-central-1'],
);
const keyIn = (region: string, id: string) =>
  `arn:aws:kms:${region}:${ACCOUNT}:key/${id}234abcd-12ab-34cd-56ef-1234567890ab`;

it.each<[string, (region: string) => object]>([
  ['made', () => ({})],
  ['named', (name) => ({ kmsKeyArn: keyIn(name, '1') })],
  ['changed', (name) => ({ kmsKeyArn: keyIn(name, '1'), previousKmsKeyArn: keyIn(name, '2') })],
  ['given up', (name) => ({ previousKmsKeyArn: keyIn(name, '2') })],
])(
  'at ten Regions whose keys are %s, the policies of a rotation role stay within the limit of IAM',
  (_, key) => {
    const config = eventual({
      ...PROD,
      stage: { name: 'l'.repeat(16), kind: 'prod' },
      regions: TEN.map((name) => ({ name, ...key(name) })),
    });
    for (const purpose of PURPOSES) {
      const policies = policiesOf(rotationFunctionName(config.stage.name, purpose), config, TEN[0]!);
      const size = policies.map(({ policy }: { policy: unknown }) => JSON.stringify(policy).length);
      // Of all inline policies of a role together, white space not counted.
      expect(size.reduce((sum: number, each: number) => sum + each, 0)).toBeLessThanOrEqual(10_240);
    }
  },
);

it('a promotion changes no role and no policy: IAM’s control plane is in one Region, which may be the lost one', () => {
  const ofIam = ({ stacks }: { stacks: Record<string, Stack> }) =>
    Object.entries(stacks).map(([name, { resources }]) => [
      name,
      Object.entries(resources).filter(([, { Type }]) => Type.startsWith('AWS::IAM::')),
    ]);
  expect(JSON.stringify(ofIam(promoted))).toContain('AWS::IAM::Role');
  expect(ofIam(promoted)).toEqual(ofIam(synthesise(PROD)));
});

it.each(PURPOSES)(
  'rotate-%s may write its own Region’s keyset, in every Region, and no other',
  async (purpose) => {
    const writes = ['secretsmanager:PutSecretValue', 'secretsmanager:UpdateSecretVersionStage'];
    for (const at of [HERE, THERE])
      for (const action of writes)
        for (const where of [HERE, THERE]) {
          const asked = { action, resource: secret(purpose, where) };
          expect([at, asked, await may(rotator(purpose), asked, PROD, at)]).toEqual([
            at,
            asked,
            at === where,
          ]);
        }
    for (const action of ['Decrypt', 'GenerateDataKey', 'Encrypt'])
      for (const used of [{}, { region: THERE }]) {
        const asked = { ...decrypt('secretsmanager', used), action: `kms:${action}` };
        expect(await may(rotator(purpose), asked, PROMOTED)).toBe(action !== 'Encrypt' || 'region' in used);
      }
  },
);

it('once promoted, schedules are on in the new key home alone, and its functions and keys-watch know it', () => {
  const [here, there] = [promoted.region, promoted.part(`region-${THERE}`)];
  expect(here.ofType('AWS::SecretsManager::RotationSchedule')).toEqual([]);
  expect(
    there.ofType('AWS::SecretsManager::RotationSchedule').map(({ Properties }) => Properties.SecretId),
  ).toEqual(PURPOSES.map((purpose) => secretName('live', purpose)));
  for (const stack of [here, there])
    for (const name of [WATCH, ...PURPOSES.map(rotator)])
      expect(functionOf(stack, name).Environment.Variables.COUNTERSIGN_KEYS_MANAGED_BY).toBe(THERE);
});

it('once promoted, no stack has the secrets, even if the home Region makes keys again; what a stack had stays', () => {
  for (const managedBy of [THERE, HERE]) {
    const { stacks } = synthesise({ ...PROD, keys: { managedBy } });
    for (const stack of Object.values(stacks))
      expect(stack.ofType('AWS::SecretsManager::Secret')).toEqual([]);
  }
  // CloudFormation goes by the policy of the template that was deployed before.
  for (const each of prod.home.ofType('AWS::SecretsManager::Secret'))
    expect([each.DeletionPolicy, each.UpdateReplacePolicy]).toEqual(['Retain', 'Retain']);
  const tables = (stack: Stack) => stack.ofType('AWS::DynamoDB::GlobalTable');
  expect(tables(promoted.home)).toEqual(tables(prod.home));
});

it.each(PURPOSES)(
  'rotate-%s writes its own revoked kids in every Region, and nothing else in any table',
  async (purpose) => {
    for (const at of [HERE, THERE])
      for (const action of ITEM_ACTIONS) {
        for (const key of ITEMS) {
          const asked = item(action, [key], at);
          const own = key === `revoked#${purpose}` && ['GetItem', 'UpdateItem'].includes(action);
          expect([asked, await may(rotator(purpose), asked)]).toEqual([asked, own]);
        }
        for (const keys of [[], [`revoked#${purpose}`, 'quota#acme#1']])
          expect(await may(rotator(purpose), item(action, keys, at))).toBe(false);
      }
    for (const kind of ['registry', 'clients', 'ledger'] as const) {
      const resource = limits(HERE).replace(tableName('live', 'limits'), tableName('live', kind));
      expect(await may(rotator(purpose), { action: 'dynamodb:UpdateItem', resource })).toBe(false);
    }
  },
);

it.each(PURPOSES)(
  "rotate-%s uses the Regions' keys through Secrets Manager only, other Regions' keys for replication",
  async (purpose) => {
    const name = rotator(purpose);
    const through = (
      action: string,
      used: Parameters<typeof decrypt>[1] = {},
      service = 'secretsmanager',
    ) => ({
      ...decrypt(service, used),
      action: `kms:${action}`,
    });
    const theirs = { region: THERE };
    for (const [asked, expected] of [
      [through('Decrypt'), true],
      [through('GenerateDataKey'), true],
      [through('Encrypt'), false],
      // Replication: the Secrets Manager of either Region may be the caller.
      ...['Decrypt', 'GenerateDataKey', 'Encrypt'].flatMap((action) => [
        [through(action, theirs), true] as const,
        [through(action, { ...theirs, via: HERE }), true] as const,
        [through(action, { ...theirs, via: 'us-east-1' }), false] as const,
        [through(action, theirs, 'dynamodb'), false] as const,
        [through(action, { ...theirs, alias: 'alias/countersign-test' }), false] as const,
        [through(action, { via: THERE }), false] as const,
      ]),
      [through('Decrypt', {}, 'dynamodb'), false],
      [through('Decrypt', { alias: 'alias/countersign-test' }), false],
      ...['ScheduleKeyDeletion', 'CreateGrant', 'ReEncryptFrom', 'DisableKey'].flatMap((action) => [
        [through(action), false] as const,
        [through(action, theirs), false] as const,
      ]),
    ] as const)
      expect([asked, await may(name, asked)]).toEqual([asked, expected]);
  },
);

it('a function has what its login method needs: IAM nothing, its own AppRole, or a token for this Vault only', async () => {
  const approle = (purpose: Purpose): Try => ({
    action: 'secretsmanager:GetSecretValue',
    resource: `arn:aws:secretsmanager:${HERE}:${ACCOUNT}:secret:${appRoleSecretName('live', purpose)}-aB3dE6`,
  });
  const token = (context: Try['context'] = {}): Try => ({
    action: 'sts:GetWebIdentityToken',
    resource: '*',
    context,
  });
  const forThis = token({ 'sts:IdentityTokenAudience': ['vault.example.com'] });
  const ask = async (auth: 'aws' | 'approle' | 'jwt') => {
    const config = vault({ auth });
    const tries = [
      approle('nonce'),
      approle('token'),
      forThis,
      token(),
      token({ 'sts:IdentityTokenAudience': ['other.example.com'] }),
    ];
    return Promise.all(tries.map((each) => may(rotator('nonce'), each, config)));
  };
  expect(await ask('aws')).toEqual([false, false, false, false, false]);
  expect(await ask('approle')).toEqual([true, false, false, false, false]);
  expect(await ask('jwt')).toEqual([false, false, true, false, false]);
});

it('keys-watch runs hourly in every Region, calls the rotation functions by an alias, and has no right on keys', async () => {
  const hourly = [{ Name: WATCH, ScheduleExpression: 'rate(1 hour)', State: 'ENABLED' }];
  for (const stack of [region, away]) {
    const rules = stack.ofType('AWS::Events::Rule').map(({ Properties }) => Properties);
    expect(rules.filter(({ Name }) => Name === WATCH)).toMatchObject(hourly);
    expect(functionOf(stack, WATCH).Environment.Variables.COUNTERSIGN_KEYS_MANAGED_BY).toBe(HERE);
    const aliases = stack.ofType('AWS::Lambda::Alias').map(({ Properties }) => Properties);
    expect(aliases.map(({ Name, FunctionVersion }) => [Name, FunctionVersion])).toEqual(
      PURPOSES.map(() => [WATCH_ALIAS, '$LATEST']),
    );
  }
  const { Environment } = functionOf(region, WATCH);
  expect(Object.keys(Environment.Variables).sort()).toEqual([...ENVIRONMENT['keys-watch']].sort());
  expect(JSON.parse(Environment.Variables.COUNTERSIGN_ROTATION_PERIODS)).toEqual({
    nonce: 30 * 86_400_000,
    'client-root': 180 * 86_400_000,
    token: 30 * 86_400_000,
    webhook: 30 * 86_400_000,
    'webhook-root': 180 * 86_400_000,
  });
  const call = (resource: string) => may(WATCH, { action: 'lambda:InvokeFunction', resource });
  for (const purpose of PURPOSES) {
    expect(await call(`${functionArn(rotator(purpose))}:${WATCH_ALIAS}`)).toBe(true);
    // Without the alias it could revoke.
    for (const other of ['', ':$LATEST', ':1', ':watcher'])
      expect([other, await call(`${functionArn(rotator(purpose))}${other}`)]).toEqual([other, false]);
    expect(await call(`${functionArn(rotator(purpose), THERE)}:${WATCH_ALIAS}`)).toBe(false);
    for (const action of SECRET_ACTIONS)
      expect(await may(WATCH, { action, resource: secret(purpose) })).toBe(false);
  }
  expect(await call(functionArn('countersign-live-admin-write'))).toBe(false);
});

it('every finding of keys-watch and every failed step is counted for an alarm', () => {
  const filters = region
    .ofType('AWS::Logs::MetricFilter')
    .map(({ Properties }) => Properties)
    .filter(({ LogGroupName }) => /Rotation/.test(LogGroupName.Ref));
  const patterns = (metric: string) =>
    filters
      .filter(({ MetricTransformations }) => MetricTransformations[0].MetricName === metric)
      .map(({ FilterPattern }) => FilterPattern);
  expect(patterns('RotationFailed')).toEqual(PURPOSES.map(() => '{ $.level = "ERROR" }'));
  const findings: Record<WatchFinding | TableFinding, string> = {
    rotation_overdue: 'RotationOverdue',
    leftover_pending_removed: 'RotationOverdue',
    replica_lacks_next_key: 'ReplicaBehind',
    replica_unreadable: 'ReplicaBehind',
    no_keys: 'NoKeys',
    rolled_back: 'NoKeys',
    revoked_key_accepted: 'RevokedKeyAccepted',
    replica_cut_off: 'ReplicaCutOff',
    replica_inaccessible: 'ReplicaCutOff',
  };
  for (const [reason, metric] of Object.entries(findings))
    expect(patterns(metric)).toEqual([expect.stringContaining(`$.reason = "${reason}"`)]);
  const metrics = new Set(filters.map(({ MetricTransformations }) => MetricTransformations[0].MetricName));
  const watched = region
    .ofType('AWS::CloudWatch::Alarm')
    .flatMap(({ Properties: { MetricName, Metrics = [] } }) => [
      MetricName,
      ...Metrics.map(
        ({ MetricStat }: Record<string, { Metric: { MetricName: string } }>) => MetricStat?.Metric.MetricName,
      ),
    ]);
  for (const metric of metrics) expect(watched).toContain(metric);
});

it('one Region alone has customer keys, and an alarm where they become unusable', () => {
  const { witnessRegion: _, regions, ...one } = PROD;
  const alarms = (config: ConfigInput) =>
    synthesise(config)
      .region.ofType('AWS::CloudWatch::Alarm')
      .filter(({ Properties }) => Properties.MetricName === 'ReplicaCutOff');
  expect(alarms({ ...one, regions: regions.slice(0, 1) })).toHaveLength(1);
  // One of kind dev has none.
  expect(alarms(CONFIG)).toEqual([]);
});

it('a rotation that runs out of time or memory writes no line itself, and is also counted as failed', () => {
  const { Metrics, Threshold, TreatMissingData } = region
    .ofType('AWS::CloudWatch::Alarm')
    .map(({ Properties }) => Properties)
    .find(({ AlarmName }) => AlarmName === 'countersign-live-rotation-failed')!;
  const ended = Metrics.filter(
    ({ MetricStat }: Record<string, { Metric: { Namespace: string } }>) =>
      MetricStat?.Metric.Namespace === 'AWS/Lambda',
  );
  expect(ended.map(({ MetricStat }: Record<string, { Metric: unknown }>) => MetricStat!.Metric)).toEqual(
    PURPOSES.map((purpose) => ({
      Namespace: 'AWS/Lambda',
      MetricName: 'Errors',
      Dimensions: [{ Name: 'FunctionName', Value: rotator(purpose) }],
    })),
  );
  const { Expression } = Metrics.find(({ Expression }: Record<string, string>) => Expression);
  for (const { Id } of ended) expect(Expression).toContain(`FILL(${Id}, 0)`);
  expect([Threshold, TreatMissingData]).toEqual([1, 'notBreaching']);
});

it.each([region, away])(
  'an alarm fires in each Region if keys-watch does not run: silence does not mean health',
  (stack) => {
    const silent = stack
      .ofType('AWS::CloudWatch::Alarm')
      .map(({ Properties }) => Properties)
      .find(({ AlarmName }) => AlarmName === 'countersign-live-keys-watch-silent')!;
    expect(silent).toMatchObject({
      MetricName: 'Invocations',
      ComparisonOperator: 'LessThanOrEqualToThreshold',
      Threshold: 0,
      TreatMissingData: 'breaching',
    });
    expect(silent.Dimensions).toEqual([{ Name: 'FunctionName', Value: WATCH }]);
  },
);

it('a stage of kind dev rotates, too, and has no alarm that costs money', () => {
  const dev = synthesise(CONFIG).region;
  expect(dev.ofType('AWS::SecretsManager::RotationSchedule')).toHaveLength(PURPOSES.length);
  // That of keys-watch, that of the outbox, and delivery's.
  expect(dev.ofType('AWS::Events::Rule')).toHaveLength(3);
  expect(dev.ofType('AWS::CloudWatch::Alarm')).toHaveLength(1);
});
