/** The file that `countersign preflight` reads beside the templates lists the resources that they deploy. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { expect, it } from 'vitest';
import { projectLock } from '../../../cli/keys/lock.ts';
import { type DeployPlan, deployPlanFile } from '../../../lambda/contract/deploy-plan.ts';
import { checkLock, LOCK_CONTEXT, LOCK_FILE } from '../../../lib/config/lock.ts';
import { readConfig } from '../../../lib/config/read.ts';
import type { ConfigInput } from '../../../lib/config/schema.ts';
import { RegistrationPlatform } from '../../../lib/platform.ts';
import { CONFIG, PROD, synthesise } from '../synth.ts';

const VPC = { vpcId: 'vpc-0a1b2c3d', subnetIds: ['subnet-0a1b2c3d'], securityGroupIds: ['sg-0a1b2c3d'] };
const OTHER_VPC = { ...VPC, vpcId: 'vpc-1a1b2c3d' };
const KEY = 'arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const TOPIC = 'arn:aws:sns:eu-central-1:123456789012:alarms';
const WATCH_TOPIC = 'arn:aws:sns:us-east-1:123456789012:alarms';

/** @param deployed the stage's config before the change */
function planOf(config: ConfigInput, deployed?: ConfigInput): DeployPlan {
  const outdir = mkdtempSync(join(tmpdir(), 'countersign-plan-'));
  try {
    const app = new App({ outdir, context: { [LOCK_CONTEXT]: 'write' }, analyticsReporting: false });
    const lockFile = join(outdir, LOCK_FILE);
    const { managedBy, ...keys } = config.keys ?? {};
    checkLock(readConfig(deployed ?? { ...config, keys }), { file: lockFile, write: true });
    if (managedBy !== undefined) projectLock(outdir).write(config.stage.name, managedBy);
    new RegistrationPlatform(app, 'Countersign', { ...config, lockFile });
    return JSON.parse(readFileSync(join(outdir, deployPlanFile(config.stage.name)), 'utf8'));
  } finally {
    rmSync(outdir, { recursive: true });
  }
}

it('a stage of kind dev deploys to its Region only, and needs no role for access logs', () => {
  expect(planOf(CONFIG)).toEqual({
    stage: 'dev',
    kind: 'dev',
    homeRegion: 'eu-west-1',
    stackRegions: ['eu-west-1'],
    stacks: [
      { name: 'countersign-dev-home', region: 'eu-west-1', part: 'home' },
      { name: 'countersign-dev-region-eu-west-1', region: 'eu-west-1', part: 'region' },
    ],
    consistency: 'single',
    tableGeneration: 1,
    regions: [{ name: 'eu-west-1', ledgerGeneration: 1 }],
    concurrencyQuota: 1000,
    alarms: { 'eu-west-1': ['countersign-dev-strict-key-exposed'] },
  });
});

it('a stage of kind prod also deploys to us-east-1, even with one Region and no domain', () => {
  const { domain: _, witnessRegion: __, ...alone } = { ...PROD, regions: [{ name: 'eu-west-1' }] };
  expect(planOf(alone)).toMatchObject({ stackRegions: ['eu-west-1', 'us-east-1'], apiGatewayRole: 'create' });
});

it('the plan names the alarms of each Region by the names that the templates give them', () => {
  const { alarms } = planOf(PROD);
  expect(Object.keys(alarms).sort()).toEqual(['eu-central-1', 'eu-west-1', 'us-east-1']);
  expect(alarms['eu-west-1']).toContain('countersign-live-evacuated-eu-central-1');
  const { stacks } = synthesise(PROD);
  for (const [region, names] of Object.entries(alarms)) {
    const lies = (stack: string) =>
      stack.endsWith(region) || (stack.endsWith('-watch') && region === 'us-east-1');
    const found = Object.entries(stacks).flatMap(([name, stack]) =>
      lies(name) || (name.endsWith('-home') && region === 'eu-west-1')
        ? stack.ofType('AWS::CloudWatch::Alarm')
        : [],
    );
    expect(names.toSorted()).toEqual(found.map(({ Properties }) => Properties.AlarmName).sort());
  }
});

it('knows of a promotion, since when no stack has the secrets', () => {
  expect(planOf({ ...PROD, keys: { managedBy: 'eu-central-1' } })).toMatchObject({
    homeRegion: 'eu-west-1',
    keysManagedBy: 'eu-central-1',
  });
  expect(planOf(PROD)).not.toHaveProperty('keysManagedBy');
});

it('the plan lists every resource that the config names and the stacks do not create', () => {
  const plan = planOf({
    ...PROD,
    account: '123456789012',
    bootstrapQualifier: 'ours',
    homeRegion: 'eu-central-1',
    apiGatewayRole: 'existing',
    concurrencyQuota: 3000,
    watchAlarmTopicArn: WATCH_TOPIC,
    regions: [
      { name: 'eu-west-1', kmsKeyArn: KEY, ledgerGeneration: 2, vaultNetwork: OTHER_VPC },
      { name: 'eu-central-1', alarmTopicArn: TOPIC },
    ],
    tables: { generation: 2, other: { generation: 1 } },
    vault: { address: 'https://vault.example.com:8200', network: VPC },
  });
  const { alarms: _, ...rest } = plan;
  expect(rest).toEqual({
    stage: 'live',
    kind: 'prod',
    account: '123456789012',
    qualifier: 'ours',
    homeRegion: 'eu-central-1',
    stackRegions: ['eu-central-1', 'eu-west-1', 'us-east-1'],
    stacks: expect.any(Array),
    consistency: 'strong',
    tableGeneration: 2,
    otherTables: { generation: 1, regions: ['eu-west-1', 'eu-central-1'] },
    regions: [
      { name: 'eu-west-1', ledgerGeneration: 2, kmsKeyArn: KEY, network: OTHER_VPC },
      { name: 'eu-central-1', ledgerGeneration: 1, alarmTopicArn: TOPIC, network: VPC },
    ],
    domain: PROD.domain,
    concurrencyQuota: 3000,
    watchAlarmTopicArn: WATCH_TOPIC,
    apiGatewayRole: 'existing',
  });
});

const order = (config: ConfigInput): string[] =>
  planOf(config).stacks.map(({ name, part }) => `${part} ${name.replace(/^countersign-(live-)?/, '')}`);

it('a stack’s dependencies deploy before it, in any Region; the Region that clients prefer comes last', () => {
  expect(order(PROD)).toEqual([
    'account account-eu-central-1',
    'account account-eu-west-1',
    'base base-eu-central-1',
    'base base-eu-west-1',
    'home home',
    'region region-eu-central-1',
    'region region-eu-west-1',
    'watch watch',
  ]);
});

it('while a key changes, every Region deploys before home: roles may use both keys before tables and secrets switch', () => {
  const other = KEY.replace('1234abcd', '0987dcba');
  const regions = [{ name: 'eu-west-1', kmsKeyArn: KEY, previousKmsKeyArn: other }, { name: 'eu-central-1' }];
  const plan = planOf({ ...PROD, regions }, PROD);
  expect(plan.regions[0]).not.toHaveProperty('namesMadeKey');
  const parts = plan.stacks.map(({ part }) => part);
  expect([...new Set(parts)]).toEqual(['account', 'base', 'region', 'home', 'watch']);
});

it('while a stage is adopted again with the key that it made, it deploys in the usual order', () => {
  const regions = [{ name: 'eu-west-1', kmsKeyArn: KEY, previousKmsKeyArn: KEY }, { name: 'eu-central-1' }];
  const plan = planOf({ ...PROD, regions }, PROD);
  expect(plan.regions.map(({ namesMadeKey }) => namesMadeKey)).toEqual([true, undefined]);
  const parts = plan.stacks.map(({ part }) => part);
  expect([...new Set(parts)]).toEqual(['account', 'base', 'home', 'region', 'watch']);
});
