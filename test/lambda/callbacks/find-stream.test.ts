/** How the custom resource finds the stream of a Region's replica. */
import { expect, it } from 'vitest';
import { type FindStreamRequest, findStreamHandler } from '../../../lambda/callbacks/find-stream.ts';
import {
  type DescribedTable,
  STREAM_VIEW,
  streamOf,
  type TableStreams,
} from '../../../lambda/callbacks/table-stream.ts';
import { LONGEST_SEARCH_MS } from '../../../lambda/contract/defaults.ts';
import type { LogEntry } from '../../../lambda/contract/log-entry.ts';
import { Dynamodb } from '../../../local/dynamodb/dynamodb.ts';

const T0 = Date.UTC(2026, 10, 28);
const StreamSpecification = { StreamEnabled: true, StreamViewType: STREAM_VIEW };
const on: DescribedTable = { TableStatus: 'ACTIVE', StreamSpecification, LatestStreamArn: 'arn:on' };
const off: DescribedTable = { TableStatus: 'ACTIVE', MultiRegionConsistency: 'STRONG' };
const named = (name: string) => Object.assign(new Error(name), { name });

/** @param describe by the time since the start, and by whether the stream was turned on */
function played(
  describe: (ms: number, isTurnedOn: boolean) => DescribedTable,
  turnOn: (ms: number) => void = () => {},
) {
  let nowMs = T0;
  let turns = 0;
  const streams: TableStreams = {
    describe: async () => describe(nowMs - T0, turns > 0),
    async turnOn() {
      turnOn(nowMs - T0);
      turns += 1;
    },
    nowMs: () => nowMs,
    async sleep(ms) {
      nowMs += ms;
    },
  };
  return { found: streamOf('t', streams), tookMs: () => nowMs - T0, turns: () => turns };
}

it('a strong table: the stream is turned on in each Region of its own, and in no other', async () => {
  const regions = ['a', 'b', 'c'];
  const store = new Dynamodb({ regions, modeOf: () => 'strong', nowMs: () => T0 });
  const KeySchema = [{ AttributeName: 'pk', KeyType: 'HASH' }];
  store.ask('a', 'CreateTable', { TableName: 't', KeySchema, StreamSpecification } as never);
  const describe = (region: string) =>
    (store.ask(region, 'DescribeTable', { TableName: 't' }) as { Table: DescribedTable }).Table;
  const find = (region: string) =>
    streamOf('t', {
      describe: async () => describe(region),
      async turnOn(TableName) {
        store.ask(region, 'UpdateTable', { TableName, StreamSpecification });
      },
      nowMs: () => T0,
      sleep: async () => {},
    });
  const made = describe('a').LatestStreamArn;
  expect(made).toMatch(/^arn:aws:dynamodb:a:/);
  for (const region of ['b', 'c']) expect(describe(region)).not.toHaveProperty('LatestStreamArn');
  expect(await find('a')).toBe(made);
  expect(await find('b')).toMatch(/^arn:aws:dynamodb:b:.*\/stream\//);
  expect(await find('b')).toBe(describe('b').LatestStreamArn);
  expect(describe('c')).not.toHaveProperty('StreamSpecification');
});

it('one that is busy, or being turned on, is waited for, and turned on once', async () => {
  const run = played(
    (ms, isTurnedOn) =>
      isTurnedOn && ms > 14_000 ? { ...on, TableStatus: ms < 30_000 ? 'UPDATING' : 'ACTIVE' } : off,
    (ms) => {
      if (ms < 10_000) throw named('ResourceInUseException');
    },
  );
  expect(await run.found).toBe('arn:on');
  expect([run.tookMs(), run.turns()]).toEqual([30_000, 1]);
});

it('a stream that was turned off is none, though its name remains', async () => {
  expect(
    await played((_, isTurnedOn) => (isTurnedOn ? on : { ...off, LatestStreamArn: 'arn:off' })).found,
  ).toBe('arn:on');
});

it('a table that is not strong has the stream that the home stack gave it, or none', async () => {
  const found = (table: DescribedTable) => {
    const run = played(() => table);
    return run.found.then((arn) => [arn, run.turns()]);
  };
  expect(await found({ ...on, TableStatus: 'UPDATING' })).toEqual(['arn:on', 0]);
  expect(await found({ TableStatus: 'ACTIVE', LatestStreamArn: 'arn:off' })).toEqual([undefined, 0]);
});

it('a right that comes some seconds later is waited for; one that does not come is an error', async () => {
  const late = played((ms) => {
    if (ms < 20_000) throw named('AccessDeniedException');
    return on;
  });
  expect(await late.found).toBe('arn:on');
  const never = played(() => {
    throw named('AccessDeniedException');
  });
  await expect(never.found).rejects.toThrow('AccessDeniedException');
  expect(never.tookMs()).toBe(30_000);
});

it('the search ends before the function does', async () => {
  for (const run of [
    played(() => ({ ...off, TableStatus: 'UPDATING' })),
    played(
      () => off,
      () => {
        throw named('ResourceInUseException');
      },
    ),
  ]) {
    await expect(run.found).rejects.toThrow(/not turned on in time|ResourceInUse/);
    expect(run.tookMs()).toBe(LONGEST_SEARCH_MS);
  }
});

const request: FindStreamRequest = {
  ...{ RequestType: 'Create', ResponseURL: 'https://answer', StackId: 's', RequestId: 'r' },
  ...{ LogicalResourceId: 'Stream', ResourceProperties: { TableName: 't' } },
};

it.each<[string, FindStreamRequest['RequestType'], () => Promise<string | undefined>, object, number]>([
  ['found', 'Create', async () => 'arn:on', { Status: 'SUCCESS', Data: { StreamArn: 'arn:on' } }, 0],
  [
    'none',
    'Update',
    async () => undefined,
    { Status: 'FAILED', Reason: expect.stringContaining('home stack') },
    0,
  ],
  [
    'an error',
    'Create',
    async () => {
      throw named('AccessDeniedException');
    },
    { Status: 'FAILED', Reason: expect.stringMatching(/neither found nor turned on in a: AccessDenied/) },
    1,
  ],
  [
    'a deletion, whatever there is',
    'Delete',
    async () => {
      throw new Error('nobody asks');
    },
    { Status: 'SUCCESS' },
    0,
  ],
])('CloudFormation gets an answer: %s', async (_, RequestType, find, expected, errors) => {
  const answers: [string, object][] = [];
  const log: LogEntry[] = [];
  await findStreamHandler({
    streamOf: find,
    answer: async (url, body) => void answers.push([url, JSON.parse(body)]),
    region: 'a',
    log: (entry) => log.push(entry),
  })({ ...request, RequestType });
  const common = { StackId: 's', RequestId: 'r', LogicalResourceId: 'Stream', PhysicalResourceId: 'Stream' };
  expect(answers).toEqual([['https://answer', { ...common, ...expected }]]);
  expect(log).toHaveLength(errors);
});
