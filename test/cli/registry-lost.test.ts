/** `countersign registry copy --without`: a stage gets other tables although it lost a Region for good. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateTableCommand, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterEach, expect, it } from 'vitest';
import { BadAnswer, Refused } from '../../cli/admin.ts';
import { awsError } from '../../cli/aws-error.ts';
import type { DeployParts } from '../../cli/deploy/run.ts';
import { deploySteps } from '../../cli/deploy/steps.ts';
import { mustBeCopied } from '../../cli/deploy/switch.ts';
import { CliError, EXIT } from '../../cli/io.ts';
import { KINDS } from '../../cli/registry/items.ts';
import { markedAt } from '../../cli/registry/lost.ts';
import { readMark } from '../../cli/registry/mark.ts';
import { createRegistry } from '../../lambda/adapters/registry.ts';
import { type DeployPlan, deployPlanFile } from '../../lambda/contract/deploy-plan.ts';
import { WRITE_STOP_SETTLE_MS } from '../../lambda/contract/limits.ts';
import { PROBE_PREFIX, TABLES, tableName } from '../../lambda/contract/names.ts';
import { LOCK_CONTEXT } from '../../lib/config/lock.ts';
import type { ConfigInput } from '../../lib/config/schema.ts';
import { RegistrationPlatform } from '../../lib/platform.ts';
import { AwsError } from '../../local/aws/protocol.ts';
import { dynamodbClientOn } from '../../local/dynamodb/client.ts';
import { startPlatform } from '../../local/platform.ts';
import { newApp } from '../../scripts/app.ts';
import { PROD } from '../lib/synth.ts';
import { HOME, NEW, OLD, OTHER, REGIONS, registration, T0, type World, world } from '../support/tables.ts';
import { Directory } from './cli.ts';

const THIRD = 'eu-west-2';
const MINUTE_MS = 60_000;
const { signal } = new AbortController();
const options = { regions: [HOME], without: [OTHER] };
/** The mark that a Region's health checks and first writes leave. */
const marked = (at: World, region: string, atMs: number, by = HOME) =>
  at.put(OLD, { pk: { S: `${PROBE_PREFIX}${region}` }, probed_at: { N: String(atMs) } }, by);
const markOf = (at: World) =>
  readMark({ dynamodb: dynamodbClientOn(at.store, HOME), region: HOME, table: NEW, signal });

it.each(['strong', 'eventual'] as const)(
  'a lost Region of a %s stage is left out: the copy of the others is complete, and says what is not known',
  async (mode) => {
    const at = await world(mode);
    marked(at, OTHER, T0 - 60 * MINUTE_MS);
    // Its replica of the next tables is one of a Region that serves then.
    if (mode === 'eventual') for (const table of at.store.replicated().eventual) table.cutOff(OTHER);
    at.lose(OTHER);
    await expect(at.copy()).rejects.toMatchObject({ exitCode: EXIT.unreachable });
    await expect(at.copy({ regions: [HOME] })).rejects.toThrow(/stage also has eu-central-1.* --without/);
    expect(await at.copy(options)).toMatchObject({
      complete: true,
      stopped: true,
      tables: [{ from_region: HOME, may_be_missing: [] }, {}],
      without: [
        {
          region: OTHER,
          error: `${OTHER}: no answer in time`,
          marked_at: new Date(T0 - 60 * MINUTE_MS).toISOString(),
        },
      ],
    });
    at.expectCopied();
    // A switch in which the Region takes part, since it is back, finds no stop of it.
    expect(await markOf(at)).toEqual({
      from: OLD,
      stops: { [HOME]: at.shown[HOME]!.stopped_at },
      without: { [OTHER]: new Date(T0 - 60 * MINUTE_MS).toISOString() },
    });
  },
);

const refused = (name: string, status: number) =>
  awsError(Object.assign(new Error('no'), { name, $metadata: { httpStatusCode: status } }), OTHER);
it.each<[string, (at: World) => void, string | RegExp, number]>([
  ['answers', () => {}, `${OTHER} answers: stop its writes, too`, EXIT.usage],
  [
    'cannot say whether its writes are stopped',
    ({ answers }) => {
      answers[OTHER] = () => new Refused('limits', 'unavailable');
    },
    /is there, and refuses or fails, so it may still register \(limits/,
    EXIT.failed,
  ],
  [
    'refuses the credentials',
    ({ answers }) => {
      answers[OTHER] = () => refused('AccessDeniedException', 403);
    },
    'is there, and refuses',
    EXIT.failed,
  ],
  [
    'has a function for operators that fails: another may register',
    ({ answers }) => {
      answers[OTHER] = () => new BadAnswer(EXIT.unreachable, 'admin-read failed');
    },
    /is there, and refuses or fails, .*\(admin-read failed\)/,
    EXIT.failed,
  ],
  [
    "left its mark a minute ago, whatever the operator's clock says",
    (at) => {
      at.operatorMs = T0 + 60 * MINUTE_MS;
      marked(at, OTHER, T0 - MINUTE_MS);
      at.lose(OTHER);
    },
    /left its mark in the tables 1 min ago/,
    EXIT.failed,
  ],
  [
    'left its mark a minute ago: it is cut off from the operator alone',
    (at) => {
      marked(at, OTHER, T0 - MINUTE_MS);
      at.lose(OTHER);
    },
    /left its mark in the tables 1 min ago, so it may still register: run this again once that is 2 min ago/,
    EXIT.failed,
  ],
  [
    'is the only one whose writes are stopped',
    (at) => {
      at.lose(OTHER);
      at.shown[HOME] = { ...at.shown[HOME]!, stopped_at: null, stopped_ms: null };
    },
    `writes go on in ${HOME}`,
    EXIT.failed,
  ],
])('a Region that %s is not left out, and nothing is copied', async (_, prepare, message, exitCode) => {
  const at = await world();
  prepare(at);
  await expect(at.copy(options)).rejects.toMatchObject({
    message: expect.stringMatching(message),
    exitCode,
  });
  expect([at.items(NEW), await markOf(at)]).toEqual([[], undefined]);
});

it('a Region without the function has no one who registers', async () => {
  const at = await world();
  at.answers[OTHER] = () => refused('ResourceNotFoundException', 404);
  expect(await at.copy(options)).toMatchObject({ complete: true, without: [{ marked_at: null }] });
});

it('a Region that leaves its mark while the tables are copied is alive, and the copy proves nothing', async () => {
  const at = await world();
  const { carry } = at;
  at.answers[OTHER] = () => new CliError(EXIT.unreachable, 'no answer');
  at.carry = async (call, store) => {
    if (call.operation === 'PutItem') marked(at, OTHER, T0, OTHER);
    return carry(call, store);
  };
  const { complete, stopped, tables } = await at.copy(options);
  expect(tables.every(({ equal }) => equal)).toBe(true);
  expect([complete, stopped, await markOf(at)]).toEqual([false, false, undefined]);
});

it.each([
  [{ ...options, from: OTHER }, `--from: ${OTHER} is left out by --without`],
  [{ regions: REGIONS, without: ['eu-north-1'] }, '--without: the stage has no Region eu-north-1'],
])('refuses what cannot be meant, such as a lost Region as the source: %j', async (change, message) => {
  const at = await world();
  await expect(at.copy(change)).rejects.toMatchObject({
    message: expect.stringContaining(message),
    exitCode: EXIT.usage,
  });
});

it('of three Regions, the one that is cut off is no source: the others are the table', async () => {
  const at = await world('eventual', [HOME, OTHER, THIRD]);
  const tables = at.store.replicated().eventual;
  for (const table of tables) table.deliverAll();
  for (const table of tables.slice(0, 2)) table.cutOff(THIRD);
  at.put(OLD, registration('alone'), THIRD);
  await expect(at.copy({ from: THIRD })).rejects.toMatchObject({
    message: `--from: ${THIRD} is cut off: ${OLD} replicates between ${HOME}, ${OTHER} without it. Name one of those`,
    exitCode: EXIT.usage,
  });
  expect(at.items(NEW)).toEqual([]);
  const { carry } = at;
  at.carry = async (call, store) => {
    for (const table of store.replicated().eventual.slice(2)) table.deliverAll();
    return carry(call, store);
  };
  expect(await at.copy({ from: OTHER })).toMatchObject({
    complete: true,
    tables: [{ left_behind: [{ region: THIRD, items: 4 }] }, {}],
  });
});

const made: string[] = [];
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true });
});

/** Synthesises the project, as `countersign deploy` does, beside its lock file. @returns the plan */
function planOf(config: ConfigInput, lockFile: string, write = false): DeployPlan {
  const outdir = mkdtempSync(join(tmpdir(), 'countersign-lost-'));
  made.push(outdir);
  const app = newApp(outdir);
  app.node.setContext(LOCK_CONTEXT, write ? 'write' : 'check');
  new RegistrationPlatform(app, 'Platform', { ...config, lockFile });
  app.synth();
  return JSON.parse(readFileSync(join(outdir, deployPlanFile('live')), 'utf8'));
}

it('the whole way: a strong stage loses a Region for good, and goes on with another in its place', async () => {
  const at = await world('strong', REGIONS, [THIRD]);
  const folder = mkdtempSync(join(tmpdir(), 'countersign-lost-'));
  made.push(folder);
  const lockFile = join(folder, 'countersign.lock.json');
  planOf(PROD, lockFile, true);
  at.lose(OTHER);

  // The next tables, in other Regions. The home stack makes them, and no stack of the lost Region is needed.
  const [home] = PROD.regions as [{ name: string }];
  const next = { generation: 2, regions: [HOME, THIRD], witnessRegion: 'eu-west-3' };
  const beside: ConfigInput = { ...PROD, tables: { other: next } };
  planOf(beside, lockFile, true);
  const first = planOf(beside, lockFile);
  const without = { without: [OTHER] };
  expect(deploySteps(first, without).stacks.map(({ name }) => name)).toEqual(
    expect.arrayContaining([`countersign-live-base-${THIRD}`, 'countersign-live-home']),
  );

  const switched: ConfigInput = {
    ...PROD,
    regions: [home, { name: THIRD }],
    tables: {
      generation: 2,
      other: { generation: 1, regions: [HOME, OTHER], witnessRegion: 'eu-west-3' },
    },
  };
  // Without a new generation the set stays as it is.
  expect(() => planOf({ ...switched, tables: {} }, lockFile, true)).toThrow(/regions: is frozen/);
  expect(() => planOf(switched, lockFile)).toThrow(/Once `countersign registry copy` has said/);
  planOf(switched, lockFile, true);
  const second = planOf(switched, lockFile);
  const parts = {
    exists: async ({ region }) => region !== THIRD,
    registryIn: async (region) => at.shown[region]?.registry,
    tables: async (region) => {
      if (at.answers[region]) throw at.answers[region]!();
      return at.shown[region]!;
    },
    copied: async (region, table) =>
      readMark({ dynamodb: dynamodbClientOn(at.store, region), region, table, signal }),
    markedAt: async (region, table, of) =>
      markedAt(of, { dynamodb: dynamodbClientOn(at.store, region), region, table, signal }),
  } as Partial<DeployParts> as DeployParts;
  await expect(mustBeCopied(second, second.stacks, [OTHER], parts)).rejects.toThrow(
    `no copy of ${OLD} to ${NEW}`,
  );

  expect(await at.copy(options)).toMatchObject({ complete: true });
  await mustBeCopied(second, second.stacks, [OTHER], parts);
  // It was back for a minute after the copy, and is lost again.
  marked(at, OTHER, T0 - 5 * MINUTE_MS);
  await expect(mustBeCopied(second, second.stacks, [OTHER], parts)).rejects.toThrow(
    `${OTHER}, which the copy left out, was back: it left its mark in ${OLD} at ${new Date(T0 - 5 * MINUTE_MS).toISOString()}, `,
  );
  expect(await at.copy(options)).toMatchObject({ complete: true });
  await mustBeCopied(second, second.stacks, [OTHER], parts);
  // It is back in time, and serves: what it registers would be lost.
  delete at.answers[OTHER];
  at.shown[OTHER] = { ...at.shown[OTHER]!, stopped_at: null, stopped_ms: null };
  await expect(mustBeCopied(second, second.stacks, [OTHER], parts)).rejects.toThrow(
    `${OTHER} answers, and writes go on there`,
  );

  // The new Region serves what the lost one registered, and registers.
  const registry = createRegistry(dynamodbClientOn(at.store, THIRD), NEW, {
    region: THIRD,
    consistency: 'strong',
    clockErrorMs: 2_000,
  });
  expect(await registry.read('acme', 'id-a')).toMatchObject({ userId: 'a' });
  const user = { id: 'id-n', clientId: 'acme', userId: 'n', createdAtMs: T0, data: { user_id: 'n' } };
  await registry.register(user, T0);
  expect(await registry.read('acme', 'id-n')).toMatchObject({ userId: 'n' });
});

it('the commands do it on a platform that has lost a Region', async () => {
  const directory = new Directory();
  let lost = false;
  let nowMs = Date.now() - 60 * MINUTE_MS;
  const platform = await startPlatform({
    port: 0,
    nowMs: () => nowMs,
    awsFault: ({ region, service }) =>
      lost && region === 'local-b' && ['lambda', 'dynamodb'].includes(service)
        ? new AwsError('ServiceException', 'lost', 500)
        : undefined,
  });
  const dynamodb = new DynamoDBClient({
    endpoint: platform.info.awsEndpoint,
    region: 'local-a',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const registry = (...args: string[]) => directory.run(['registry', ...args]);
  try {
    mkdirSync(`${directory.path}/.countersign`);
    directory.write('.countersign/local.json', JSON.stringify(platform.info));
    for (const kind of KINDS) await dynamodb.send(new CreateTableCommand(created(kind)));
    expect((await registry('stop-writes')).code).toBe(0);
    expect((await registry('resume-writes')).code).toBe(0);
    lost = true;
    const stopped = await registry('stop-writes');
    expect([stopped.code, stopped.stdout]).toEqual([1, 'writes are stopped: local-a\n']);
    nowMs += Math.max(WRITE_STOP_SETTLE_MS, 2 * MINUTE_MS);
    const copied = await registry('copy', '--to-generation', '2', '--without', 'local-b');
    expect([copied.code, copied.stdout]).toEqual([0, expect.stringMatching(/\ncomplete and equal\n$/)]);
    expect(copied.stderr).toMatch(
      /^note: local-b was left out \(.*\)\. It last left its mark in the tables at \d{4}-.*Z\. Whether it registers is not known/m,
    );
    // The next table has something that is newer, so it is left.
    const Item = { pk: { S: 'dev' }, sk: { S: 'client' }, created_at: { N: '9999999999999' } };
    await dynamodb.send(new PutItemCommand({ TableName: tableName('local', 'clients', 2), Item }));
    const unequal = await registry('copy', '--to-generation', '2', '--without', 'local-b');
    expect([unequal.code, unequal.stderr]).toEqual([
      1,
      expect.stringContaining(
        'error: countersign-local-clients-1 in local-a and countersign-local-clients-2 in local-a are not equal\n',
      ),
    ]);
    const none = await registry('copy', '--to-generation', '2', '--without', 'local-a,local-b');
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('leaves no Region')]);
  } finally {
    dynamodb.destroy();
    directory.remove();
    await platform.stop();
  }
});

const created = (kind: (typeof KINDS)[number]) => ({
  TableName: tableName('local', kind, 2),
  BillingMode: 'PAY_PER_REQUEST' as const,
  AttributeDefinitions: TABLES[kind].keys.map((AttributeName) => ({
    AttributeName,
    AttributeType: 'S' as const,
  })),
  KeySchema: TABLES[kind].keys.map((AttributeName, i) => ({
    AttributeName,
    KeyType: i === 0 ? ('HASH' as const) : ('RANGE' as const),
  })),
});
