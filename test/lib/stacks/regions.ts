import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { deliverName, functionName } from '../../../lambda/contract/names.ts';
import type { ConfigInput } from '../../../lib/config/schema.ts';
import {
  CONFIG,
  eventual,
  flat,
  PROD,
  PROD_ENROLS,
  type Resource,
  type Stack,
  synthesise,
} from '../synth.ts';

const prod = synthesise(PROD);
const region = prod.part('region-eu-west-1');
const watch = prod.part('watch');
const dev = synthesise(CONFIG);

/** The health checkers' own path. */
const CHECKERS = watch
  .ofType('AWS::Route53::HealthCheck')
  .find(({ Properties }) => Properties.HealthCheckConfig.Type === 'HTTPS')!.Properties
  .HealthCheckConfig.ResourcePath;

const topicArn = (name: string) => `arn:aws:sns:${name}:123456789012:mine`;
/** All resources that an operator can supply, and no resource made in a zone. */
const BY_HAND: ConfigInput = {
  ...PROD,
  apiGatewayRole: 'existing',
  domain: { entry: 'api.example.com' },
  regions: PROD.regions.map(({ name }) => ({
    name,
    certificateArn: `arn:aws:acm:${name}:123456789012:certificate/1234abcd-12ab-34cd-56ef-1234567890ab`,
    alarmTopicArn: topicArn(name),
  })),
};
const OTHERWISE: ConfigInput = {
  ...CONFIG,
  logRetentionDays: 30,
  runbookUrl: 'https://wiki.example.com/run',
};

const one = (stack: Stack, type: string): Resource['Properties'] => {
  const found = stack.ofType(type);
  expect(found).toHaveLength(1);
  return found[0]!.Properties;
};
const TLS = { SecurityPolicy: 'SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09', EndpointAccessMode: 'STRICT' };

it('a firewall protects the API: known bad addresses, known attacks, too many requests from one address', () => {
  const acl = one(region, 'AWS::WAFv2::WebACL');
  expect(acl).toMatchObject({ Name: 'countersign-live', Scope: 'REGIONAL', DefaultAction: { Allow: {} } });
  expect(
    acl.Rules.map(({ Priority, Statement, Action, OverrideAction }: Record<string, never>) => [
      Priority,
      Statement,
      Action ?? OverrideAction,
    ]),
  ).toEqual([
    [0, managed('AWSManagedRulesAmazonIpReputationList'), { None: {} }],
    [1, managed('AWSManagedRulesKnownBadInputsRuleSet'), { None: {} }],
    [
      2,
      {
        RateBasedStatement: {
          AggregateKeyType: 'IP',
          Limit: 60_000,
          EvaluationWindowSec: 300,
          // Health checkers are counted by no rate.
          ScopeDownStatement: {
            NotStatement: {
              Statement: {
                ByteMatchStatement: {
                  FieldToMatch: { UriPath: {} },
                  SearchString: CHECKERS,
                  PositionalConstraint: 'ENDS_WITH',
                  TextTransformations: [{ Priority: 0, Type: 'NONE' }],
                },
              },
            },
          },
        },
      },
      { Block: {} },
    ],
    [
      3,
      {
        RateBasedStatement: {
          AggregateKeyType: 'IP',
          // A request for 100 nonces costs as much as 28 for one.
          Limit: Math.floor(60_000 / 28),
          EvaluationWindowSec: 300,
          ScopeDownStatement: {
            ByteMatchStatement: {
              FieldToMatch: { QueryString: {} },
              SearchString: 'count=',
              PositionalConstraint: 'CONTAINS',
              // The function reads `c%6Funt=100` as `count=100`.
              TextTransformations: [{ Priority: 0, Type: 'URL_DECODE' }],
            },
          },
        },
      },
      { Block: {} },
    ],
  ]);
  const few = { ...PROD, quota: { signaturesPerMinute: 20 }, waf: { requestsPerIp: 100 } };
  const [, , , counts] = one(synthesise(few).region, 'AWS::WAFv2::WebACL').Rules;
  // AWS WAF accepts no lower limit.
  expect(counts.Statement.RateBasedStatement.Limit).toBe(10);
  function managed(Name: string) {
    return { ManagedRuleGroupStatement: { VendorName: 'AWS', Name } };
  }
});

it('the firewall is attached to the API stage, and stores no request sample, which would hold a proof', () => {
  const { ResourceArn } = one(region, 'AWS::WAFv2::WebACLAssociation');
  expect(flat(ResourceArn)).toMatch(
    /^arn:\$\{AWS::Partition\}:apigateway:eu-west-1::\/restapis\/\$\{Api\w+\}\/stages\/\$\{ApiDeploymentStagelive\w+\}$/,
  );
  expect(JSON.stringify(one(region, 'AWS::WAFv2::WebACL'))).not.toContain('"SampledRequestsEnabled":true');
});

it('TLS is 1.2 with forward secrecy or 1.3, post-quantum and strict, on every host name of the API', () => {
  for (const stack of [region, dev.region]) expect(one(stack, 'AWS::ApiGateway::RestApi')).toMatchObject(TLS);
  const domains = region.ofType('AWS::ApiGateway::DomainName').map(({ Properties }) => Properties);
  expect(domains.map(({ DomainName }) => DomainName)).toEqual([
    'api.example.com',
    'eu-west-1.api.example.com',
  ]);
  for (const domain of domains)
    expect(domain).toMatchObject({ ...TLS, EndpointConfiguration: { Types: ['REGIONAL'] } });
});

it('with a domain the API has no other name, and both names lead to its root', () => {
  expect(one(region, 'AWS::ApiGateway::RestApi').DisableExecuteApiEndpoint).toBe(true);
  expect(one(dev.region, 'AWS::ApiGateway::RestApi').DisableExecuteApiEndpoint).toBeUndefined();
  const mappings = region.ofType('AWS::ApiGateway::BasePathMapping');
  expect(mappings).toHaveLength(2);
  for (const { Properties } of mappings) expect(Properties.BasePath).toBeUndefined();
});

it('the certificate of each Region covers both names, and is validated in the zone', () => {
  expect(one(region, 'AWS::CertificateManager::Certificate')).toMatchObject({
    DomainName: 'api.example.com',
    SubjectAlternativeNames: ['eu-west-1.api.example.com'],
    ValidationMethod: 'DNS',
    DomainValidationOptions: [
      { DomainName: 'api.example.com', HostedZoneId: 'Z0123456789ABCDEFGHIJ' },
      { DomainName: 'eu-west-1.api.example.com', HostedZoneId: 'Z0123456789ABCDEFGHIJ' },
    ],
  });
});

it('a Region serves its own name and the entry, and discovery lists all Regions in the order of the config', () => {
  const of = (name: 'register' | 'discovery') =>
    region
      .ofType('AWS::Lambda::Function')
      .find(({ Properties }) => Properties.FunctionName === functionName('live', name))!.Properties
      .Environment.Variables;
  expect(of('register')).toMatchObject({
    COUNTERSIGN_BASE_URL: 'https://eu-west-1.api.example.com',
    COUNTERSIGN_ENTRY_URL: 'https://api.example.com',
    COUNTERSIGN_ISSUER: 'https://api.example.com',
    COUNTERSIGN_CONSISTENCY: 'strong',
  });
  expect(JSON.parse(of('discovery').COUNTERSIGN_REGIONS)).toEqual([
    { name: 'eu-west-1', url: 'https://eu-west-1.api.example.com' },
    { name: 'eu-central-1', url: 'https://eu-central-1.api.example.com' },
  ]);
});

it('access logs contain listed fields only, and nothing that a caller wrote', () => {
  const { AccessLogSetting, MethodSettings } = one(region, 'AWS::ApiGateway::Stage');
  const fields: string[] = Object.values(JSON.parse(AccessLogSetting.Format));
  expect(fields).toContain('$context.requestId');
  for (const field of fields)
    expect(field).not.toMatch(/\.path$|header|querystring|authorizer|userAgent|domainName|input|body/i);
  for (const each of MethodSettings)
    expect([each.LoggingLevel, each.DataTraceEnabled]).toEqual([undefined, false]);
  expect(one(dev.region, 'AWS::ApiGateway::Stage').AccessLogSetting).toBeUndefined();
});

it('logs are kept for 7 days by a dev stage, 90 by a prod stage, or as the config says', () => {
  const kept = (config: ConfigInput) => [
    ...new Set(
      synthesise(config)
        .region.ofType('AWS::Logs::LogGroup')
        .map((each) => each.Properties.RetentionInDays),
    ),
  ];
  expect(kept(CONFIG)).toEqual([7]);
  expect(kept(PROD)).toEqual([90]);
  expect(kept(OTHERWISE)).toEqual([30]);
});

it("API Gateway's role for logs is one per account: its name has no stage, and it outlives each stage", () => {
  const account = prod.part('account-eu-west-1');
  expect(JSON.stringify(account.template)).not.toContain('live');
  for (const { DeletionPolicy } of Object.values(account.resources)) expect(DeletionPolicy).toBe('Retain');
  expect(one(account, 'AWS::ApiGateway::Account').CloudWatchRoleArn).toBeDefined();
  expect(Object.keys(synthesise(BY_HAND).stacks).some((name) => name.includes('account'))).toBe(false);
});

it("each Region has its own record: an alias of its API that evaluates the API's health", () => {
  const record = one(region, 'AWS::Route53::RecordSet');
  expect(record).toMatchObject({
    Name: 'eu-west-1.api.example.com.',
    Type: 'A',
    AliasTarget: { EvaluateTargetHealth: true },
  });
  expect(flat(record.AliasTarget.DNSName)).toMatch(/^\$\{DomainOwn\w+\.RegionalDomainName\}$/);
});

it('the entry leads to the nearest Region that is healthy and not evacuated', () => {
  const records = watch.ofType('AWS::Route53::RecordSet').map(({ Properties }) => Properties);
  expect(records.map(({ Region }) => Region)).toEqual(['eu-west-1', 'eu-central-1']);
  for (const { Name, Type, Region, SetIdentifier, AliasTarget, HealthCheckId } of records) {
    expect([Name, Type, SetIdentifier]).toEqual(['api.example.com.', 'A', Region]);
    expect(AliasTarget).toEqual({
      DNSName: `${Region}.api.example.com.`,
      HostedZoneId: 'Z0123456789ABCDEFGHIJ',
      EvaluateTargetHealth: true,
    });
    const { ChildHealthChecks, ...calculated } = check(HealthCheckId.Ref);
    expect(calculated).toMatchObject({ Type: 'CALCULATED', HealthThreshold: 2 });
    const [endpoint, stays] = ChildHealthChecks.map(({ Ref }: { Ref: string }) => check(Ref));
    expect(ChildHealthChecks).toHaveLength(2);
    expect(endpoint).toMatchObject({
      Type: 'HTTPS',
      FullyQualifiedDomainName: `${Region}.api.example.com`,
      ResourcePath: CHECKERS,
      EnableSNI: true,
      RequestInterval: 30,
      FailureThreshold: 1,
      Regions: ['us-east-1', 'eu-west-1', 'ap-southeast-1'],
    });
    expect(stays).toMatchObject({
      Type: 'CLOUDWATCH_METRIC',
      Inverted: false,
      InsufficientDataHealthStatus: 'LastKnownStatus',
    });
    expect(stays.AlarmIdentifier.Name).toBe(`countersign-live-evacuated-${Region}`);
    // Outside the Region, so that it does not depend on itself; and at the alarm's real place.
    expect(stays.AlarmIdentifier.Region).not.toBe(Region);
    const keeper = prod.part(`region-${stays.AlarmIdentifier.Region}`);
    expect(alarmNames(keeper)).toContain(`evacuated-${Region}`);
  }
  function check(id: string): Resource['Properties'] {
    return watch.resources[id]!.Properties.HealthCheckConfig;
  }
});

it('the name of each health check says what it checks', () => {
  const names = watch
    .ofType('AWS::Route53::HealthCheck')
    .map(
      ({ Properties }) =>
        Properties.HealthCheckTags.find(({ Key }: { Key: string }) => Key === 'Name')?.Value,
    );
  expect(names).toEqual(
    ['eu-west-1', 'eu-central-1'].flatMap((name) =>
      ['endpoint', 'not evacuated', 'endpoint and not evacuated'].map(
        (of) => `countersign-live ${name}: ${of}`,
      ),
    ),
  );
});

it('slow replication, or none after a write, raises an alarm; a stage without writes raises none', () => {
  const { Metrics, ...alarm } = alarms(synthesise(eventual(PROD)).region).find(
    ({ AlarmName }) => AlarmName === 'countersign-live-replication-lag',
  )!;
  expect(alarm).toMatchObject({ Threshold: 60_000, EvaluationPeriods: 3, TreatMissingData: 'ignore' });
  const expression = Metrics.find(({ Expression }: Record<string, string>) => Expression)!.Expression;
  const lag = (writes: number | undefined, to0: number | undefined) =>
    // CloudWatch's own functions, over one period.
    new Function('writes', 'to0', 'FILL', 'MAX', 'IF', `return ${expression}`)(
      writes,
      to0,
      (value: number | undefined, otherwise: number) => value ?? otherwise,
      (values: number[]) => Math.max(...values),
      (condition: boolean, then: number, otherwise: number) => (condition ? then : otherwise),
    );
  expect([lag(5, 800), lag(5, 61_000), lag(undefined, undefined), lag(0, undefined)]).toEqual([
    800, 61_000, 0, 0,
  ]);
  expect(lag(5, undefined)).toBeGreaterThan(60_000);
  const byId = Object.fromEntries(
    Metrics.flatMap(({ Id, MetricStat }: Resource['Properties']) => (MetricStat ? [[Id, MetricStat]] : [])),
  );
  expect(byId.to0).toMatchObject({ Stat: 'Average', Metric: { MetricName: 'ReplicationLatency' } });
  // Writes by this Region's own probes and registrations, not writes that replication brings.
  expect(byId.writes).toMatchObject({
    Stat: 'SampleCount',
    Metric: {
      MetricName: 'SuccessfulRequestLatency',
      Dimensions: [
        { Name: 'Operation', Value: 'PutItem' },
        { Name: 'TableName', Value: 'countersign-live-registry-1' },
      ],
    },
  });
});

it("an alarm fires at 80 % of Lambda's quota, before Lambda refuses", () => {
  const headroom = (config: ConfigInput) =>
    alarms(synthesise(config).region).find(({ AlarmName }) => AlarmName.endsWith('-concurrency-headroom'))!;
  expect(headroom(PROD)).toMatchObject({
    MetricName: 'ClaimedAccountConcurrency',
    Namespace: 'AWS/Lambda',
    Statistic: 'Maximum',
    Threshold: 800,
    ComparisonOperator: 'GreaterThanOrEqualToThreshold',
  });
  expect(headroom({ ...PROD, concurrencyQuota: 10 }).Threshold).toBe(8);
});

it('one Region needs no health check, and its record can become one of several in place', () => {
  const [eu] = PROD.regions;
  const { witnessRegion: _, ...single } = { ...PROD, regions: [eu!] };
  const alone = synthesise(single);
  expect(alone.part('watch').ofType('AWS::Route53::HealthCheck')).toEqual([]);
  expect(one(alone.part('watch'), 'AWS::Route53::RecordSet')).toMatchObject({
    SetIdentifier: 'eu-west-1',
    Region: 'eu-west-1',
  });
  expect(alarmNames(alone.region).filter((name) => name.includes('evacuated'))).toEqual([]);
});

it("a Region that is the last one keeps the checkers' path: the checks that are left until watch is deployed find it", () => {
  const { witnessRegion: _, ...single } = { ...PROD, regions: [PROD.regions[0]!] };
  const settings = one(synthesise(single).region, 'AWS::ApiGateway::Stage').MethodSettings;
  expect(settings.map(({ ResourcePath }: { ResourcePath: string }) => ResourcePath)).toContain(
    CHECKERS.replaceAll('/', '~1').replace('~1', '/~1'),
  );
});

it('without a zone, the stacks list the records to create by hand or in another account', () => {
  const byHand = synthesise(BY_HAND);
  for (const stack of Object.values(byHand.stacks)) {
    expect(stack.ofType('AWS::Route53::RecordSet')).toEqual([]);
    expect(stack.ofType('AWS::CertificateManager::Certificate')).toEqual([]);
  }
  expect(outputs(byHand.region)).toContainEqual(
    expect.stringMatching(
      /^eu-west-1\.api\.example\.com A alias \$\{\w+\.RegionalDomainName\} zone \$\{\w+\.RegionalHostedZoneId\}$/,
    ),
  );
  expect(outputs(byHand.part('watch'))).toContainEqual(
    expect.stringMatching(
      /^api\.example\.com A latency eu-central-1 alias eu-central-1\.api\.example\.com health check \$\{\w+\}$/,
    ),
  );
  function outputs({ template }: Stack): string[] {
    return Object.values(template.Outputs as Record<string, { Value: unknown }>).map(({ Value }) =>
      flat(Value),
    );
  }
});

it('each topic that a stage creates is printed under the name in docs/deploy.md', () => {
  const makers = Object.values(prod.stacks).filter((stack) => stack.ofType('AWS::SNS::Topic').length > 0);
  expect(makers.length).toBeGreaterThan(1);
  for (const { template } of makers) expect(template.Outputs).toHaveProperty('AlarmTopic');
});

const alarms = (stack: Stack) => stack.ofType('AWS::CloudWatch::Alarm').map(({ Properties }) => Properties);
function alarmNames(stack: Stack): string[] {
  return alarms(stack).map(({ AlarmName }) => AlarmName.replace('countersign-live-', ''));
}

it('each Region has alarms, and each health check has one', () => {
  const everywhere = [
    'strict-key-exposed',
    'api-errors',
    'slow-answers',
    'function-errors',
    'function-throttles',
    'table-throttles',
    'keyset-unreadable',
    'blocked-requests',
    'rotation-failed',
    'rotation-overdue',
    'replica-behind',
    'no-keys',
    'revoked-key-accepted',
    'replica-cut-off',
    'keys-watch-failed',
    'keys-watch-silent',
    'concurrency-headroom',
    'certificate-expiry',
    'evacuation-keeper-failed',
    'evacuation-keeper-silent',
    'events-late',
    'events-late-failed',
    'events-late-silent',
    'events-late-unread-clients',
    'events-late-unread-registry',
    'events-missed-expired',
    'events-missed-unreadable',
    'events-missed-unsent',
    'callbacks-dead-letters',
    'callbacks-endpoint-disabled',
    'callbacks-late-failed',
    'callbacks-left',
    'callbacks-late-queue',
    'callbacks-late-silent',
    'callbacks-late-turns',
    'callbacks-secret-ended',
    'callbacks-secret-ends',
  ];
  expect(alarmNames(prod.part('region-eu-central-1')).sort()).toEqual(
    [...everywhere, 'evacuated-eu-west-1'].sort(),
  );
  expect(alarmNames(region).sort()).toEqual([...everywhere, 'evacuated-eu-central-1'].sort());
  // Strongly consistent replicas have no lag.
  expect(alarmNames(synthesise(eventual(PROD)).region)).toContain('replication-lag');
  expect(alarmNames(watch)).toEqual(['region-unhealthy-eu-west-1', 'region-unhealthy-eu-central-1']);
  expect(alarms(dev.region).map(({ AlarmName }) => AlarmName)).toEqual([
    'countersign-dev-strict-key-exposed',
  ]);
});

it('a certificate that ends soon rings, whoever issued it, and goes on when the metric ends with it', () => {
  const alarm = (stack: Stack) =>
    alarms(stack).find(({ AlarmName }) => AlarmName === 'countersign-live-certificate-expiry')!;
  const expected = {
    Namespace: 'AWS/CertificateManager',
    MetricName: 'DaysToExpiry',
    Statistic: 'Minimum',
    Period: 86_400,
    ComparisonOperator: 'LessThanThreshold',
    Threshold: 21,
    TreatMissingData: 'ignore',
  };
  expect(alarm(region)).toMatchObject(expected);
  const resources = region.template.Resources as Record<string, Resource & { Type: string }>;
  expect(resources[alarm(region).Dimensions[0].Value.Ref]!.Type).toBe('AWS::CertificateManager::Certificate');
  const imported = alarm(synthesise(BY_HAND).region);
  expect(imported).toMatchObject(expected);
  expect(imported.Dimensions).toEqual([
    { Name: 'CertificateArn', Value: expect.stringMatching(/^arn:aws:acm:eu-west-1:.*:certificate\//) },
  ]);
});

it('alarms of a stage of kind prod go to the topic of their Region, which accepts them over TLS only', () => {
  const to = (stack: Stack) => [
    ...new Set(
      alarms(stack).flatMap(({ AlarmActions, OKActions }) => [...AlarmActions, ...OKActions].map(flat)),
    ),
  ];
  expect(to(region)).toEqual([
    `arn:\${AWS::Partition}:sns:eu-west-1:\${AWS::AccountId}:countersign-live-alarms`,
  ]);
  const base = prod.part('base-eu-west-1');
  expect(one(base, 'AWS::SNS::Topic').TopicName).toBe('countersign-live-alarms');
  const { Statement } = one(base, 'AWS::SNS::TopicPolicy').PolicyDocument;
  const ofAccount = { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } };
  expect(
    Statement.map(({ Effect, Action, Principal, Condition }: Record<string, unknown>) => [
      Effect,
      Action,
      Principal,
      Condition,
    ]),
  ).toEqual([
    ['Deny', 'sns:Publish', '*', { Bool: { 'aws:SecureTransport': 'false' } }],
    ['Allow', 'sns:Publish', { Service: 'cloudwatch.amazonaws.com' }, ofAccount],
  ]);
  const topic = 'arn:aws:sns:eu-west-1:123456789012:mine';
  const imported = {
    ...PROD,
    regions: [{ name: 'eu-west-1', alarmTopicArn: topic }, { name: 'eu-central-1' }],
  };
  expect(to(synthesise(imported).region)).toEqual([topic]);
});

it('an alarm on several metrics has ten at most', () => {
  for (const stack of [...Object.values(prod.stacks), ...Object.values(synthesise(eventual(PROD)).stacks)])
    for (const { AlarmName, Metrics = [] } of alarms(stack))
      expect([AlarmName, Metrics.length - 1]).toEqual([AlarmName, expect.toSatisfy((n: number) => n <= 10)]);
});

it('every function with keys reports keys that it cannot read', () => {
  const watched = region
    .ofType('AWS::Logs::MetricFilter')
    .filter(({ Properties }) => Properties.FilterPattern === '{ $.message = "keyset" }')
    .map(({ Properties }) => region.resources[Properties.LogGroupName.Ref]!.Properties.LogGroupName);
  // The rotation functions, which have alarms of their own, know their secret by its purpose.
  const reading = region
    .ofType('AWS::Lambda::Function')
    .filter(({ Properties: { Environment } }) => /"COUNTERSIGN_\w+_SECRET"/.test(JSON.stringify(Environment)))
    .map(({ Properties: { FunctionName } }) => FunctionName);
  expect(reading).toContain(deliverName('live'));
  expect(watched.sort()).toEqual(reading.map((name) => `/aws/lambda/${name}`).sort());
});

it('every alarm says what failed and links to its own section of the runbook, which exists', () => {
  const runbook = readFileSync(new URL('../../../docs/runbook.md', import.meta.url), 'utf8');
  const [ofAlarms] = runbook.split('\n# Without an alarm\n');
  const anchors = [...ofAlarms!.matchAll(/^## (.+)$/gm)].map(([, title]) =>
    title!.toLowerCase().replaceAll(' ', '-'),
  );
  const stacks = [prod, synthesise(eventual(PROD)), synthesise(PROD_ENROLS), dev].flatMap(({ stacks }) =>
    Object.values(stacks),
  );
  const linked = stacks.flatMap(alarms).map(({ AlarmName, AlarmDescription }) => {
    const [, what, where, link] = AlarmDescription.match(
      /^(.+\.) Runbook: (\S+?)(?:#| \(section )([\w-]+)\)?$/,
    )!;
    // A mail or chat turns these into links within the account. A stage of kind dev has no topic.
    expect(where).toBe(
      AlarmName.startsWith('countersign-live-')
        ? 'https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#dashboards/dashboard/countersign-live'
        : 'docs/runbook.md',
    );
    expect(what.length).toBeGreaterThan(20);
    expect(AlarmName).toContain(`-${link}`);
    return link;
  });
  expect(anchors).toEqual(expect.arrayContaining(linked));
  // No section lacks an alarm.
  expect(new Set(linked)).toEqual(new Set(anchors));
});

it('the dashboard that alarms link to shows every section of the runbook, without links that would not work there', () => {
  const shown = (config: ConfigInput): string[] => {
    const { DashboardBody } = one(synthesise(config).part('watch'), 'AWS::CloudWatch::Dashboard');
    const { widgets } = JSON.parse(flat(DashboardBody).replaceAll(/\$\{[^}]+\}/g, 'x'));
    return widgets.flatMap(({ type, properties }: Record<string, Record<string, string>>) =>
      String(type) === 'text' ? [properties!.markdown!] : [],
    );
  };
  const runbook = readFileSync(new URL('../../../docs/runbook.md', import.meta.url), 'utf8');
  const titles = [...runbook.matchAll(/^## .+$/gm)].map(([title]) => title);
  const texts = shown(PROD);
  expect(texts.map((text) => text.split('\n')[0])).toEqual(titles);
  for (const text of texts) expect(text).not.toMatch(/\]\(|<!--/);
  expect(texts.find((text) => text.startsWith('## api-errors'))).toContain('**What a client sees.**');
  // A runbook elsewhere appears there only.
  expect(shown({ ...PROD, runbookUrl: 'https://wiki.example.com/run' })).toEqual([]);
});

it("the link leads to the runbook's place in the config", () => {
  const { region } = synthesise(OTHERWISE);
  expect(alarms(region)[0].AlarmDescription).toMatch(
    / https:\/\/wiki\.example\.com\/run#strict-key-exposed$/,
  );
});

it('one dashboard shows all Regions, and a dev stage has none, because it costs money', () => {
  const { DashboardName, DashboardBody } = one(watch, 'AWS::CloudWatch::Dashboard');
  expect(DashboardName).toBe('countersign-live');
  const { widgets } = JSON.parse(flat(DashboardBody).replaceAll(/\$\{[^}]+\}/g, 'x'));
  for (const { properties } of widgets.filter(({ type }: { type: string }) => type === 'metric'))
    expect(properties.metrics.map((metric: unknown[]) => (metric.at(-1) as { label: string }).label)).toEqual(
      ['eu-west-1', 'eu-central-1'],
    );
  expect(Object.keys(dev.stacks)).toEqual(['countersign-dev-home', 'countersign-dev-region-eu-west-1']);
});

it.each([
  ['strong', PROD],
  ['eventual', eventual(PROD)],
  ['dev', CONFIG],
] as const)(
  'no alarm of an %s stage computes with more than the ten metrics that CloudWatch allows',
  (_, config) => {
    const alarms = Object.values(synthesise(config).stacks).flatMap((stack) =>
      stack.ofType('AWS::CloudWatch::Alarm').map(({ Properties }) => Properties),
    );
    expect(alarms.length).toBeGreaterThan(0);
    for (const { AlarmName, Metrics = [] } of alarms) {
      const read = Metrics.filter(({ MetricStat }: { MetricStat?: object }) => MetricStat).length;
      expect([AlarmName, Math.max(read, 10)]).toEqual([AlarmName, 10]);
    }
  },
);
