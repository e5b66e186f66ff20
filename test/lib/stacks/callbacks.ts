/** The functions behind events and callbacks: what their roles allow, and what calls them. */
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
      ['GetItem', 'Query', 'PutItem', 'UpdateItem', 'DeleteItem'].map((action) => on(action, 'clients', key)),
    ),
    on('GetItem', 'registry'),
    ...['revoked#webhook', 'revoked#webhook-root', 'stop#writes'].map((key) => item('GetItem', [key])),
    item('PutItem', ['public#webhook']),
    ...['webhook', 'webhook-root'].map(secret),
    ...['DeleteMessage', 'GetQueueAttributes', 'ReceiveMessage', 'SendMessage'].map((action) =>
      queue(action, wakeUpsName('live')),
    ),
  ],
  'find-stream': tableKinds('global').map((kind) => on('DescribeTable', kind)),
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
      // A record is tried for as long as its stream has it.
      for (const name of ['MaximumRetryAttempts', 'MaximumRecordAgeInSeconds', 'Enabled'])
        expect(mapping).not.toHaveProperty(name);
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

it('in an eventual stage the outbox also writes what Regions tell each other, and nothing else', async () => {
  const config = eventual(PROD);
  for (const name of EACH)
    for (const each of NEEDS[name])
      expect([each, await may(NAMES[name], each, config)]).toEqual([each, true]);
  const own = ['#conflict#evt_1', `#heartbeat#${HERE}`];
  for (const key of [...own, `#heartbeat#${THERE}`, '#copied', '#probe#eu-west-1', 'acme#id']) {
    const tried = on('PutItem', 'registry', key);
    expect([key, await may(NAMES.outbox, tried, config)]).toEqual([key, own.includes(key)]);
    expect([key, await may(NAMES.outbox, tried)]).toEqual([key, false]);
  }
});
