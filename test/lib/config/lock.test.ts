import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { projectLock } from '../../../cli/keys/lock.ts';
import { checkLock } from '../../../lib/config/lock.ts';
import { ConfigError, readConfig } from '../../../lib/config/read.ts';
import type { ConfigInput } from '../../../lib/config/schema.ts';
import { CONFIG, eventual, PROD } from '../synth.ts';

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'countersign-lock-'));
  file = join(directory, 'countersign.lock.json');
});
afterEach(() => rmSync(directory, { recursive: true }));

const write = (config: ConfigInput) => checkLock(readConfig(config), { file, write: true });
const lock = () => JSON.parse(readFileSync(file, 'utf8'));
const EVENTUAL = eventual(PROD);

/** @returns the faults, each without the file's path */
function refused(config: ConfigInput, how: { write: boolean } = { write: false }): string[] {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  try {
    checkLock(readConfig(config), { file, ...how });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(existsSync(file) ? readFileSync(file, 'utf8') : undefined).toBe(before);
    const [, ...lines] = error.message.replaceAll(file, 'LOCK').split('\n');
    return lines.map((line) => line.trim());
  }
  return [];
}

it('a stage of kind prod is not synthesised before its lock entry exists, and the message says how to write it', () => {
  expect(refused(PROD)).toEqual([
    'stage.name: LOCK has no entry for live. It keeps what cannot change after the first deploy: ' +
      'write it once with `npx cdk synth -c countersign:lock=write` and commit it',
  ]);
  write(PROD);
  expect(refused(PROD)).toEqual([]);
  expect(lock()).toEqual({
    live: {
      homeRegion: 'eu-west-1',
      consistency: 'strong',
      regions: ['eu-west-1', 'eu-central-1'],
      witnessRegion: 'eu-west-3',
      kmsKeys: { 'eu-west-1': 'made', 'eu-central-1': 'made' },
      ledgers: { 'eu-west-1': 1, 'eu-central-1': 1 },
    },
  });
});

it('a stage of kind dev leaves nothing behind, and has no entry', () => {
  expect(refused(CONFIG)).toEqual([]);
  write(CONFIG);
  expect(existsSync(file)).toBe(false);
});

it('each stage has an entry, and a renamed stage is not silently treated as a new one', () => {
  write(PROD);
  const test: ConfigInput = { ...EVENTUAL, stage: { name: 'test', kind: 'prod' } };
  expect(refused(test)[0]).toContain('no entry for test (it has live; a stage cannot be renamed)');
  write(test);
  expect(Object.keys(lock())).toEqual(['live', 'test']);
});

const [west, central] = PROD.regions as [{ name: string }, { name: string }];
it.each<[string, ConfigInput, ConfigInput, string]>([
  [
    'homeRegion',
    PROD,
    { ...PROD, homeRegion: 'eu-central-1' },
    'homeRegion: is frozen since the first deploy: LOCK has eu-west-1, got eu-central-1; tables and secrets do not move: deploy another stage there and move clients to it',
  ],
  [
    'consistency',
    EVENTUAL,
    PROD,
    'consistency: is frozen since the first deploy: LOCK has eventual, got strong; a table keeps its mode; copy the data into tables of the next generation: docs/upgrade.md, "Other tables"',
  ],
  [
    'strong Regions',
    PROD,
    { ...PROD, regions: [west, { name: 'eu-west-2' }] },
    'regions: is frozen since the first deploy: LOCK has eu-central-1, eu-west-1 and the witness eu-west-3, got eu-west-1, eu-west-2 and the witness eu-west-3; a strongly consistent table keeps its Regions; copy the data into tables of the next generation: docs/upgrade.md, "Other tables"',
  ],
  [
    'the witness',
    PROD,
    { ...PROD, witnessRegion: 'eu-west-2' },
    'regions: is frozen since the first deploy: LOCK has eu-central-1, eu-west-1 and the witness eu-west-3, got eu-central-1, eu-west-1 and the witness eu-west-2; a strongly consistent table keeps its Regions; copy the data into tables of the next generation: docs/upgrade.md, "Other tables"',
  ],
])(
  '%s is frozen; the message has both values and the migration, and writing the lock again does not help',
  (_, before, after, message) => {
    write(before);
    expect(refused(after)).toEqual([message]);
    expect(refused(after, { write: true })).toEqual([message]);
  },
);

it("the order of Regions is the clients' preference, and is not frozen", () => {
  const forth: ConfigInput = { ...PROD, homeRegion: 'eu-west-1' };
  write(forth);
  expect(refused({ ...forth, regions: [central, west] })).toEqual([]);
});

it('an eventual stage adds or removes one Region per deploy, as a global table does', () => {
  write({ ...EVENTUAL, regions: [west] });
  expect(refused(EVENTUAL)).toEqual([]);
  const three: ConfigInput = { ...EVENTUAL, regions: [west, central, { name: 'us-east-1' }] };
  for (const write of [false, true])
    expect(refused(three, { write })[0]).toMatch(
      /^regions: differ from LOCK in more than one: it has eu-west-1, got eu-central-1, eu-west-1, us-east-1\. .* change one, run `countersign region add REGION` or `countersign region remove REGION`, write it into the file with/,
    );
  write(EVENTUAL);
  expect(refused(three)).toEqual([]);
});

it('writing the file is no way to change more than one replica at once, of the tables in use or of others', () => {
  const other = (...regions: string[]): ConfigInput => ({
    ...EVENTUAL,
    tables: { other: { generation: 2, ...(regions.length > 1 && { consistency: 'eventual' }), regions } },
  });
  write(EVENTUAL);
  // Tables that do not exist yet are made with all their replicas.
  expect(refused(other('eu-west-1', 'eu-central-1', 'us-east-1'), { write: true })).toEqual([]);
  expect(refused(other('eu-west-1'), { write: true })[0]).toMatch(
    /^tables\.other\.regions: differ from LOCK in more than one: .* change one, run `countersign deploy`, write/,
  );
  expect(refused(other('eu-west-1', 'us-east-1'), { write: true })).toEqual([]);
  const three: ConfigInput = { ...EVENTUAL, regions: [west, central, { name: 'us-east-1' }] };
  rmSync(file);
  write({ ...EVENTUAL, regions: [west] });
  expect(refused(three, { write: true })).toHaveLength(1);
});

const promotedTo = (managedBy: string, config = PROD): ConfigInput => ({ ...config, keys: { managedBy } });

it('a Region that is added again, or changes its ledger, never uses one that lacks nonces which were used', () => {
  const withLedger = (ledgerGeneration: number): ConfigInput => ({
    ...EVENTUAL,
    regions: [west, { ...central, ledgerGeneration }],
  });
  const unrecorded = (was: number, is: number) => [
    `regions[1].ledgerGeneration: changes on a live stage: LOCK has ${was}, got ${is}. Write it with ` +
      '`npx cdk synth -c countersign:lock=write` and commit it before you deploy, so that the stage never goes back to a ' +
      'ledger that it left',
  ];
  write(withLedger(1));
  // Deployed without the record, it could go back to an empty ledger of the earlier name.
  expect(refused(withLedger(2))).toEqual(unrecorded(1, 2));
  write(withLedger(2));
  expect(refused(withLedger(2))).toEqual([]);
  expect(refused(withLedger(1), { write: true })).toEqual([
    'regions[1].ledgerGeneration: must be 2 or more, got 1: LOCK has generation 2 in use, and an earlier one lacks the nonces ' +
      'that were used since',
  ]);
  write({ ...EVENTUAL, regions: [west] });
  expect(lock().live.ledgers).toEqual({ 'eu-west-1': 1, 'eu-central-1': 2 });
  for (const write of [false, true])
    expect(refused(withLedger(2), { write })).toEqual([
      'regions[1].ledgerGeneration: must be 3 or more, got 2: eu-central-1 was removed from the stage, and its used nonces with ' +
        'it: in an empty ledger of that name they would be good again',
    ]);
  expect(refused(withLedger(3))).toEqual(unrecorded(2, 3));
  write(withLedger(3));
  expect(refused(withLedger(3))).toEqual([]);
  expect(lock().live.ledgers).toEqual({ 'eu-west-1': 1, 'eu-central-1': 3 });
});

it('a file that an earlier release wrote knows no ledger, and gets them when it is written', () => {
  write(EVENTUAL);
  const { ledgers: _, ...live } = lock().live;
  writeFileSync(file, JSON.stringify({ live }));
  expect(refused(EVENTUAL)).toEqual([]);
  write(EVENTUAL);
  expect(lock().live.ledgers).toEqual({ 'eu-west-1': 1, 'eu-central-1': 1 });
});

it('the Region that makes keys is frozen: only a promotion moves it, and no config goes back', () => {
  write(PROD);
  const unknown =
    'keys.managedBy: must be left out: LOCK knows of no promotion. To let eu-central-1 make the keys, run `countersign keys promote --to eu-central-1 --stage live --region eu-west-1,eu-central-1`, which writes it into the file';
  for (const how of [{ write: false }, { write: true }])
    expect(refused(promotedTo('eu-central-1'), how)).toEqual([unknown]);

  // As the command writes it.
  expect(projectLock(directory).write('live', 'eu-central-1').done).toBe(true);
  expect(refused(promotedTo('eu-central-1'))).toEqual([]);
  write(promotedTo('eu-central-1'));
  expect(lock().live.keysManagedBy).toBe('eu-central-1');
  const is = 'keys.managedBy: must be eu-central-1, which the keys were promoted to: LOCK says so, got';
  for (const how of [{ write: false }, { write: true }]) {
    expect(refused(PROD, how)).toEqual([`${is} none`]);
    expect(refused(promotedTo('eu-west-1'), how)).toEqual([
      `${is} eu-west-1. To let eu-west-1 make the keys, run \`countersign keys promote --to eu-west-1 --stage live --region eu-west-1,eu-central-1\``,
    ]);
  }
});

it('a new stage has had no promotion', () => {
  expect(refused(promotedTo('eu-central-1'), { write: true })[0]).toContain('knows of no promotion');
});

it('a promotion leaves what else the file has, and is not written where there is no entry', () => {
  write(PROD);
  write({ ...EVENTUAL, stage: { name: 'test', kind: 'prod' } });
  const before = lock();
  projectLock(directory).write('live', 'eu-central-1');
  expect(lock()).toEqual({ ...before, live: { ...before.live, keysManagedBy: 'eu-central-1' } });
  const text = readFileSync(file, 'utf8');
  expect(projectLock(directory).write('gone', 'eu-central-1')).toMatchObject({ done: false });
  expect(readFileSync(file, 'utf8')).toBe(text);
});

const BESIDE: ConfigInput = { ...PROD, tables: { other: { generation: 2 } } };
const SWITCHED: ConfigInput = { ...PROD, tables: { generation: 2, other: { generation: 1 } } };

it('tables of another generation are recorded before they are created; a second write then takes them into use', () => {
  write(PROD);
  expect(refused(SWITCHED, { write: true })[0]).toMatch(
    /^tables\.generation: changes on a live stage: LOCK has 1 in use, got 2, which has no tables yet/,
  );
  expect(refused(BESIDE)[0]).toMatch(/^tables\.other: LOCK has no tables of generation 2/);
  write(BESIDE);
  expect(refused(BESIDE)).toEqual([]);
  const made = { consistency: 'strong', regions: ['eu-west-1', 'eu-central-1'], witnessRegion: 'eu-west-3' };
  expect(lock().live).toMatchObject({ ...made, other: { generation: 2, ...made } });
  expect(refused(SWITCHED)).toEqual([
    'tables.generation: changes on a live stage: LOCK has 1 in use, got 2. Once `countersign registry copy` has said that ' +
      'the tables are complete and equal, write it with `npx cdk synth -c countersign:lock=write` and commit it',
  ]);
  const alone: ConfigInput = { ...PROD, tables: { generation: 2 } };
  expect(refused(alone, { write: true })).toEqual([
    'tables.other: must keep generation 1, which LOCK has in use, while Regions change to generation 2',
  ]);
  write(SWITCHED);
  expect(lock().live).toMatchObject({ generation: 2, ...made, other: made });
  // The stage may return while the old tables exist, or continue without them.
  expect(refused(BESIDE, { write: true })).toEqual([]);
  write(SWITCHED);
  expect(refused(alone)).toEqual([]);
  write(alone);
  expect(lock().live.other).toBeUndefined();
  expect(refused(PROD, { write: true })[0]).toContain('LOCK has 2 in use, got 1, which has no tables yet');
});

it('each generation has its own frozen settings: a stage changes mode and strong Regions by changing tables', () => {
  const moved: ConfigInput = { ...PROD, regions: [west, { name: 'eu-west-2' }] };
  const toStrong = { generation: 2, consistency: 'strong' as const, witnessRegion: 'eu-west-3' };
  write(EVENTUAL);
  write({ ...EVENTUAL, tables: { other: toStrong } });
  const switched = { generation: 2, other: { generation: 1, consistency: 'eventual' as const } };
  expect(refused({ ...EVENTUAL, tables: switched }, { write: true })[0]).toMatch(
    /^consistency: is frozen .* LOCK has strong, got eventual/,
  );
  const kept = { ...switched.other, regions: ['eu-west-1', 'eu-central-1'] };
  expect(refused({ ...moved, tables: { ...switched, other: kept } }, { write: true })).toEqual([
    expect.stringMatching(/^regions: is frozen/),
  ]);
  expect(
    refused(
      { ...EVENTUAL, tables: { other: { ...toStrong, witnessRegion: 'eu-west-2' } } },
      { write: true },
    )[0],
  ).toMatch(/^tables\.other\.regions: is frozen/);
  expect(
    refused(
      {
        ...PROD,
        tables: {
          generation: 2,
          other: { generation: 1, ...({ consistency: 'strong', witnessRegion: 'eu-west-3' } as const) },
        },
      },
      { write: true },
    )[0],
  ).toMatch(/^tables\.other\.consistency: is frozen/);
  expect(refused({ ...PROD, tables: switched }, { write: true })).toEqual([]);
});

it('one Region becomes three by changing tables', () => {
  const one: ConfigInput = { ...EVENTUAL, regions: [west] };
  const three = ['eu-west-1', 'eu-west-2', 'eu-central-1'];
  write(one);
  write({ ...one, tables: { other: { generation: 2, regions: three } } });
  expect(lock().live.other.consistency).toBe('strong');
  expect(lock().live.kmsKeys).toEqual(Object.fromEntries(three.map((name) => [name, 'made'])));
  const switched: ConfigInput = {
    ...EVENTUAL,
    regions: three.map((name) => ({ name })),
    tables: { generation: 2, other: { generation: 1, regions: ['eu-west-1'] } },
  };
  expect(refused(switched, { write: true })).toEqual([]);
});

it('a strong stage changes its Regions by changing tables, and may go back before writes go on', () => {
  const [next, before] = ['eu-west-2', 'eu-central-1'].map((name) => ({
    regions: ['eu-west-1', name],
    witnessRegion: 'eu-west-3',
  })) as [{ regions: string[]; witnessRegion: string }, { regions: string[]; witnessRegion: string }];
  write(PROD);
  const beside: ConfigInput = { ...PROD, tables: { other: { generation: 2, ...next } } };
  write(beside);
  const regions = [west, { name: 'eu-west-2' }];
  const alone = refused({ ...PROD, regions, tables: { other: { generation: 2, ...next } } }, { write: true });
  expect(alone[0]).toMatch(/^regions: is frozen/);
  write({ ...PROD, regions, tables: { generation: 2, other: { generation: 1, ...before } } });
  // The Region that leaves has its stack, and its ledger.
  expect(refused(beside, { write: true })).toEqual([]);
});

it('a switch leaves the Regions of all tables: no table takes two replicas in one deploy', () => {
  const one: ConfigInput = { ...EVENTUAL, regions: [west] };
  const three = ['eu-west-1', 'eu-west-2', 'eu-central-1'];
  const next = { generation: 2, consistency: 'eventual' as const };
  write(one);
  write({ ...one, tables: { other: { ...next, regions: three } } });
  const switched = (regions: string[], kept?: string[]): ConfigInput => ({
    ...EVENTUAL,
    consistency: 'eventual',
    regions: regions.map((name) => ({ name })),
    tables: { generation: 2, other: { generation: 1, ...(kept && { regions: kept }) } },
  });
  for (const how of [{ write: false }, { write: true }]) {
    expect(
      refused(
        { ...switched(three, three), tables: { generation: 2, other: { ...next, generation: 1 } } },
        how,
      )[0],
    ).toBe(
      'tables.other.regions: differ from LOCK, whose tables of generation 1 have eu-west-1, got eu-central-1, eu-west-1, ' +
        'eu-west-2. A switch changes the Regions of no table: name eu-west-1, and change them afterwards',
    );
    expect(refused(switched(three.slice(0, 2), ['eu-west-1']), how)[0]).toMatch(
      /^regions: differ from LOCK, whose tables of generation 2 have eu-central-1, eu-west-1, eu-west-2, got eu-west-1, eu-west-2\./,
    );
  }
  expect(refused(switched(three, ['eu-west-1']), { write: true })).toEqual([]);
});

const keyArn = (end: string, region = 'eu-west-1') =>
  `arn:aws:kms:${region}:123456789012:key/1234abcd-12ab-34cd-56ef-12345678900${end}`;
const [KEY, OTHER] = [keyArn('1'), keyArn('2')];
const withKeys = (keys: { kmsKeyArn?: string; previousKmsKeyArn?: string }, config = PROD): ConfigInput => ({
  ...config,
  regions: [{ ...west, ...keys }, central],
});

it.each([
  [
    'made',
    'imported',
    PROD,
    { kmsKeyArn: KEY },
    /has the key that the stage made, got arn:\S+1\. .*\(`aws kms describe-key --region eu-west-1 --key-id alias\/countersign-live` /,
  ],
  [
    'imported',
    'imported',
    withKeys({ kmsKeyArn: KEY }),
    { kmsKeyArn: OTHER },
    /has arn:\S+1, got arn:\S+2\. .* name arn:\S+1 as previousKmsKeyArn/,
  ],
  [
    'imported',
    'made',
    withKeys({ kmsKeyArn: KEY }),
    {},
    /has arn:\S+1, got the key that the stage made\. .* name arn:\S+1 as previousKmsKeyArn/,
  ],
] as const)(
  'a customer key that was %s and is now %s is refused on a live stage, unless the config lists both',
  (_, __, before, after, message) => {
    for (const mode of [before, eventual(before)]) {
      rmSync(file, { force: true });
      const config = (keys: object) => withKeys({ ...after, ...keys }, mode.witnessRegion ? PROD : EVENTUAL);
      write(mode);
      // Writing the lock again does not bypass it.
      for (const write of [false, true]) {
        const found = refused(config({}), { write });
        expect(found).toEqual([expect.stringMatching(/^regions\[0\]\.kmsKeyArn: changes on a live stage/)]);
        expect(found[0]).toMatch(message);
      }
      const both = config({
        previousKmsKeyArn: KEY === (after as { kmsKeyArn?: string }).kmsKeyArn ? OTHER : KEY,
      });
      expect(refused(both)).toEqual([]);
      write(both);
      expect(refused(both)).toEqual([]);
      expect(refused(config({}))).toEqual([]);
    }
  },
);

it('the previous key must be the key in the lock file', () => {
  write(withKeys({ kmsKeyArn: KEY }));
  expect(refused(withKeys({ kmsKeyArn: OTHER, previousKmsKeyArn: keyArn('3') }))).toEqual([
    expect.stringContaining(`name ${KEY} as previousKmsKeyArn`),
  ]);
});

it('tables that an earlier release made for one Region get their stream before a replica', () => {
  const { witnessRegion: _, ...prod } = PROD;
  const one = { ...prod, regions: [west] };
  const two = { ...prod, consistency: 'eventual' as const, regions: [west, central] };
  write(one);
  expect(lock().live.stream).toBe(true);
  expect(refused(two)).toEqual([]);
  const { stream: __, ...live } = lock().live;
  writeFileSync(file, JSON.stringify({ live }));
  expect(refused(one)).toEqual([]);
  for (const write of [false, true])
    expect(refused(two, { write })).toEqual([
      expect.stringMatching(
        /^regions: differ from LOCK, whose tables have no stream.* deploy eu-west-1 once with this release, write it .* then add the Region$/,
      ),
    ]);
  write(one);
  expect(refused(two)).toEqual([]);
  write(two);
  expect(lock().live.stream).toBeUndefined();
  expect(refused(one)).toEqual([]);
});

it('a stage that is adopted again names the key that it made as both, then as kmsKeyArn alone', () => {
  write(PROD);
  expect(refused(withKeys({ kmsKeyArn: KEY }))).toHaveLength(1);
  const both = withKeys({ kmsKeyArn: KEY, previousKmsKeyArn: KEY });
  expect(refused(both)).toEqual([]);
  write(both);
  expect(lock().live.kmsKeys).toEqual({ 'eu-west-1': KEY, 'eu-central-1': 'made' });
  for (const config of [both, withKeys({ kmsKeyArn: KEY })]) expect(refused(config)).toEqual([]);
});

it('a stage that is not deployed yet has no previous key', () => {
  for (const write of [false, true])
    expect(refused(withKeys({ kmsKeyArn: KEY, previousKmsKeyArn: OTHER }), { write })[0]).toBe(
      'regions[0].previousKmsKeyArn: has no meaning before the first deploy: leave it out',
    );
});

it('a lock file of an earlier version lacks the keys, and must be written once before any other change', () => {
  write(PROD);
  const { kmsKeys: _, ...live } = lock().live;
  writeFileSync(file, JSON.stringify({ live }));
  expect(refused(withKeys({ kmsKeyArn: KEY }))).toEqual([
    expect.stringMatching(
      /^regions: LOCK does not say which keys encrypt .* `npx cdk synth -c countersign:lock=write`/,
    ),
  ]);
  write(withKeys({ kmsKeyArn: KEY }));
  expect(lock().live.kmsKeys).toEqual({ 'eu-west-1': KEY, 'eu-central-1': 'made' });
});

it.each(['{"live":{"homeRegion":1}}', '<<<<<<<'])(
  '%s is not a lock, and is not treated as an empty one',
  (text) => {
    writeFileSync(file, text);
    for (const write of [false, true])
      expect(refused(PROD, { write })).toEqual([
        'config: LOCK cannot be read: it is not JSON, or not of this form; take it from version control',
      ]);
  },
);
