/** The functions behind events and callbacks: what their roles allow, and what calls them. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  deliverName,
  findStreamName,
  outboxFailedName,
  outboxName,
  secretName,
  TABLES,
  type TableKind,
  tableKinds,
  tableName,
  wakeUpsName,
} from '../../../lambda/contract/names.ts';
import { PURPOSES } from '../../../lambda/contract/purposes.ts';
import type { ConfigInput } from '../../../lib/config/schema.ts';
import { eventual, PROD, synthesise } from '../synth.ts';
import {
  ACCOUNT,
  decrypt,
  functionArn,
  HERE,
  ITEM_ACTIONS,
  ITEMS,
  item,
  may,
  queueArn,
  THERE,
  type Try,
} from './may.ts';

const { region } = synthesise(PROD);
const CALLBACKS = new URL('../../../lambda/callbacks/', import.meta.url);
const NAMES = {
  outbox: outboxName('live'),
  deliver: deliverName('live'),
  'find-stream': findStreamName('live'),
};
type Name = keyof typeof NAMES;
const EACH = Object.keys(NAMES) as Name[];

const table = (kind: TableKind, at = HERE, generation = 1) =>
  `arn:aws:dynamodb:${at}:${ACCOUNT}:table/${tableName('live', kind, generation)}`;
const on = (action: string, kind: TableKind, ...keys: string[]): Try => ({
  action: `dynamodb:${action}`,
  resource: table(kind),
  ...(keys.length > 0 && { context: { 'dynamodb:LeadingKeys': keys } }),
});
const stream = (action: string, kind: TableKind): Try => ({
  action: `dynamodb:${action}`,
  resource: `${table(kind)}/stream/2026-11-28T00:00:00.000`,
});
const queue = (action: string, name: string): Try => ({ action: `sqs:${action}`, resource: queueArn(name) });
const secret = (purpose: string): Try => ({
  action: 'secretsmanager:GetSecretValue',
  resource: `arn:aws:secretsmanager:${HERE}:${ACCOUNT}:secret:${secretName('live', purpose as never)}-aB3dE6`,
});
const STREAM = ['DescribeStream', 'GetRecords', 'GetShardIterator'];
/** It takes no resource. */
const LIST: Try = { action: 'dynamodb:ListStreams', resource: '*' };
const QUEUES = [wakeUpsName('live'), outboxFailedName('live')];

/** What each needs, listed independently of the stacks. */
const NEEDS: Record<Name, Try[]> = {
  outbox: [
    ...['GetItem', 'PutItem', 'UpdateItem'].map((action) => on(action, 'events')),
    on('Scan', 'clients'),
    on('Query', 'clients', '@endpoints'),
    on('GetItem', 'registry', '#copied'),
    on('GetItem', 'registry', `#heartbeat#${THERE}`),
    ...tableKinds('global').flatMap((kind) => STREAM.map((action) => stream(action, kind))),
    LIST,
    ...QUEUES.map((name) => queue('SendMessage', name)),
  ],
  deliver: [
    ...['GetItem', 'PutItem', 'Query'].map((action) => on(action, 'events')),
    ...['@endpoints', '@dead#ep_1'].flatMap((key) =>
      ['Query', 'PutItem', 'UpdateItem', 'DeleteItem'].map((action) => on(action, 'clients', key)),
    ),
    on('GetItem', 'registry'),
    ...['revoked#webhook', 'revoked#webhook-root', 'stop#writes'].map((key) => item('GetItem', [key])),
    ...['public#webhook', 'public#webhook-root'].map((key) => item('PutItem', [key])),
    ...['webhook', 'webhook-root'].map(secret),
    ...['DeleteMessage', 'GetQueueAttributes', 'ReceiveMessage', 'SendMessage'].map((action) =>
      queue(action, wakeUpsName('live')),
    ),
  ],
  // In strong mode.
  'find-stream': tableKinds('global').flatMap((kind) =>
    ['DescribeTable', 'UpdateTable'].map((action) => on(action, kind)),
  ),
};
const text = ({ action, resource, context = {} }: Try) =>
  `${action} ${resource} ${context['dynamodb:LeadingKeys'] ?? ''}`;

describe.each(EACH)('%s', (name) => {
  const needed = new Set(NEEDS[name].map(text));
  const ask = (asked: Try, config?: ConfigInput) => may(NAMES[name], asked, config);

  it('has every permission that it needs', async () => {
    for (const each of NEEDS[name]) expect([each, await ask(each)]).toEqual([each, true]);
  });

  it("has no other permission on a table, an item or a stream, and none on another Region's or generation's", async () => {
    const actions = [...ITEM_ACTIONS, 'DescribeTable', 'UpdateTable', 'DeleteTable'];
    const keys: Partial<Record<TableKind, readonly string[]>> = {
      clients: ['@endpoints', '@dead#ep_1', 'acme'],
      registry: ['#copied', '#probe#eu-west-1', '#conflict#evt_1', `#heartbeat#${THERE}`, 'acme#id'],
      limits: ITEMS,
    };
    for (const kind of Object.keys(TABLES) as TableKind[])
      for (const action of actions) {
        for (const key of keys[kind] ?? []) {
          const tried = on(action, kind, key);
          const expected = needed.has(text(tried)) || needed.has(text(on(action, kind)));
          expect([tried, await ask(tried)]).toEqual([tried, expected]);
        }
        const tried = on(action, kind);
        expect([tried, await ask(tried)]).toEqual([tried, needed.has(text(tried))]);
        for (const resource of [table(kind, THERE), table(kind, HERE, 2)]) {
          const elsewhere = { ...tried, resource };
          expect([elsewhere, await ask(elsewhere)]).toEqual([elsewhere, false]);
        }
      }
    const streams = tableKinds('global').flatMap((kind) => STREAM.map((action) => stream(action, kind)));
    for (const tried of [...streams, LIST])
      expect([tried, await ask(tried)]).toEqual([tried, needed.has(text(tried))]);
  });

  it('reads the keys of its own purposes, and uses its own queues', async () => {
    for (const purpose of PURPOSES) {
      const tried = secret(purpose);
      expect([tried, await ask(tried)]).toEqual([tried, needed.has(text(tried))]);
    }
    for (const its of [...QUEUES, 'another'])
      for (const action of [
        'SendMessage',
        'ReceiveMessage',
        'DeleteMessage',
        'PurgeQueue',
        'SetQueueAttributes',
      ]) {
        const tried = queue(action, its);
        expect([tried, await ask(tried)]).toEqual([tried, needed.has(text(tried))]);
      }
  });

  it("decrypts with its Region's key what it reads, through that service alone", async () => {
    const uses = (service: string) => NEEDS[name].some(({ action }) => action.startsWith(`${service}:Get`));
    expect(await ask(decrypt('secretsmanager'))).toBe(uses('secretsmanager'));
    expect(await ask(decrypt('dynamodb'))).toBe(uses('dynamodb'));
    for (const each of [decrypt('s3'), decrypt('sqs'), decrypt('dynamodb', { region: THERE })])
      expect([each, await ask(each)]).toEqual([each, false]);
  });

  it('calls no function and takes no role', async () => {
    for (const each of [
      { action: 'lambda:InvokeFunction', resource: functionArn('countersign-live-admin-write') },
      { action: 'sts:AssumeRole', resource: `arn:aws:iam::${ACCOUNT}:role/any` },
      { action: 'lambda:UpdateEventSourceMapping', resource: '*' },
    ])
      expect([each, await ask(each)]).toEqual([each, false]);
  });
});

describe('what calls them', () => {
  const mappings = region.ofType('AWS::Lambda::EventSourceMapping').map(({ Properties }) => Properties);
  const idOf = (type: string, property: string, name: string) =>
    Object.entries(region.resources).find(
      ([, { Type, Properties }]) => Type === type && Properties[property] === name,
    )![0];
  const arn = (id: string) => ({ 'Fn::GetAtt': [id, 'Arn'] });
  const outbox = idOf('AWS::Lambda::Function', 'FunctionName', NAMES.outbox);
  const deliver = idOf('AWS::Lambda::Function', 'FunctionName', NAMES.deliver);
  const refersTo = (value: unknown, id: string) => JSON.stringify(value).includes(`"${id}"`);
  const streams = mappings.filter(({ FunctionName }) => refersTo(FunctionName, outbox));

  it('each stream from its beginning, in batches whose first failure is told, split where the function fails', () => {
    expect(streams).toHaveLength(tableKinds('global').length);
    for (const mapping of streams) {
      expect(mapping).toMatchObject({
        StartingPosition: 'TRIM_HORIZON',
        BatchSize: 100,
        BisectBatchOnFunctionError: true,
        FunctionResponseTypes: ['ReportBatchItemFailures'],
        DestinationConfig: {
          OnFailure: { Destination: arn(idOf('AWS::SQS::Queue', 'QueueName', outboxFailedName('live'))) },
        },
      });
      // An hour before its stream forgets it, which no queue would be told of.
      expect(mapping.MaximumRecordAgeInSeconds).toBe(23 * 3600);
      for (const name of ['MaximumRetryAttempts', 'Enabled']) expect(mapping).not.toHaveProperty(name);
      const [source, attribute] = mapping.EventSourceArn['Fn::GetAtt'];
      expect([region.resources[source]!.Type, attribute]).toEqual(['Custom::CountersignStream', 'StreamArn']);
    }
    const named = streams.map(
      ({ EventSourceArn }) => region.resources[EventSourceArn['Fn::GetAtt'][0]]!.Properties.TableName,
    );
    expect(named).toEqual(tableKinds('global').map((kind) => tableName('live', kind)));
  });

  it('records of registrations, tombstones, conflicts, states and keys, and no others', () => {
    const patterns = streams.map(({ FilterCriteria }) =>
      FilterCriteria.Filters.map(({ Pattern }: { Pattern: string }) => JSON.parse(Pattern).dynamodb),
    );
    const number = (name: string) => ({ NewImage: { [name]: { N: [{ exists: true }] } } });
    expect(patterns).toEqual([
      [number('created_at'), number('deleted_at'), { NewImage: { lost: { S: [{ exists: true }] } } }],
      [{ Keys: { sk: { S: ['state', { prefix: 'key#' }] } } }],
    ]);
  });

  it('the queue of wake-ups, one at a time, fifty at once, and its messages stay hidden for as long as six calls', () => {
    const wakeUps = idOf('AWS::SQS::Queue', 'QueueName', wakeUpsName('live'));
    const [mapping] = mappings.filter(({ EventSourceArn }) => refersTo(EventSourceArn, wakeUps));
    expect(refersTo(mapping.FunctionName, deliver)).toBe(true);
    expect(mapping).toMatchObject({
      BatchSize: 1,
      ScalingConfig: { MaximumConcurrency: 50 },
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    });
    const { Timeout } = region.resources[deliver]!.Properties;
    const { VisibilityTimeout, MessageRetentionPeriod } = region.resources[wakeUps]!.Properties;
    expect(VisibilityTimeout).toBeGreaterThanOrEqual(6 * Timeout);
    expect(MessageRetentionPeriod).toBe(1200);
    expect(mappings).toHaveLength(streams.length + 1);
  });

  it.each([
    [undefined, 50],
    [100, 25],
    [10, 2],
    [4, 2],
  ])('with a quota of %s functions at once, %s turns at once', (concurrencyQuota, MaximumConcurrency) => {
    const { region } = synthesise({ ...PROD, ...(concurrencyQuota && { concurrencyQuota }) });
    const [limited] = region
      .ofType('AWS::Lambda::EventSourceMapping')
      .flatMap(({ Properties }) => Properties.ScalingConfig ?? []);
    expect(limited).toEqual({ MaximumConcurrency });
  });

  it('delivery wakes itself, and Lambda lets it; no other function may call itself', () => {
    const loops = region
      .ofType('AWS::Lambda::Function')
      .filter(({ Properties }) => Properties.RecursiveLoop !== undefined)
      .map(({ Properties: { FunctionName, RecursiveLoop } }) => [FunctionName, RecursiveLoop]);
    expect(loops).toEqual([[NAMES.deliver, 'Allow']]);
  });

  it('a call of a schedule that failed, or that waited for longer than the interval, is not repeated', () => {
    const retries = Object.fromEntries(
      region.ofType('AWS::Lambda::EventInvokeConfig').map(({ Properties }) => {
        const { FunctionName, MaximumRetryAttempts, MaximumEventAgeInSeconds } = Properties;
        return [
          region.resources[FunctionName.Ref]!.Properties.FunctionName,
          [MaximumRetryAttempts, MaximumEventAgeInSeconds],
        ];
      }),
    );
    const scheduled = region
      .ofType('AWS::Events::Rule')
      .map(({ Properties: { Targets, ScheduleExpression } }) => {
        const [{ Arn, RetryPolicy }] = Targets;
        expect(RetryPolicy).toMatchObject({ MaximumRetryAttempts: 0 });
        const interval = { 'rate(1 minute)': 60, 'rate(10 minutes)': 600, 'rate(1 hour)': 3600 }[
          ScheduleExpression as string
        ];
        return [region.resources[Arn['Fn::GetAtt'][0]]!.Properties.FunctionName, [0, interval]];
      });
    expect(scheduled).toHaveLength(4);
    expect(retries).toEqual(Object.fromEntries(scheduled));
  });

  it('schedules: delivery every minute, the outbox every ten', () => {
    const rules = region.ofType('AWS::Events::Rule').map(({ Properties }) => Properties);
    const scheduled = (id: string) =>
      rules
        .filter(({ Targets }) => refersTo(Targets, id))
        .map(({ ScheduleExpression }) => ScheduleExpression);
    expect(scheduled(deliver)).toEqual(['rate(1 minute)']);
    expect(scheduled(outbox)).toEqual(['rate(10 minutes)']);
  });

  it('they are in no VPC, also where Vault is in one', () => {
    const network = {
      vpcId: 'vpc-0a1b2c3d',
      subnetIds: ['subnet-0a1b2c3d'],
      securityGroupIds: ['sg-0a1b2c3d'],
    };
    const [home] = PROD.regions;
    const { witnessRegion: _, ...single } = { ...PROD, regions: [home!], vault: { ...PROD.vault, network } };
    const inside = synthesise(single).region;
    const of = (name: string) =>
      inside.ofType('AWS::Lambda::Function').find(({ Properties }) => Properties.FunctionName === name)!;
    for (const name of Object.values(NAMES)) expect(of(name).Properties).not.toHaveProperty('VpcConfig');
  });
});

describe('alarms', () => {
  const alarm = (name: string) =>
    region
      .ofType('AWS::CloudWatch::Alarm')
      .map(({ Properties }) => Properties)
      .find(({ AlarmName }) => AlarmName === `countersign-live-${name}`)!;
  const silence = {
    ComparisonOperator: 'LessThanOrEqualToThreshold',
    Threshold: 0,
    TreatMissingData: 'breaching',
  };

  it('every error that the functions log is counted by an alarm', () => {
    // The alarms on lateness and on the custom resource's failure find the others, and 410 is an answer.
    const elsewhere = ['events', 'other_table', 'stream', 'endpoint_gone'];
    const counted = new Map(
      region
        .ofType('AWS::Logs::MetricFilter')
        .map(({ Properties: { FilterPattern, MetricTransformations } }) => [
          /\$\.reason = "(\w+)"/.exec(FilterPattern)?.[1],
          MetricTransformations[0].MetricName as string,
        ]),
    );
    const watched = JSON.stringify(region.ofType('AWS::CloudWatch::Alarm'));
    const files = readdirSync(CALLBACKS).map((file) => readFileSync(new URL(file, CALLBACKS), 'utf8'));
    const lines = files.flatMap((text) => text.match(/level: 'ERROR',[^}]*/g) ?? []);
    const reasons = lines.flatMap((line) => {
      const [, reason] = /reason: ['`](\w+)/.exec(line)!;
      return reason === 'endpoint_' ? ['endpoint_disabled', 'endpoint_gone'] : [reason!];
    });
    expect(reasons).toContain('turn');
    for (const reason of reasons.filter((each) => !elsewhere.includes(each))) {
      expect([reason, counted.get(reason)]).toEqual([reason, expect.any(String)]);
      expect(watched).toContain(`"MetricName":"${counted.get(reason)}"`);
    }
  });

  it('a schedule that stops is noticed, whoever else calls the function', () => {
    for (const [name, rule, period] of [
      ['callbacks-late-silent', NAMES.deliver, 300],
      ['events-late-silent', NAMES.outbox, 1200],
    ] as const) {
      const { Metrics, ...rest } = alarm(name);
      expect(rest).toMatchObject(silence);
      const [math, ...used] = Metrics;
      expect(math.Expression).toBe('FILL(calls, 0) - FILL(failed, 0)');
      expect(used.map(({ MetricStat }: Record<string, unknown>) => MetricStat)).toEqual(
        ['Invocations', 'FailedInvocations'].map((MetricName) => ({
          Metric: { Namespace: 'AWS/Events', MetricName, Dimensions: [{ Name: 'RuleName', Value: rule }] },
          ...{ Period: period, Stat: 'Sum' },
        })),
      );
    }
  });

  it('a stream that nobody reads is noticed, also while nothing changes', () => {
    const mappings = Object.entries(region.resources).filter(
      ([, { Type, Properties }]) => Type === 'AWS::Lambda::EventSourceMapping' && Properties.StartingPosition,
    );
    expect(mappings).toHaveLength(2);
    for (const [id, { Properties }] of mappings) {
      expect(Properties.MetricsConfig).toEqual({ Metrics: ['EventCount'] });
      const kind =
        region.resources[Properties.EventSourceArn['Fn::GetAtt'][0]]!.Properties.TableName.split('-')[2];
      expect(alarm(`events-late-unread-${kind}`)).toMatchObject({
        ...silence,
        ...{ Namespace: 'AWS/Lambda', MetricName: 'PolledEventCount', Statistic: 'SampleCount' },
        Dimensions: [{ Name: 'EventSourceMappingUUID', Value: { Ref: id } }],
        EvaluationPeriods: 3,
      });
    }
  });

  it('a stage of kind dev, without these alarms, has no metrics of mappings', () => {
    for (const { Properties } of synthesise().region.ofType('AWS::Lambda::EventSourceMapping'))
      expect(Properties).not.toHaveProperty('MetricsConfig');
  });
});

it('tables that were in use before keep their mapping, and the right to read them; the next ones have none', async () => {
  const other = (generation: number) => ({ generation, regions: [HERE, THERE] });
  const before = { ...PROD, tables: { generation: 1, other: other(2) } };
  const after = { ...PROD, tables: { generation: 2, other: other(1) } };
  const mappings = (config: ConfigInput) => {
    const { resources } = synthesise(config).region;
    return Object.entries(resources).flatMap(([id, { Properties }]) =>
      Properties.StartingPosition === undefined
        ? []
        : [[resources[Properties.EventSourceArn['Fn::GetAtt'][0]]!.Properties.TableName, id]],
    );
  };
  const named = (generation: number) =>
    tableKinds('global').map((kind) => tableName('live', kind, generation));
  expect(mappings(before).map(([name]) => name)).toEqual(named(1));
  expect(mappings(after).map(([name]) => name)).toEqual([...named(2), ...named(1)]);
  // CloudFormation leaves it alone: a new mapping would read a day's changes again, and its stream has one.
  for (const each of mappings(before)) expect(mappings(after)).toContainEqual(each);
  for (const kind of tableKinds('global')) {
    const read = { action: 'dynamodb:GetRecords', resource: `${table(kind)}/stream/2026-11-28T00:00:00.000` };
    expect(await may(NAMES.outbox, read, after)).toBe(true);
    for (const action of ['GetItem', 'PutItem', 'Query', 'Scan', 'UpdateItem'])
      expect(await may(NAMES.outbox, on(action, kind), after)).toBe(false);
    // Its mode was not strong: two Regions without a witness.
    expect(await may(NAMES['find-stream'], on('DescribeTable', kind), after)).toBe(true);
    expect(await may(NAMES['find-stream'], on('UpdateTable', kind), after)).toBe(false);
  }
});

it('an eventual stage has the same, but changes no table: each replica has its stream', async () => {
  const config = eventual(PROD);
  for (const name of EACH)
    for (const each of NEEDS[name])
      expect([each, await may(NAMES[name], each, config)]).toEqual([
        each,
        each.action !== 'dynamodb:UpdateTable',
      ]);
});

it('in an eventual stage the outbox also writes what Regions tell each other, and nothing else', async () => {
  const config = eventual(PROD);
  const own = ['#conflict#evt_1', `#heartbeat#${HERE}`];
  for (const key of [...own, `#heartbeat#${THERE}`, '#copied', '#probe#eu-west-1', 'acme#id']) {
    const tried = on('PutItem', 'registry', key);
    expect([key, await may(NAMES.outbox, tried, config)]).toEqual([key, own.includes(key)]);
    expect([key, await may(NAMES.outbox, tried)]).toEqual([key, false]);
  }
});
