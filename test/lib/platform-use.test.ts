/** How a platform team uses the construct: grants, metrics, alarm actions, tags. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Stack, Stage, Tags } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { Dashboard, GraphWidget } from 'aws-cdk-lib/aws-cloudwatch';
import { OpsItemSeverity, SsmAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { AccountRootPrincipal, Role } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { afterAll, expect, it } from 'vitest';
import { FUNCTIONS } from '../../lambda/contract/names.ts';
import { PURPOSES } from '../../lambda/contract/purposes.ts';
import type { ConfigInput } from '../../lib/config/input.ts';
import { LOCK_CONTEXT } from '../../lib/config/lock.ts';
import { RegistrationPlatform } from '../../lib/platform.ts';
import { CONFIG, PROD, synthesise } from './synth.ts';

const directory = mkdtempSync(join(tmpdir(), 'countersign-use-'));
afterAll(() => rmSync(directory, { recursive: true }));
let apps = 0;

function newApp(): App {
  const outdir = join(directory, String(apps++));
  const context = { [LOCK_CONTEXT]: 'write' };
  return new App({ outdir, context, analyticsReporting: false, builtinCloudFormationValidation: false });
}

function platformOf(config: ConfigInput, app = newApp()) {
  const lockFile = join(directory, `${apps}.json`);
  return { app, platform: new RegistrationPlatform(app, 'Countersign', { ...config, lockFile }) };
}

const teamStack = (app: App, region = 'eu-west-1') => new Stack(app, `team-${region}`, { env: { region } });

/** @returns whether no stack of the app exports a value, and so none imports one */
const independent = (app: App): boolean =>
  app.synth().stacks.every(({ template }) => !/Fn::ImportValue|"Export"/.test(JSON.stringify(template)));

it('its stacks are the same wherever the construct is in the app', () => {
  const { app } = platformOf(CONFIG);
  const nested = newApp();
  new RegistrationPlatform(new Construct(nested, 'Platforms'), 'Any', CONFIG);
  const templates = (from: App) =>
    from
      .synth()
      .stacks.map(({ stackName, hierarchicalId, template }) => [stackName, hierarchicalId, template]);
  expect(templates(nested)).toEqual(templates(app));
});

it('under a Stage it is refused, because its stacks have fixed names', () => {
  expect(() => new RegistrationPlatform(new Stage(newApp(), 'Beta'), 'Countersign', CONFIG)).toThrow(
    'must lie in the App itself, because its stacks have fixed names; got Beta/Countersign',
  );
});

it('a team that manages clients or keys gets the right to invoke in every Region, without imports between stacks', () => {
  const { app, platform } = platformOf(PROD);
  const team = teamStack(app, 'us-west-2');
  const roles = ['Clients', 'Keys'].map(
    (id) => new Role(team, id, { assumedBy: new AccountRootPrincipal() }),
  ) as [Role, Role];
  platform.grantInvokeAdmin(roles[0]).assertSuccess();
  platform.grantInvokeRotation(roles[1]).assertSuccess();

  const granted = (role: Role) => {
    const policies = Object.values(Template.fromStack(team).findResources('AWS::IAM::Policy'));
    const { Properties } = policies.find(
      (policy) => policy.Properties.Roles[0].Ref === team.resolve(role.roleName).Ref,
    )!;
    const [{ Action, Effect, Resource }, ...more] = Properties.PolicyDocument.Statement;
    expect([Action, Effect, more]).toEqual(['lambda:InvokeFunction', 'Allow', []]);
    return Resource.map((arn: { 'Fn::Join': [string, unknown[]] }) => arn['Fn::Join'][1]);
  };
  const inRegions = (names: string[]) =>
    ['eu-west-1', 'eu-central-1'].flatMap((region) =>
      names.map((name) => [
        'arn:',
        { Ref: 'AWS::Partition' },
        `:lambda:${region}:`,
        { Ref: 'AWS::AccountId' },
        `:function:countersign-live-${name}`,
      ]),
    );
  expect(granted(roles[0])).toEqual(inRegions(['admin-read', 'admin-write']));
  expect(granted(roles[1])).toEqual(
    inRegions([...PURPOSES.map((purpose) => `rotate-${purpose}`), 'admin-read']),
  );
  expect(independent(app)).toBe(true);
});

it("metrics of every Region can be drawn in any stack, by the platform's fixed names", () => {
  const { app, platform } = platformOf(PROD);
  const team = teamStack(app, 'us-west-2');
  const [first, second] = platform.regions;
  const metrics = [
    first!.metricRegistrations(),
    second!.metricRequests({ label: 'requests' }),
    first!.metricClientErrors(),
    first!.metricServerErrors(),
    first!.metricLatency(),
    first!.metricLatency({ statistic: 'p50' }),
    first!.metricBlockedRequests(),
    first!.metricExposedKeys(),
  ];
  expect(
    metrics.map(({ namespace, metricName, dimensions, region, statistic, label }) => ({
      ...{ namespace, metricName, dimensions, region, statistic },
      ...(label !== undefined && { label }),
    })),
  ).toEqual([
    metric('AWS/Lambda', 'Invocations', { FunctionName: 'countersign-live-register' }, 'Sum'),
    { ...metric('AWS/ApiGateway', 'Count', API, 'Sum', 'eu-central-1'), label: 'requests' },
    metric('AWS/ApiGateway', '4XXError', API, 'Sum'),
    metric('AWS/ApiGateway', '5XXError', API, 'Sum'),
    metric('AWS/ApiGateway', 'Latency', API, 'p99'),
    metric('AWS/ApiGateway', 'Latency', API, 'p50'),
    metric(
      'AWS/WAFV2',
      'BlockedRequests',
      { WebACL: 'countersign-live', Region: 'eu-west-1', Rule: 'ALL' },
      'Sum',
    ),
    metric('Countersign/live', 'StrictKeyExposed', undefined, 'Sum'),
  ]);
  new Dashboard(team, 'Overview', { widgets: [[new GraphWidget({ left: metrics })]] });
  expect(independent(app)).toBe(true);
});

const API = { ApiName: 'countersign-live', Stage: 'live' };
const metric = (
  namespace: string,
  metricName: string,
  dimensions: Record<string, string> | undefined,
  statistic: string,
  region = 'eu-west-1',
) => ({ namespace, metricName, dimensions, region, statistic });

it("a team's own action is on every alarm of its Region, besides the topic, and on no other Region's", () => {
  const { app, platform } = platformOf(PROD);
  const [first, second] = platform.regions;
  first!.addAlarmAction(new SsmAction(OpsItemSeverity.HIGH));
  const actionsOf = (stack: Stack): string[][] =>
    Object.values(Template.fromStack(stack).findResources('AWS::CloudWatch::Alarm')).map(({ Properties }) =>
      Properties.AlarmActions.map((action: unknown) => JSON.stringify(action)),
    );
  const alarms = actionsOf(first!);
  expect(alarms).toHaveLength(first!.alarms.length);
  expect(alarms.length).toBeGreaterThan(10);
  for (const actions of alarms) {
    expect(actions.filter((action) => action.includes(':opsitem:2'))).toHaveLength(1);
    expect(actions.filter((action) => action.includes('countersign-live-alarms'))).toHaveLength(1);
  }
  for (const actions of actionsOf(second!)) expect(actions).toHaveLength(1);
  expect(platform.alarms.length).toBe(
    [first!, second!, platform.watch!].reduce((sum, { alarms }) => sum + alarms.length, 0),
  );
  expect(independent(app)).toBe(true);
});

it('its resources can be read: functions, tables, secrets, keys, topics', () => {
  const { platform } = platformOf(PROD);
  const { bases, home, regions, watch, stacks } = platform;
  const [region] = regions;
  expect(Object.keys(region!.functions)).toEqual([...FUNCTIONS]);
  expect(Object.keys(region!.rotationFunctions)).toEqual(PURPOSES);
  expect(region!.baseUrl).toBe('https://eu-west-1.api.example.com');
  const names = (stack: Stack, type: string, property: string) =>
    Object.values(Template.fromStack(stack).findResources(type)).map(
      ({ Properties }) => Properties[property],
    );
  const physicalName = (table: { tableName: string }, stack: Stack) => {
    const { Ref } = stack.resolve(table.tableName);
    return (Template.fromStack(stack).toJSON().Resources[Ref].Properties as { TableName: string }).TableName;
  };
  expect([home.registry, home.clients].map((table) => physicalName(table, home))).toEqual([
    'countersign-live-registry-1',
    'countersign-live-clients-1',
  ]);
  const own = [region!.ledger, region!.limits, region!.events];
  expect(own.map((table) => physicalName(table, region!))).toEqual([
    'countersign-live-ledger-1',
    'countersign-live-limits-1',
    'countersign-live-events-1',
  ]);
  expect(names(region!, 'AWS::Lambda::Function', 'FunctionName').sort()).toEqual(
    [
      ...FUNCTIONS.map((name) => `countersign-live-${name}`),
      ...PURPOSES.map((purpose) => `countersign-live-rotate-${purpose}`),
      'countersign-live-keys-watch',
      'countersign-live-evacuation',
      'countersign-live-deliver',
      'countersign-live-outbox',
      'countersign-live-find-stream',
    ].sort(),
  );
  expect(bases.map(({ key, alarmTopic }) => [key, alarmTopic].every(Boolean))).toEqual([true, true]);
  expect(region!.alarmTopic!.topicArn).toMatch(/:countersign-live-alarms$/);
  expect(watch!.resolve(watch!.alarmTopic!.topicArn)).toEqual({ Ref: expect.stringMatching(/^Alarms/) });
  expect(stacks).toEqual([home, ...bases, ...regions, watch]);
  Template.fromStack(watch!).hasResourceProperties('AWS::CloudWatch::Dashboard', {
    DashboardName: Match.exact('countersign-live'),
  });
});

it('tags of the stacks are tags of their resources', () => {
  const { platform } = platformOf(CONFIG);
  for (const stack of platform.stacks) Tags.of(stack).add('team', 'a');
  Template.fromStack(platform.home).hasResourceProperties('AWS::SecretsManager::Secret', {
    Tags: Match.arrayWith([{ Key: 'team', Value: 'a' }]),
  });
  expect(platform.watch).toBeUndefined();
  expect(JSON.stringify(synthesise(CONFIG).home.template)).not.toContain('"team"');
});
