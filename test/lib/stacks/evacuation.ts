import { expect, it } from 'vitest';
import { namesOf } from '../../../cli/preflight/names.ts';
import { evacuationFunctionName, keeperOf } from '../../../lambda/contract/evacuation.ts';
import { readConfig } from '../../../lib/config/read.ts';
import type { ConfigInput } from '../../../lib/config/schema.ts';
import { checkersPath } from '../../../lib/routing/checkers.ts';
import { CONFIG, PROD, type Stack, synthesise } from '../synth.ts';
import { HERE, ITEM_ACTIONS, ITEMS, item, may, THERE } from './may.ts';

const prod = synthesise(PROD);
const { region } = prod;
const KEEPER = evacuationFunctionName('live');

const alarmOf = (stack: Stack) =>
  stack.ofType('AWS::CloudWatch::Alarm').find(({ Properties }) => /evacuated/.test(Properties.AlarmName));
const pathOf = (config: ConfigInput) => checkersPath(readConfig(config))?.resource;

it('the keeper publishes every minute whether the Region is evacuated; its silence is missing data', () => {
  expect(alarmOf(region)!.Properties).toMatchObject({
    AlarmName: `countersign-live-evacuated-${THERE}`,
    Namespace: 'Countersign/live',
    MetricName: 'Evacuated',
    Dimensions: [{ Name: 'Region', Value: THERE }],
    Statistic: 'Maximum',
    Period: 60,
    Threshold: 1,
    ComparisonOperator: 'GreaterThanOrEqualToThreshold',
    EvaluationPeriods: 1,
    TreatMissingData: 'missing',
  });
  const rule = region.ofType('AWS::Events::Rule').find(({ Properties }) => Properties.Name === KEEPER)!;
  expect(rule.Properties).toMatchObject({ ScheduleExpression: 'rate(1 minute)', State: 'ENABLED' });
  const called = region.resources[rule.Properties.Targets[0].Arn['Fn::GetAtt'][0]]!.Properties;
  expect(called.FunctionName).toBe(KEEPER);
  expect(called.Environment.Variables).toMatchObject({
    COUNTERSIGN_KEPT_REGION: THERE,
    COUNTERSIGN_LIMITS_TABLE: 'countersign-live-limits-1',
  });
  const [permission] = region
    .ofType('AWS::Lambda::Permission')
    .filter(({ Properties }) => JSON.stringify(Properties.SourceArn ?? '').includes('EveryMinute'));
  expect(permission!.Properties.Principal).toBe('events.amazonaws.com');
});

it('the keeper may read that one flag, and publish metrics of its stage', async () => {
  for (const action of ITEM_ACTIONS)
    for (const key of ITEMS)
      expect([action, key, await may(KEEPER, item(action, [key]))]).toEqual([action, key, false]);
  expect(await may(KEEPER, item('GetItem', [`evacuated#${THERE}`]))).toBe(true);
  for (const action of ['UpdateItem', 'PutItem', 'DeleteItem'])
    expect(await may(KEEPER, item(action, [`evacuated#${THERE}`]))).toBe(false);
  expect(await may(KEEPER, item('GetItem', [`evacuated#${THERE}`, `evacuated#${HERE}`]))).toBe(false);
  const put = (namespace: string) =>
    may(KEEPER, {
      action: 'cloudwatch:PutMetricData',
      resource: '*',
      context: { 'cloudwatch:namespace': namespace },
    });
  expect([await put('Countersign/live'), await put('Countersign/test'), await put('AWS/Route53')]).toEqual([
    true,
    false,
    false,
  ]);
});

it('an alarm says that the keeper fails, and one that it does not run', () => {
  const alarm = (section: string) =>
    prod.region
      .ofType('AWS::CloudWatch::Alarm')
      .find(({ Properties }) => Properties.AlarmName === `countersign-live-evacuation-keeper-${section}`)!
      .Properties;
  const Dimensions = [{ Name: 'FunctionName', Value: 'countersign-live-evacuation' }];
  expect(alarm('failed')).toMatchObject({ MetricName: 'Errors', Threshold: 1, Dimensions });
  expect(alarm('silent')).toMatchObject({
    MetricName: 'Invocations',
    ComparisonOperator: 'LessThanOrEqualToThreshold',
    Threshold: 0,
    TreatMissingData: 'breaching',
    Dimensions,
  });
});

it('each Region keeps the flag of one other, whatever order the config prefers', () => {
  const names = ['eu-west-1', 'eu-central-1', 'eu-west-2'];
  const keepers = names.map((name) => keeperOf(name, names));
  expect(keepers).toEqual(['eu-west-2', 'eu-west-1', 'eu-central-1']);
  expect(names.map((name) => keeperOf(name, names.toReversed()))).toEqual(keepers);
  const turned = synthesise({ ...PROD, homeRegion: 'eu-west-1', regions: PROD.regions.toReversed() });
  for (const { name } of PROD.regions)
    expect(alarmOf(turned.part(`region-${name}`))!.Properties.AlarmName).toBe(
      alarmOf(prod.part(`region-${name}`))!.Properties.AlarmName,
    );
});

it("adding or removing a Region moves the flag of one other Region, and replaces only that Region's check", () => {
  const all = ['ap-south-1', 'eu-central-1', 'eu-west-1', 'eu-west-2', 'us-east-1'];
  for (const changed of all) {
    const rest = all.filter((name) => name !== changed);
    expect(rest.filter((name) => keeperOf(name, rest) !== keeperOf(name, all))).toHaveLength(1);
  }
});

it('a single Region keeps no flag: no other Region could serve', () => {
  expect(keeperOf('eu-west-1', ['eu-west-1'])).toBeUndefined();
  const dev = synthesise(CONFIG).region;
  expect([alarmOf(dev), JSON.stringify(dev.template).includes('-evacuation')]).toEqual([undefined, false]);
});

it("the checkers' path is the same in every stack, has its own route and throttle, and is not published", () => {
  const path = pathOf(PROD)!;
  expect(path).toMatch(/^\/v1\/health\/[0-9a-f]{32}$/);
  for (const { name } of PROD.regions) {
    const stack = prod.part(`region-${name}`);
    const [stage] = stack.ofType('AWS::ApiGateway::Stage');
    expect(stage!.Properties.MethodSettings).toContainEqual({
      HttpMethod: 'GET',
      ResourcePath: path.replaceAll('/', '~1').replace('~1', '/~1'),
      DataTraceEnabled: false,
      ThrottlingRateLimit: 50,
      ThrottlingBurstLimit: 50,
    });
    const [resource] = Object.entries(stack.resources).find(
      ([, { Properties }]) => Properties.PathPart === path.split('/').at(-1),
    )!;
    const methods = stack
      .ofType('AWS::ApiGateway::Method')
      .filter(({ Properties }) => Properties.ResourceId.Ref === resource)
      .map(({ Properties }) => [Properties.HttpMethod, Properties.Integration.Type]);
    expect(methods).toEqual([
      ['GET', 'AWS_PROXY'],
      ['ANY', 'MOCK'],
    ]);
    expect(JSON.stringify(stack.template.Outputs)).not.toContain(path);
  }
});

it("nobody can guess the checkers' path: it follows from an id that only the account knows", () => {
  const zone = (id: string): ConfigInput => ({
    ...PROD,
    domain: { entry: 'api.example.com', hostedZone: { id, name: 'example.com' } },
  });
  const byHand = (certificate: string): ConfigInput => ({
    ...PROD,
    domain: { entry: 'api.example.com' },
    regions: PROD.regions.map(({ name }) => ({
      name,
      certificateArn: `arn:aws:acm:${name}:123456789012:certificate/${certificate}`,
    })),
  });
  const paths = [
    zone('Z0123456789ABCDEFGHIJ'),
    zone('Z0123456789ABCDEFGHIK'),
    { ...PROD, stage: { name: 'other', kind: 'prod' } } as ConfigInput,
    byHand('1234abcd-12ab-34cd-56ef-1234567890ab'),
    byHand('1234abcd-12ab-34cd-56ef-1234567890ac'),
  ].map(pathOf);
  expect(new Set(paths).size).toBe(paths.length);
  expect(pathOf(CONFIG)).toBeUndefined();
});

it('a hold-down exists only if checkers ask all the time', () => {
  const holdDown = (stack: Stack, stage: string) =>
    stack
      .ofType('AWS::Lambda::Function')
      .find(({ Properties }) => Properties.FunctionName === `countersign-${stage}-health`)!.Properties
      .Environment.Variables.COUNTERSIGN_HOLD_DOWN_MS;
  expect(holdDown(region, 'live')).toBe('180000');
  expect(holdDown(synthesise({ ...PROD, healthChecks: { holdDown: 'PT10M' } }).region, 'live')).toBe(
    '600000',
  );
  expect(holdDown(synthesise(CONFIG).region, 'dev')).toBe('0');
});

it('preflight looks up the name of every function that a Region creates', () => {
  for (const [stack, stage, several] of [
    [region, 'live', true],
    [synthesise(CONFIG).region, 'dev', false],
  ] as const) {
    const made = stack.ofType('AWS::Lambda::Function').map(({ Properties }) => Properties.FunctionName);
    const looked = namesOf(stage, { ledgerGeneration: 1, tableGeneration: 1 }, several).flatMap(
      ([kind, name]) => (kind === 'function' ? [name] : []),
    );
    expect(looked.sort()).toEqual(made.sort());
  }
});
