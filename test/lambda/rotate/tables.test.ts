/** How keys-watch judges whether the shared tables are still replicated. */
import type { TableDescription } from '@aws-sdk/client-dynamodb';
import { expect, it } from 'vitest';
import type { Dynamodb } from '../../../lambda/adapters/aws/commands.ts';
import type { LogEntry } from '../../../lambda/contract/log-entry.ts';
import { tablesWatchHandler } from '../../../lambda/rotate/watch/tables.ts';

const [HERE, THERE, FAR] = ['eu-central-1', 'eu-west-1', 'eu-north-1'];
const TABLES = ['registry', 'clients'];

/** Runs the check; each table answers with its description, or fails. */
async function watch(
  describe: (table: string) => TableDescription | Error,
  regions: readonly string[] = [HERE, THERE, FAR],
): Promise<{ lines: LogEntry[]; failure: unknown; asked: string[] }> {
  const lines: LogEntry[] = [];
  const asked: string[] = [];
  const dynamodb = {
    async send({ operation, input }: { operation: string; input: { TableName: string } }) {
      asked.push(`${operation} ${input.TableName}`);
      const answer = describe(input.TableName);
      if (answer instanceof Error) throw answer;
      return { Table: answer };
    },
  } as unknown as Dynamodb;
  const check = tablesWatchHandler({
    dynamodb,
    region: HERE,
    regions,
    tables: TABLES,
    log: (e) => lines.push(e),
  });
  const failure = await check().catch((error: unknown) => error);
  return { lines, failure, asked };
}

const replicas = (states: Readonly<Record<string, string>>, TableStatus = 'ACTIVE') =>
  ({
    TableStatus,
    Replicas: Object.entries(states).map(([RegionName, ReplicaStatus]) => ({ RegionName, ReplicaStatus })),
  }) as TableDescription;
const found = ({ lines }: { lines: LogEntry[] }) =>
  lines.map(({ target, reason, region }) => [target, reason, region]);

it.each([
  ['', {}],
  [', with its own Region among the replicas', { [HERE]: 'ACTIVE' }],
])('reports nothing about tables that are replicated%s', async (_, own) => {
  const { lines, failure, asked } = await watch(() =>
    replicas({ ...own, [THERE]: 'ACTIVE', [FAR]: 'UPDATING' }),
  );
  expect([lines, failure, asked]).toEqual([
    [],
    undefined,
    ['DescribeTable registry', 'DescribeTable clients'],
  ]);
});

it.each([
  ['no replica', {}],
  ['its own alone', { [HERE]: 'ACTIVE' }],
])('a Region whose table has %s is itself cut off', async (_, states) => {
  const seen = await watch((table) =>
    replicas(table === 'registry' ? states : { [THERE]: 'ACTIVE', [FAR]: 'ACTIVE' }),
  );
  expect(found(seen)).toEqual([['registry', 'replica_cut_off', HERE]]);
  expect(seen.lines[0]).toMatchObject({ level: 'WARN', message: 'table' });
});

it('another Region that is no replica any more is named', async () => {
  expect(
    found(
      await watch((table) =>
        replicas(table === 'clients' ? { [THERE]: 'ACTIVE' } : { [THERE]: 'ACTIVE', [FAR]: 'ACTIVE' }),
      ),
    ),
  ).toEqual([['clients', 'replica_cut_off', FAR]]);
});

it.each(['INACCESSIBLE_ENCRYPTION_CREDENTIALS', 'REGION_DISABLED'])(
  'a replica that is %s will be cut off: it is reported while there is time',
  async (state) => {
    expect(found(await watch(() => replicas({ [THERE]: 'ACTIVE', [FAR]: state })))).toEqual(
      TABLES.map((table) => [table, 'replica_inaccessible', FAR]),
    );
    expect(found(await watch(() => replicas({ [THERE]: 'ACTIVE', [FAR]: 'ACTIVE' }, state)))).toEqual(
      TABLES.map((table) => [table, 'replica_inaccessible', HERE]),
    );
  },
);

it('a table that cannot be described fails the check, after the other one was checked', async () => {
  const denied = Object.assign(new Error('no'), { name: 'AccessDeniedException' });
  const { lines, failure } = await watch((table) =>
    table === 'registry' ? denied : replicas({ [THERE]: 'ACTIVE' }),
  );
  expect(failure).toMatchObject({ message: '1 of 2 tables could not be checked' });
  expect(lines).toMatchObject([
    { level: 'ERROR', message: 'table', target: 'registry', error: 'AccessDeniedException' },
    { level: 'WARN', target: 'clients', reason: 'replica_cut_off', region: FAR },
  ]);
});

it('of two Regions whose tables do not see each other, both are named: neither can tell which was cut off', async () => {
  const seen = await watch(
    (table) => replicas(table === 'registry' ? {} : { [THERE]: 'ACTIVE' }),
    [HERE, THERE],
  );
  expect(found(seen)).toEqual([
    ['registry', 'replica_cut_off', HERE],
    ['registry', 'replica_cut_off', THERE],
  ]);
});

it('a stage with one Region has no replicas, but its tables may become unusable', async () => {
  expect((await watch(() => replicas({}), [HERE])).lines).toEqual([]);
  for (const state of ['INACCESSIBLE_ENCRYPTION_CREDENTIALS', 'ARCHIVING', 'ARCHIVED'])
    expect(found(await watch(() => replicas({}, state), [HERE]))).toEqual(
      TABLES.map((table) => [table, 'replica_inaccessible', HERE]),
    );
});
