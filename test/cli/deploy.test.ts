/** `countersign deploy` and `destroy`: the order, the reasons to stop, and the report about the rest. */

import { readFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BadAnswer } from '../../cli/admin.ts';
import { AwsRefusal } from '../../cli/aws-error.ts';
import { awsParts } from '../../cli/deploy/aws-parts.ts';
import { type DeployCommandParts, deployCommand, destroyCommand } from '../../cli/deploy/command.ts';
import { type DeployParts, deployStacks, type RegionHealth, runSteps } from '../../cli/deploy/run.ts';
import { deploySteps, describeStep, destroySteps } from '../../cli/deploy/steps.ts';
import { CliError, EXIT, type Io } from '../../cli/io.ts';
import { regionCommand } from '../../cli/regions/command.ts';
import { otherTables, tablesSteps } from '../../cli/regions/other-tables.ts';
import { addSteps, removeSteps } from '../../cli/regions/steps.ts';
import type { CopyMark } from '../../cli/registry/mark.ts';
import { createEvacuations } from '../../lambda/adapters/evacuations.ts';
import { createWriteStop } from '../../lambda/adapters/write-stop.ts';
import type { ShownTables } from '../../lambda/contract/admin.ts';
import type { DeployPlan, PlannedStack } from '../../lambda/contract/deploy-plan.ts';
import { LOCK_FILE } from '../../lambda/contract/lock-file.ts';
import { tableName } from '../../lambda/contract/names.ts';
import { startPlatform } from '../../local/platform.ts';
import { createTables, dynamodb, STAGE, startDynalite } from '../support/dynalite.ts';
import { Directory } from './cli.ts';

const stack = (part: PlannedStack['part'], region: string): PlannedStack => ({
  name: `${part}-${region}`,
  region,
  part,
});
const [A, B] = ['eu-west-1', 'eu-central-1'] as [string, string];
const PLAN: DeployPlan = {
  stage: 'live',
  kind: 'prod',
  homeRegion: A,
  stackRegions: [A, B, 'us-east-1'],
  concurrencyQuota: 1000,
  alarms: {},
  consistency: 'eventual',
  tableGeneration: 1,
  regions: [A, B].map((name) => ({ name, ledgerGeneration: 1 })),
  stacks: [
    ...[B, A].map((region) => stack('account', region)),
    ...[B, A].map((region) => stack('base', region)),
    stack('home', A),
    ...[B, A].map((region) => stack('region', region)),
    stack('watch', 'us-east-1'),
  ],
};
const DEV: DeployPlan = { ...PLAN, kind: 'dev', stacks: [stack('home', A), stack('region', A)] };
const names = (stacks: readonly PlannedStack[]) => stacks.map(({ name }) => name);

describe('the steps', () => {
  it("are all stacks in the plan's order, or the stacks of one Region", () => {
    expect(deploySteps(PLAN, {})).toEqual({ stacks: PLAN.stacks, left: [] });
    const one = deploySteps(PLAN, { region: [B] });
    expect(names(one.stacks)).toEqual([`account-${B}`, `base-${B}`, `region-${B}`]);
    expect(names(deploySteps(PLAN, { region: [A] }).stacks)).not.toContain(`home-${A}`);
    expect(names(deploySteps(DEV, { region: [A] }).stacks)).toEqual([`home-${A}`, `region-${A}`]);
  });

  it('omit every stack of a lost Region, and the home stack with its Region', () => {
    const { stacks, left } = deploySteps(PLAN, { without: [A] });
    expect(names(stacks)).toEqual([`account-${B}`, `base-${B}`, `region-${B}`, 'watch-us-east-1']);
    expect(names(left)).toEqual([`account-${A}`, `base-${A}`, `home-${A}`, `region-${A}`]);
  });

  it('of a destruction are in reverse order, and omit stacks that keep data or serve other stages', () => {
    const { stacks, left } = destroySteps(PLAN, {});
    expect(names(stacks)).toEqual(['watch-us-east-1', `region-${A}`, `region-${B}`]);
    expect(left.map(({ part }) => part)).toEqual(['account', 'account', 'base', 'base', 'home']);
    expect(names(destroySteps(PLAN, { region: [B] }).stacks)).toEqual([`region-${B}`]);
    expect(names(destroySteps(DEV, {}).stacks)).toEqual([`region-${A}`, `home-${A}`]);
  });

  it.each([[{ region: ['us-west-2'] }], [{ without: ['us-west-2'] }]])(
    '%j names no Region of the stage',
    (choice) => {
      expect(() => deploySteps(PLAN, choice)).toThrow(
        /stage live has no stack in us-west-2; it has eu-central-1/,
      );
    },
  );
});

const [HEALTHY, OUT, SILENT] = (['healthy', 'out', 'silent'] as const).map((is) => ({ is })) as [
  RegionHealth,
  RegionHealth,
  RegionHealth,
];
const failing = (...checks: string[]): RegionHealth => ({ is: 'failing', checks });

/** An account that records every step, on a clock that only waits advance. */
class Account implements DeployParts {
  readonly log: string[] = [];
  readonly reports: string[] = [];
  readonly interrupt = new AbortController();
  readonly signal = this.interrupt.signal;
  readonly pollMs = 0;
  now = 0;
  existing = new Set<string>(names(PLAN.stacks));
  /** By Region. */
  answers: Record<string, RegionHealth> = { [A]: HEALTHY, [B]: HEALTHY };
  firing: Record<string, string[]> = { [A]: [], [B]: [] };
  /** By keeper, the Regions whose flags it holds; absent: its table cannot be read. */
  flags: Record<string, readonly string[]> = {};
  /** By Region, the generation in use, and since when writes are stopped. */
  inUse: Record<string, readonly [generation: number, stopped_at: string | null]> = {};
  /** The Regions that each Region knows; those in `inUse` by default. */
  knows?: readonly string[];
  /** A Region that knows one more, after its deployment. */
  told?: readonly [region: string, of: string];
  /** By registry, the mark of its copy. */
  marks: Record<string, CopyMark> = {};
  onDeploy: (stack: PlannedStack) => void = () => {};

  async deploy(each: PlannedStack): Promise<void> {
    this.log.push(`deploy ${each.name}`);
    this.onDeploy(each);
    this.existing.add(each.name);
  }
  async destroy(each: PlannedStack): Promise<void> {
    this.log.push(`destroy ${each.name}`);
  }
  async remove(each: PlannedStack): Promise<void> {
    this.log.push(`remove ${each.name}`);
    this.existing.delete(each.name);
  }
  async unprotect(region: string): Promise<void> {
    this.log.push(`unprotect ${region}`);
  }
  async replicate(from: string, region: string): Promise<void> {
    this.log.push(`replicate ${from} ${region}`);
  }
  async unreplicate(from: string, region: string): Promise<void> {
    this.log.push(`unreplicate ${from} ${region}`);
  }
  exists = async ({ name }: PlannedStack) => this.existing.has(name);
  health = async ({ region }: PlannedStack) => {
    this.log.push(`health ${region}`);
    return this.answers[region] ?? SILENT;
  };
  alarms = async ({ region }: PlannedStack) => {
    this.log.push(`alarms ${region}`);
    return this.firing[region]!;
  };
  known: readonly string[] = ['api-errors', 'replication-lag'];
  allAlarms = async () => this.known;
  isEvacuated = async (region: string, keeper: string) => {
    if (!(keeper in this.flags)) throw new CliError(EXIT.unreachable, `${keeper}: no answer`);
    return this.flags[keeper]!.includes(region);
  };
  held: readonly string[] = [];
  async moveEndpoints(region: string, keeper: string): Promise<readonly string[]> {
    this.log.push(`move ${region} ${keeper}`);
    return this.held;
  }
  async clearFlag(region: string, keeper: string): Promise<void> {
    this.log.push(`clear ${region} ${keeper}`);
    this.flags[keeper] = (this.flags[keeper] ?? []).filter((each) => each !== region);
  }
  replicas: readonly string[] = [B];
  replicasOf = async (region: string, table: string) =>
    region === A && table === 'countersign-live-registry-1' ? this.replicas : [];
  /** Regions whose functions fail. */
  broken: readonly string[] = [];
  registryIn = async (region: string) =>
    this.inUse[region] && tableName('live', 'registry', this.inUse[region][0]);
  async tables(region: string): Promise<ShownTables> {
    const found = this.inUse[region];
    if (!found || this.broken.includes(region)) throw new CliError(EXIT.unreachable, `${region}: no answer`);
    const [generation, stopped_at] = found;
    const [registry, clients] = (['registry', 'clients'] as const).map((kind) =>
      tableName('live', kind, generation),
    ) as [string, string];
    const all = this.knows ?? Object.keys(this.inUse);
    const regions = this.told?.[0] === region ? [...all, this.told[1]] : all;
    return {
      registry,
      clients,
      consistency: 'eventual',
      regions,
      stopped_at,
      stopped_ms: stopped_at === null ? null : 1,
    };
  }
  copied = async (_: string, table: string) => this.marks[table];
  /** By Region, when it last left its mark in the registry of generation 1. */
  probed: Record<string, string> = {};
  markedAt = async (_: string, table: string, region: string) =>
    table === tableName('live', 'registry', 1) ? (this.probed[region] ?? null) : null;
  report = (text: string) => void this.reports.push(text);
  nowMs = () => {
    this.now += 60_000;
    return this.now;
  };
  get deployed(): string[] {
    return this.log.filter((line) => line.startsWith('deploy '));
  }
}

const ARGS = ` --stage live --region ${A},${B}`;
const WATCHING = { args: ARGS, alarmsMs: 300_000, healthMs: 300_000, mayLackKeys: true };
const run = (account: Account, plan = PLAN) => deployStacks(plan.stacks, WATCHING, account);

describe('a deployment', () => {
  it('continues with the next Region only after the last one is healthy and its alarms were quiet long enough', async () => {
    const account = new Account();
    const outcome = await run(account);
    expect(outcome).toEqual({ done: names(PLAN.stacks), stopped: null, not_tried: [], notes: [], exit: 0 });
    const between = account.log.slice(
      account.log.indexOf(`deploy region-${B}`) + 1,
      account.log.indexOf(`deploy region-${A}`),
    );
    expect(between.filter((line) => line === `health ${B}`)).toHaveLength(1);
    expect(between.filter((line) => line === `alarms ${B}`).length).toBeGreaterThanOrEqual(5);
  });

  it('stops at a stack that fails, and lists the stacks that are deployed and the others', async () => {
    const account = new Account();
    account.onDeploy = ({ part }) => {
      if (part === 'home') throw new CliError(EXIT.failed, '`cdk` failed');
    };
    expect(await run(account)).toEqual({
      done: names(PLAN.stacks).slice(0, 4),
      stopped: { step: `home-${A}`, why: '`cdk` failed' },
      not_tried: [`region-${B}`, `region-${A}`, 'watch-us-east-1'],
      notes: [],
      exit: EXIT.failed,
    });
  });

  it('stops at a Region that becomes unhealthy: the others keep the version that works', async () => {
    const account = new Account();
    account.onDeploy = ({ name }) => {
      if (name === `region-${B}`) account.answers[B] = failing('registry');
    };
    const outcome = await run(account);
    expect(outcome.stopped).toEqual({ step: `region-${B}`, why: 'deployed, but not healthy: registry' });
    expect(account.deployed).not.toContain(`deploy region-${A}`);
  });

  it('stops if an alarm fires; an alarm that fired before in both Regions does not count', async () => {
    const account = new Account();
    account.firing = { [A]: ['replication-lag'], [B]: ['replication-lag'] };
    expect((await run(account)).stopped).toBeNull();
    account.onDeploy = ({ name }) => {
      if (name === `region-${B}`) account.firing[B] = ['replication-lag', 'api-errors'];
    };
    const { stopped } = await run(account);
    expect(stopped!.why).toBe(
      'deployed, but in ALARM since: api-errors; docs/runbook.md has a section for each',
    );
  });

  it('an alarm that the deployment brings, and that silence fires, has until the end to be quiet', async () => {
    const account = new Account();
    let looks = 0;
    account.alarms = async ({ region }) => (region === B && looks++ < 4 ? ['events-late-unread'] : []);
    account.onDeploy = ({ name }) => {
      if (name === `region-${B}`) looks = 0;
    };
    account.known = [];
    expect((await run(account)).stopped).toBeNull();
    account.known = ['events-late-unread'];
    looks = 5;
    expect((await run(account)).stopped!.why).toContain('in ALARM since: events-late-unread');
    account.known = [];
    account.alarms = async ({ region }) => (region === B && looks++ > 0 ? ['events-late-unread'] : []);
    expect((await run(account)).stopped!.why).toContain('in ALARM: events-late-unread');
  });

  it('watches the last Region, too: the entry does not follow where an alarm fires there', async () => {
    const account = new Account();
    account.onDeploy = ({ name }) => {
      if (name === `region-${A}`) account.firing[A] = ['api-errors'];
    };
    const { stopped, not_tried, exit } = await run(account);
    expect(stopped).toMatchObject({ step: `region-${A}`, why: expect.stringContaining('since: api-errors') });
    expect([not_tried, exit]).toEqual([['watch-us-east-1'], EXIT.failed]);
  });

  it('watches no alarm with the option for that: while writes are stopped, errors raise alarms', async () => {
    const account = new Account();
    account.onDeploy = ({ region }) => {
      account.firing[region] = ['api-errors'];
    };
    const outcome = await deployStacks(PLAN.stacks, { ...WATCHING, alarmsMs: 0 }, account);
    expect(outcome.stopped).toBeNull();
  });

  it('brings a fix to a Region that was unhealthy before, and stops if the Region becomes worse', async () => {
    const account = new Account();
    account.answers = { [A]: failing('registry', 'keys'), [B]: failing('registry', 'keys') };
    const outcome = await run(account);
    expect(outcome.stopped).toBeNull();
    expect(outcome.notes[0]).toContain('registry, keys');
    account.onDeploy = ({ name }) => {
      if (name === `region-${B}`) account.answers[B] = failing('registry', 'ledger');
    };
    expect((await run(account)).stopped!.why).toContain('registry, ledger');
  });

  it.each<[string, (account: Account) => void, string]>([
    [
      'unhealthy',
      (account) => void Object.assign(account.answers, { [B]: failing('registry') }),
      'not healthy: registry',
    ],
    [
      'in ALARM',
      (account) => void Object.assign(account.firing, { [B]: ['api-errors'] }),
      'in ALARM: api-errors',
    ],
  ])(
    'that stopped at a Region which is %s stops there again: that is no state to compare with',
    async (_, breaks, why) => {
      const account = new Account();
      account.onDeploy = ({ name }) => {
        if (name === `region-${B}`) breaks(account);
      };
      expect((await run(account)).stopped!.step).toBe(`region-${B}`);
      const { stopped } = await run(account);
      expect(stopped).toMatchObject({ step: `region-${B}`, why: expect.stringContaining(why) });
      expect(account.deployed).not.toContain(`deploy region-${A}`);
      // A fix for this Region alone, and a run that shall not compare.
      const one = await deployStacks([stack('region', B)], WATCHING, account);
      expect(one.stopped).toBeNull();
      expect((await deployStacks(PLAN.stacks, { ...WATCHING, alarmsMs: 0 }, account)).stopped).toBeNull();
    },
  );

  it('goes on where an alarm ends meanwhile, and past a Region that is evacuated', async () => {
    const account = new Account();
    account.firing[B] = ['api-errors', `countersign-live-evacuated-${A}`];
    account.answers[B] = OUT;
    account.onDeploy = ({ name }) => {
      if (name === `region-${B}`) account.firing[B]!.shift();
    };
    expect((await run(account)).stopped).toBeNull();
  });

  it('stops at a Region that is out of service though no check fails, unless it was so before', async () => {
    const account = new Account();
    account.onDeploy = ({ name }) => {
      if (name === `region-${B}`) account.answers[B] = OUT;
    };
    expect((await run(account)).stopped).toEqual({
      step: `region-${B}`,
      why: 'deployed, but not healthy: out of service, though no check fails',
    });
    expect((await run(account)).stopped).toBeNull();
  });

  it('of a new stage has no keys yet: its Regions are unhealthy for that reason only', async () => {
    const account = new Account();
    account.existing = new Set();
    account.answers = { [A]: failing('keys'), [B]: failing('keys') };
    const outcome = await run(account);
    expect(outcome.exit).toBe(0);
    expect(outcome.notes).toHaveLength(2);
    expect(outcome.notes[0]).toContain(`countersign keys init${ARGS}`);
    // Nothing existed that an alarm could watch.
    expect(account.log.filter((line) => line.startsWith('alarms'))).toEqual([]);
    const broken = new Account();
    broken.existing = new Set();
    broken.answers = { [A]: failing('keys', 'ledger'), [B]: failing('keys', 'ledger') };
    expect((await run(broken)).exit).toBe(EXIT.failed);
    const silent = new Account();
    silent.existing = new Set();
    silent.answers = {};
    expect((await run(silent)).stopped!.why).toContain('gives no answer after 5 min');
  });

  it('waits for a Region that needs time to become healthy', async () => {
    const account = new Account();
    let looks = 0;
    account.health = async ({ region }) => {
      if (region !== B || !account.deployed.includes(`deploy region-${B}`)) return HEALTHY;
      looks += 1;
      return looks < 3 ? failing('keys') : HEALTHY;
    };
    expect((await run(account)).stopped).toBeNull();
    expect(looks).toBe(3);
  });

  it('ends after the current stack on Ctrl-C, and lists the rest', async () => {
    const account = new Account();
    account.onDeploy = ({ part }) => {
      if (part === 'home') account.interrupt.abort();
    };
    const { done, stopped, exit } = await run(account);
    expect([done.at(-1), stopped, exit]).toEqual([
      `home-${A}`,
      { step: `region-${B}`, why: 'interrupted' },
      EXIT.interrupted,
    ]);
  });

  it('stopped at any stack and run again, ends in the same state as one run', async () => {
    for (const broken of PLAN.stacks) {
      const account = new Account();
      account.onDeploy = ({ name }) => {
        if (name === broken.name) throw new CliError(EXIT.failed, 'lost');
      };
      const first = await run(account);
      expect(first.stopped!.step).toBe(broken.name);
      account.onDeploy = () => {};
      expect((await run(account)).done).toEqual(names(PLAN.stacks));
    }
  });
});

describe('a change of the Regions', () => {
  const lines = (steps: ReturnType<typeof addSteps>) => steps.map(describeStep);
  const ONE: DeployPlan = {
    ...PLAN,
    regions: [{ name: A, ledgerGeneration: 1 }],
    stacks: PLAN.stacks.filter(({ region }) => region !== B),
  };

  it("adds the new Region's needs, looks at its replicas, then adds its stack, then the other Regions' knowledge of it, and the entry last", () => {
    expect(lines(addSteps(PLAN, B))).toEqual([
      `account-${B}`,
      `base-${B}`,
      `home-${A}`,
      `replicas in ${B} of the keysets of ${A}`,
      `region-${B}`,
      `region-${A}`,
      'watch-us-east-1',
    ]);
  });

  const C = 'eu-west-2';

  it('removes the Region from DNS and from the other Regions, then its stack and replicas, and its key last', () => {
    expect(lines(removeSteps(PLAN, C))).toEqual([
      `region-${B}`,
      `region-${A}`,
      'watch-us-east-1',
      `deletion of countersign-live-region-${C}`,
      `end of the deletion protection of the replicas in ${C}`,
      `home-${A}`,
      `move of the endpoints of callbacks from ${C} to ${B}`,
      `deletion of countersign-live-base-${C}`,
      `removal of the flag of ${C} in ${A}`,
      `removal of the flag of ${C} in ${B}`,
    ]);
  });

  const promoted = (plan: DeployPlan): DeployPlan => ({ ...plan, keysManagedBy: A });
  it('after a promotion, replicates the keysets from the Region that makes them, which needs no replica', () => {
    expect(lines(addSteps(promoted(PLAN), B))).toEqual(lines(addSteps(PLAN, B)));
    const steps = lines(addSteps({ ...PLAN, keysManagedBy: B }, B));
    expect(steps).toEqual(lines(addSteps(PLAN, B)).filter((line) => !line.startsWith('replicas')));
    expect(lines(addSteps({ ...PLAN, keysManagedBy: B }, A))).toContain(
      `replicas in ${A} of the keysets of ${B}`,
    );
  });

  it('after a promotion, removes the replicas before a rotation loses the right to write them', () => {
    expect(lines(removeSteps(promoted(ONE), B))).toEqual([
      `removal of the replicas in ${B} of the keysets of ${A}`,
      ...lines(removeSteps(ONE, B)),
    ]);
  });

  const strong: DeployPlan = { ...PLAN, consistency: 'strong' };
  it('on a strong stage, are the steps of the page under the same numbers', () => {
    const page = readFileSync(new URL('../../docs/upgrade.md', import.meta.url), 'utf8');
    const section = /\n## Other tables\n([\s\S]*?)\n## /.exec(page)![1]!;
    const steps = [...section.matchAll(/^(\d)\. (.*\n(?: {3}.*\n)*)/gm)].map(([, number, text]) => [
      Number(number),
      [...text!.matchAll(/`(npx [^`]*)`/g)].map(([, command]) => command!.replaceAll(/\s+/g, ' ')),
    ]);
    expect(steps).toHaveLength(7);
    const plan = { ...strong, stage: 'prod' };
    expect(tablesSteps(plan).map(({ commands }, i) => [i + 1, commands])).toEqual(steps);
    const shown = otherTables(plan, 'it').split('\n').slice(1);
    expect(shown.map((line, i) => line.startsWith(`${i + 1}. `))).toEqual(steps.map(() => true));
    for (const [i, { commands }] of tablesSteps(plan).entries())
      for (const command of commands) expect(shown[i]).toContain(command);
  });

  it.each<[string, () => unknown, string | RegExp]>([
    ['the home Region', () => removeSteps(PLAN, A), `${A} is the home Region`],
    [
      'a Region that is still named',
      () => removeSteps(PLAN, B),
      `still names ${B}: evacuate it (countersign evacuate ${B}${ARGS})`,
    ],
    ['a Region that is not named yet', () => addSteps(ONE, B), `add { name: '${B}' } to regions`],
    [
      "a Region with tables of another generation, which its base's key encrypts",
      () => removeSteps({ ...ONE, otherTables: { generation: 2, regions: [A, B] } }, B),
      `${B} has tables of generation 2: remove tables.other`,
    ],
    [
      'a member of a strong set',
      () => removeSteps(strong, B),
      /eu-central-1 cannot be removed: [\s\S]*--to-generation 2 --stage live --region eu-west-1,eu-central-1[\s\S]*resume-writes/,
    ],
    [
      'a fourth of a strong set',
      () => addSteps(strong, 'eu-west-2'),
      /eu-west-2 cannot be added: [\s\S]*generation: 2/,
    ],
  ])('refuses a change that would get stuck, with the remedy: %s', (_, steps, message) => {
    expect(steps).toThrow(message);
  });

  const watching = { ...WATCHING, mayLackKeys: false };
  it("does not let a new Region serve before it has the stage's keys", async () => {
    const account = new Account();
    account.existing.delete(`region-${B}`);
    account.answers[B] = failing('keys');
    const { stopped } = await runSteps(addSteps(PLAN, B), watching, account);
    expect(stopped).toEqual({ step: `region-${B}`, why: 'deployed, but not healthy: keys' });
    expect(account.deployed.at(-1)).toBe(`deploy region-${B}`);
  });

  it('stopped at any step and run again, ends in the same state as one run', async () => {
    for (const steps of [addSteps(promoted(PLAN), B), removeSteps(promoted(ONE), B)]) {
      const whole = new Account();
      const expected = (await runSteps(steps, watching, whole)).done;
      expect(expected).toEqual(lines(steps));
      for (const [i] of steps.entries()) {
        const account = new Account();
        let step = 0;
        const failing = async (each: PlannedStack | string) => {
          if (step++ === i) throw new CliError(EXIT.failed, `lost at ${JSON.stringify(each)}`);
          return [];
        };
        const broken: DeployParts = Object.assign(Object.create(account), {
          deploy: failing,
          remove: failing,
          unprotect: failing,
          replicate: failing,
          unreplicate: failing,
          moveEndpoints: failing,
          clearFlag: failing,
        });
        const first = await runSteps(steps, watching, broken);
        expect([first.done, first.stopped!.step]).toEqual([expected.slice(0, i), expected[i]]);
        expect((await runSteps(steps, watching, account)).done).toEqual(expected);
      }
    }
  });
});

describe('the flag in the table of the keeper', () => {
  let dynalite: Awaited<ReturnType<typeof startDynalite>>;
  beforeAll(async () => {
    dynalite = await startDynalite();
  });
  afterAll(() => dynalite.stop());

  const parts = (endpoint = dynalite.endpoint) =>
    awsParts(
      { cwd: '.', env: {}, stderr: { write: () => {} } },
      {
        plan: { ...PLAN, stage: STAGE },
        assembly: '',
        aws: (region) => ({
          region,
          endpoint,
          credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
        }),
        signal: new AbortController().signal,
      },
    );

  it('is read where the keeper writes it, and a table that is not there is no answer', async () => {
    await expect(parts().isEvacuated(B, A)).rejects.toMatchObject({
      message: expect.stringContaining(`flag of ${B}, in table countersign-test-limits-1 in ${A}: not found`),
      exitCode: EXIT.unreachable,
    });
    const client = dynamodb(dynalite.endpoint);
    await createTables(client, ['limits']);
    const flags = createEvacuations(client, tableName(STAGE, 'limits'));
    expect(await parts().isEvacuated(B, A)).toBe(false);
    await flags.evacuate(B, 1);
    expect([await parts().isEvacuated(B, A), await parts().isEvacuated(A, B)]).toEqual([true, false]);
    await flags.return(B, 2);
    expect(await parts().isEvacuated(B, A)).toBe(false);
    await flags.evacuate(B, 3);
    for (const _ of ['first', 'again']) await parts().clearFlag(B, A);
    expect([await parts().isEvacuated(B, A), await flags.read(B)]).toEqual([false, undefined]);
  });

  it('the tables in use and the write stop are known where the function fails', async () => {
    const variables = {
      COUNTERSIGN_REGISTRY_TABLE: 'registry-2',
      COUNTERSIGN_CLIENTS_TABLE: 'clients-2',
      COUNTERSIGN_CONSISTENCY: 'strong',
      COUNTERSIGN_REGIONS: JSON.stringify([{ name: A }, { name: B }]),
    };
    let isThere = true;
    const lambda = createServer((request, response) => {
      request.resume();
      if (!isThere)
        return void response.writeHead(404, { 'x-amzn-errortype': 'ResourceNotFoundException' }).end('{}');
      if (request.url!.endsWith('/configuration'))
        return void response.end(JSON.stringify({ Environment: { Variables: variables } }));
      response.writeHead(200, { 'x-amz-function-error': 'Unhandled' }).end('{}');
    });
    await new Promise<void>((done) => lambda.listen(0, '127.0.0.1', done));
    const url = `http://127.0.0.1:${(lambda.address() as AddressInfo).port}`;
    const proxied = createServer((request, response) => {
      const to = request.url === '/' ? dynalite.endpoint : url;
      request.pipe(
        httpRequest(to + request.url, { method: request.method, headers: request.headers }, (answer) => {
          response.writeHead(answer.statusCode!, answer.headers);
          answer.pipe(response);
        }),
      );
    });
    await new Promise<void>((done) => proxied.listen(0, '127.0.0.1', done));
    const aws = parts(`http://127.0.0.1:${(proxied.address() as AddressInfo).port}`);
    const tables = { registry: 'registry-2', clients: 'clients-2', consistency: 'strong', regions: [A, B] };
    const client = dynamodb(dynalite.endpoint);
    const stop = createWriteStop(client, tableName(STAGE, 'limits'));
    expect(await aws.registryIn(A)).toBe('registry-2');
    expect(await aws.tables(A)).toEqual({ ...tables, stopped_at: null, stopped_ms: null });
    await stop.stop(1_000);
    expect(await aws.tables(A)).toMatchObject({ ...tables, stopped_at: '1970-01-01T00:00:01.000Z' });
    await stop.resume();
    isThere = false;
    expect(await aws.registryIn(A)).toBeUndefined();
    await expect(aws.tables(A)).rejects.toThrow(`countersign-${STAGE}-admin-read in ${A}`);
    for (const server of [lambda, proxied]) {
      server.close();
      server.closeAllConnections();
    }
  });

  it('the replicas of a table are all its other Regions, and none of a table that is not there', async () => {
    const platform = await startPlatform({ port: 0 });
    const replicasOf = (table: string) =>
      parts(platform.info.awsEndpoint).replicasOf('local-a', `countersign-local-${table}`);
    expect(await replicasOf('registry-1')).toEqual(['local-b']);
    expect([await replicasOf('ledger-1'), await replicasOf('registry-9')]).toEqual([[], []]);
    await platform.stop();
  });
});

describe('the commands', () => {
  const directory = new Directory();
  afterAll(() => directory.remove());

  /** Runs a command with this plan and account, as `countersign` does. */
  async function ran(
    command: typeof deployCommand,
    args: string[],
    account: Account,
    plan = PLAN,
    typed = '',
    isTTY = true,
  ) {
    const said: { stdout: string[]; stderr: string[] } = { stdout: [], stderr: [] };
    let code = 0;
    const io: Io = {
      stdin: Readable.from([typed]),
      stdout: { write: (text: string) => void said.stdout.push(text) },
      stderr: { write: (text: string) => void said.stderr.push(text), isTTY },
      env: {},
      cwd: directory.path,
      onInterrupt: () => () => {},
    };
    const parts: DeployCommandParts = {
      synthesised: (_, use) => use({ plans: [plan], assembly: 'cdk.out' }),
      parts: async () => account,
    };
    const made = command(
      io,
      (exit) => {
        code = exit;
      },
      parts,
    );
    const failed = await made
      .exitOverride()
      .parseAsync(args, { from: 'user' })
      .then(
        () => undefined,
        (error: Error) => error,
      );
    return { stdout: said.stdout.join(''), stderr: said.stderr.join(''), code, failed };
  }

  it("deploy shows the order, asks for the stage's name as confirmation, and reports its steps", async () => {
    const account = new Account();
    const refused = await ran(deployCommand, [], account, PLAN, 'yes\n');
    expect(refused.failed).toMatchObject({ message: 'nothing was deployed', exitCode: EXIT.failed });
    expect(account.log).toEqual([]);
    const asked = await ran(deployCommand, ['--region', B, '--watch', '1s'], account, PLAN, 'live\n');
    expect([asked.failed, asked.code]).toEqual([undefined, 0]);
    expect(asked.stderr).toContain(`  base-${B} in ${B}\n  region-${B} in ${B}\n`);
    expect(asked.stdout).toBe(`deployed: account-${B}, base-${B}, region-${B}\n`);
  });

  it('without a terminal a wrong Region or stage is named first, and then that --yes is needed', async () => {
    for (const command of [deployCommand, destroyCommand])
      for (const [args, message] of [
        [['--region', 'eu-nowhere-1'], 'eu-nowhere-1'],
        [['--stage', 'nothing'], 'nothing'],
        [[], 'asks for confirmation, which needs a terminal; use --yes'],
      ] as const) {
        const account = new Account();
        const { failed, stderr } = await ran(command, [...args], account, PLAN, 'live\n', false);
        expect(failed).toMatchObject({ exitCode: EXIT.usage, message: expect.stringContaining(message) });
        expect([stderr, account.log]).toEqual(['', []]);
      }
  });

  it('a failure is named, with the stacks not tried and the remedy, and sets the exit code', async () => {
    const account = new Account();
    account.onDeploy = ({ part }) => {
      if (part === 'region') throw new CliError(EXIT.failed, '`cdk` failed');
    };
    const { code, stdout, stderr } = await ran(deployCommand, ['--yes'], account);
    expect(code).toBe(EXIT.failed);
    expect(stdout).toContain(`deployed: account-${B}, account-${A}`);
    expect(stderr).toContain(
      `error: region-${B}: \`cdk\` failed\nnot tried: region-${A}, watch-us-east-1\nrun the same command again`,
    );
  });

  it('deploy changes nothing while a Region that the config does not name has replicas, and names region remove', async () => {
    const account = new Account();
    account.replicas = [B, 'eu-north-1'];
    const { failed } = await ran(deployCommand, ['--yes', '--watch', '0s'], account);
    expect(failed).toMatchObject({
      message: expect.stringContaining(
        'countersign region remove eu-north-1 --stage live; nothing was deployed',
      ),
      exitCode: EXIT.failed,
    });
    expect(account.deployed).toEqual([]);
    // Without the home stack nothing touches the replicas.
    const one = await ran(deployCommand, ['--yes', '--watch', '0s', '--region', B], account);
    expect([one.failed, one.code]).toEqual([undefined, 0]);
  });

  it('destroy lists the stacks that stay, and says that used nonces are lost', async () => {
    const account = new Account();
    const { stderr, stdout } = await ran(destroyCommand, ['--yes'], account);
    expect(stderr).toContain(
      `These stay, and cost what they hold: account-${B}, account-${A}, base-${B}, base-${A}, home-${A}.`,
    );
    expect(stderr).toContain('raise its ledgerGeneration');
    expect(stdout).toBe(`destroyed: watch-us-east-1, region-${A}, region-${B}\n`);
    const dev = await ran(destroyCommand, ['--yes'], account, DEV);
    expect(dev.stderr).toContain('Nothing stays');
  });

  const [OLD, NEW] = [1, 2].map((n) => tableName('live', 'registry', n)) as [string, string];
  const GONE = 'eu-north-1';
  const stops = { [A]: 't1', [B]: 't2' };
  const to = (tableGeneration: number, generation: number): DeployPlan => ({
    ...PLAN,
    tableGeneration,
    otherTables: { generation, regions: [A, B] },
  });
  const stopped = { [A]: [1, 't1'], [B]: [1, 't2'] } as const;
  const switched = { [A]: [2, 't1'], [B]: [2, 't2'] } as const;
  const copied = { [NEW]: { from: OLD, stops, without: {} } };
  it.each<[string, Account['inUse'], Account['marks'], DeployPlan, string[], string | undefined]>([
    ['while writes go on', { ...stopped, [B]: [1, null] }, copied, to(2, 1), [], `writes go on in ${B}`],
    ['without a copy', stopped, {}, to(2, 1), [], `no copy of ${OLD} to ${NEW} was complete`],
    ['and names the command', stopped, {}, to(2, 1), [], `registry copy --to-generation 2${ARGS} until`],
    [
      'after writes went on since the copy',
      { ...stopped, [B]: [1, 't3'] },
      copied,
      to(2, 1),
      [],
      'during this stop',
    ],
    [
      'with a copy of other tables',
      stopped,
      { [NEW]: { from: 'x', stops, without: {} } },
      to(2, 1),
      [],
      'no copy of',
    ],
    ['where a Region does not answer', { [A]: [1, 't1'] }, copied, to(2, 1), [], `${B}: no answer`],
    [
      'while one that the config no longer names serves',
      { ...stopped, [GONE]: [1, null] },
      copied,
      to(2, 1),
      [],
      `writes go on in ${GONE}`,
    ],
    ['after a complete copy', stopped, copied, to(2, 1), [], undefined],
    ['without a Region that is lost', { [A]: [1, 't1'] }, copied, to(2, 1), ['--without', B], undefined],
    [
      'while one that counts as lost answers, and registers',
      { ...stopped, [B]: [1, null] },
      copied,
      to(2, 1),
      ['--without', B],
      `--without: ${B} answers, and writes go on there`,
    ],
    [
      'in one Region, while another is silent',
      { [A]: [1, 't1'] },
      copied,
      to(2, 1),
      ['--region', A],
      'no answer',
    ],
    [
      'that this Region uses, while another is silent',
      { [A]: [2, null] },
      {},
      to(2, 1),
      ['--region', A],
      undefined,
    ],
    [
      'beside those in use, while another is silent',
      { [A]: [1, null] },
      {},
      to(1, 2),
      ['--region', A],
      undefined,
    ],
    ['half way, run again', { [A]: [1, 't1'], [B]: [2, null] }, copied, to(2, 1), [], undefined],
    ['that every Region uses', { [A]: [2, null], [B]: [2, null] }, {}, to(2, 1), [], undefined],
    ['back, before writes go on', switched, copied, to(1, 2), [], undefined],
    ['back, after writes went on', { ...switched, [A]: [2, 't3'] }, copied, to(1, 2), [], 'during this stop'],
  ])('tables of another generation come into use, or not: %s', async (_, inUse, marks, plan, more, why) => {
    const account = Object.assign(new Account(), { inUse, marks });
    for (const region of [A, B, GONE]) account.existing.add(`countersign-live-region-${region}`);
    const { failed, code } = await ran(deployCommand, ['--yes', '--watch', '0s', ...more], account, plan);
    if (why === undefined) expect([failed, code]).toEqual([undefined, 0]);
    else {
      expect(failed?.message).toContain(why);
      expect(account.deployed).toEqual([]);
    }
  });

  it('a Region whose function fails does not count as lost: another of its functions may register', async () => {
    const account = Object.assign(new Account(), { inUse: { [A]: [1, 't1'] }, marks: copied });
    const { tables } = account;
    account.tables = async (region) => {
      if (region === B) throw new BadAnswer(EXIT.unreachable, 'admin-read failed');
      return tables.call(account, region);
    };
    account.existing.add(`countersign-live-region-${A}`);
    const { failed } = await ran(deployCommand, ['--yes', '--without', B], account, to(2, 1));
    expect(failed?.message).toContain(
      `--without: ${B} is there, and refuses or fails, so it may still register`,
    );
    expect(account.deployed).toEqual([]);
  });

  it.each([
    ['before the run', 'before'],
    ['before a Region uses the new tables', 'home'],
    ['after one uses them', 'region'],
    ['before it was run again', 'half way'],
  ] as const)('a Region that the copy left out is back for a minute, %s', async (_, when) => {
    const back = '2026-11-23T12:00:00.000Z';
    const marks = { [NEW]: { from: OLD, stops, without: { [GONE]: '2026-11-23T11:00:00.000Z' } } };
    const account = Object.assign(new Account(), { inUse: { ...stopped }, marks });
    account.probed = { [GONE]: '2026-11-23T11:00:00.000Z' };
    for (const region of [A, B]) account.existing.add(`countersign-live-region-${region}`);
    const run = () => ran(deployCommand, ['--yes', '--watch', '0s'], account, to(2, 1));
    const comesBack = () => {
      account.probed = { [GONE]: back };
    };
    account.onDeploy = ({ part }) => {
      if (part === when) comesBack();
    };
    if (when === 'before' || when === 'half way') comesBack();
    if (when === 'half way') Object.assign(account.inUse, { [B]: [2, 't2'] });
    const { failed, code, stdout, stderr } = await run();
    const said = `${GONE}, which the copy left out, was back: it left its mark in ${OLD} at ${back}, and may have registered there since the copy`;
    const regions = account.deployed.filter((name) => name.startsWith('deploy region-'));
    if (when === 'before') expect([failed?.message, regions]).toEqual([expect.stringContaining(said), []]);
    else if (when === 'home')
      expect([stderr, code, regions]).toEqual([
        expect.stringContaining(
          `error: region-${B}: ${said}; no Region uses the new tables yet: copy again\n`,
        ),
        EXIT.failed,
        [],
      ]);
    else
      expect([stdout, code, regions]).toEqual([
        expect.stringContaining(`note: ${said}. Before writes go on, look there for what was registered`),
        EXIT.failed,
        [`deploy region-${B}`, `deploy region-${A}`],
      ]);
  });

  it.each<[string, Account['inUse'], DeployPlan, string[], string | undefined]>([
    [
      'that uses the tables already',
      { [A]: [2, null], [B]: [2, null] },
      to(2, 1),
      ['--region', B],
      undefined,
    ],
    ['that uses them, with the others', { [A]: [2, null], [B]: [2, null] }, to(2, 1), [], undefined],
    ['that has changed already, half way', { [A]: [1, 't1'], [B]: [2, 't2'] }, to(2, 1), [], undefined],
    [
      'that would change',
      { [A]: [1, 't1'], [B]: [1, 't2'] },
      to(2, 1),
      [],
      `${B}: no answer; nothing was done`,
    ],
  ])('a fix reaches a Region whose functions fail, %s', async (_, inUse, plan, more, why) => {
    const account = Object.assign(new Account(), {
      inUse,
      broken: [B],
      marks: { [NEW]: { from: OLD, stops, without: {} } },
    });
    for (const region of [A, B]) account.existing.add(`countersign-live-region-${region}`);
    const { failed } = await ran(deployCommand, ['--yes', '--watch', '0s', ...more], account, plan);
    if (why === undefined) expect(failed).toBeUndefined();
    else expect([failed?.message, account.deployed]).toEqual([why, []]);
  });

  it('a new Region does not begin with tables that the others do not use', async () => {
    const account = Object.assign(new Account(), { inUse: { [A]: [1, null] } });
    account.existing.add(`countersign-live-region-${A}`);
    account.existing.delete(`region-${B}`);
    const { failed } = await ran(deployCommand, ['--yes', '--watch', '0s', '--region', B], account, to(2, 1));
    expect(failed?.message).toContain(`writes go on in ${A}`);
    expect(account.deployed).toEqual([]);
  });

  const one = {
    ...PLAN,
    regions: [PLAN.regions[0]!],
    stacks: PLAN.stacks.filter(({ region }) => region !== B),
  };
  it.each<[string, Account['flags'], RegionHealth, object]>([
    [
      'its keeper holds no flag: a Region without an answer may serve clients',
      { [A]: [] },
      SILENT,
      {
        message: expect.stringContaining(`${B} is not evacuated (${A} keeps no flag`),
        exitCode: EXIT.failed,
      },
    ],
    [
      "its keeper's table cannot be read",
      {},
      OUT,
      { message: `${A}: no answer`, exitCode: EXIT.unreachable },
    ],
    [
      'the Region serves, whatever its keeper holds',
      { [A]: [B] },
      HEALTHY,
      {
        message: expect.stringContaining(
          `${B} serves: evacuate it first (countersign evacuate ${B} --stage live --region ${A})`,
        ),
        exitCode: EXIT.failed,
      },
    ],
  ])('region remove does nothing where %s', async (_, flags, health, refusal) => {
    const account = Object.assign(new Account(), { flags });
    account.existing.add(`countersign-live-region-${B}`);
    account.answers[B] = health;
    const { failed } = await ran(regionCommand, ['remove', B, '--yes', '--watch', '1s'], account, one);
    expect(failed).toMatchObject(refusal);
    expect(account.log.filter((line) => !line.startsWith('health'))).toEqual([]);
  });

  it('region remove does nothing for a Region without a stack, and removes one that is evacuated', async () => {
    const account = new Account();
    account.existing.add(`countersign-live-region-${B}`);
    account.flags = { [A]: [B] };
    const args = ['remove', B, '--yes', '--watch', '1s'];
    account.answers[B] = OUT;
    account.held = ['ep_1', 'ep_2'];
    account.onDeploy = ({ part }) => {
      if (part === 'home') account.replicas = [];
    };
    const mistyped = await ran(regionCommand, ['remove', 'eu-cenral-1', '--yes'], account, one);
    expect(mistyped.failed).toMatchObject({
      message: expect.stringContaining('no stack in eu-cenral-1'),
      exitCode: EXIT.failed,
    });
    expect(account.log.filter((line) => !line.startsWith('health'))).toEqual([]);
    const removed = await ran(regionCommand, args, account, one);
    expect([removed.failed, removed.code]).toEqual([undefined, 0]);
    expect(removed.stderr).toContain('countersign:lock=write');
    // Callbacks of a Region that is gone, nobody would deliver.
    expect(account.log.slice(-3)).toEqual([
      `move ${B} ${A}`,
      `remove countersign-live-base-${B}`,
      `clear ${B} ${A}`,
    ]);
    expect(account.log.indexOf(`move ${B} ${A}`)).toBeGreaterThan(
      account.log.indexOf(`remove countersign-live-region-${B}`),
    );
    expect(removed.stdout).toContain(`${A} delivers callbacks to ep_1, ep_2 from now on`);
    expect(account.flags[A]).toEqual([]);
    // A run that ended just after its last step, and is run again: the record still names the Region.
    const before = account.log.length;
    directory.write(LOCK_FILE, JSON.stringify({ live: { regions: [A, B] } }));
    const again = await ran(regionCommand, args, account, one);
    expect(account.log.slice(before)).toEqual([`move ${B} ${A}`, `clear ${B} ${A}`]);
    expect([again.failed, again.code, again.stdout]).toEqual([
      undefined,
      0,
      `done: move of the endpoints of callbacks from ${B} to ${A}, removal of the flag of ${B} in ${A}\n` +
        `note: ${B} has no stack any more: it is removed\n`,
    ]);
    expect(again.stderr).toContain('countersign:lock=write');
    directory.write(LOCK_FILE, JSON.stringify({ live: { regions: [A] } }));
    const recorded = await ran(regionCommand, args, account, one);
    expect(recorded.failed?.message).toContain(`no stack in ${B}`);
    expect(account.log).toHaveLength(before + 2);
  });

  it('region remove of a Region without a base stack, stopped at any step and run again, ends as one run does', async () => {
    const args = ['remove', B, '--yes', '--watch', '0s'];
    const steps = removeSteps(one, B);
    // Also where the record was written too early.
    for (const regions of [[A, B], [A]])
      for (const [at] of steps.entries()) {
        directory.write(LOCK_FILE, JSON.stringify({ live: { regions } }));
        const account = new Account();
        account.existing = new Set([...names(one.stacks), `countersign-live-region-${B}`]);
        Object.assign(account, { flags: { [A]: [B] }, held: ['ep_1'], answers: { [A]: HEALTHY, [B]: OUT } });
        const moved: string[] = [];
        let step = 0;
        const broken: DeployParts = Object.assign(Object.create(account), {
          ...Object.fromEntries(
            (['deploy', 'remove', 'unprotect', 'moveEndpoints', 'clearFlag'] as const).map((each) => [
              each,
              async (...given: [never, never]) => {
                if (step++ === at) throw new CliError(EXIT.interrupted, 'interrupted');
                if (each === 'moveEndpoints') moved.push(B);
                if (each === 'deploy' && (given[0] as PlannedStack).part === 'home') account.replicas = [];
                return account[each](...given);
              },
            ]),
          ),
        });
        const first = await ran(regionCommand, args, broken as Account, one);
        expect([first.failed, first.code]).toEqual([undefined, EXIT.interrupted]);
        const again = await ran(regionCommand, args, broken as Account, one);
        // Once its stacks and replicas are gone, only the record tells the Region from a mistyped name.
        const isRecorded =
          at > steps.findIndex(({ kind }) => kind === 'unprotect') + 1 && regions.length === 1;
        if (isRecorded) expect(again.failed?.message).toContain(`no stack in ${B}`);
        else expect([again.failed, again.code]).toEqual([undefined, 0]);
        expect([account.replicas, account.existing.has(`countersign-live-region-${B}`)]).toEqual([[], false]);
        if (!isRecorded) expect([account.flags[A], moved.length > 0]).toEqual([[], true]);
      }
  });

  it.each<[string, Partial<Account>, string | undefined]>([
    ['its writes are stopped', { inUse: { [A]: [2, null], [B]: [1, 't1'] } }, undefined],
    ['it gives no answer', { inUse: { [A]: [2, null] } }, undefined],
    ['it passes, stopped and evacuated', { flags: { [A]: [B] }, inUse: { [B]: [1, 't1'] } }, undefined],
    ['it registers', { inUse: { [A]: [2, null], [B]: [1, null] } }, 'is not evacuated'],
    ['it registers, whatever its flag', { flags: { [A]: [B] }, inUse: { [B]: [1, null] } }, 'serves'],
    ['the others know it still', { knows: [A, B], inUse: { [B]: [1, 't1'] } }, 'is not evacuated'],
    ['its tables are those in use', { replicas: [B], inUse: { [B]: [1, 't1'] } }, 'is not evacuated'],
    ['one that stays does not answer', { inUse: { [A]: undefined!, [B]: [1, 't1'] } }, `${A}: no answer`],
  ])('region remove of a Region that left by other tables: %s', async (_, state, why) => {
    const account = new Account();
    account.existing.add(`countersign-live-region-${B}`);
    Object.assign(account, { flags: { [A]: [] }, replicas: [], knows: [A], ...state });
    account.inUse = { [A]: [2, null], ...state.inUse };
    const plan = { ...one, tableGeneration: 2 };
    account.replicasOf = async (_region, table) =>
      table === tableName('live', 'registry', 2) ? account.replicas : [B];
    const { failed, code } = await ran(regionCommand, ['remove', B, '--yes', '--watch', '0s'], account, plan);
    if (why === undefined) expect([failed, code]).toEqual([undefined, 0]);
    else expect([failed?.message, account.deployed]).toEqual([expect.stringContaining(why), []]);
  });

  it('region remove refuses a Region that left and does not let its tables be seen: it may register', async () => {
    const account = Object.assign(new Account(), { flags: { [A]: [] }, replicas: [], knows: [A] });
    account.existing.add(`countersign-live-region-${B}`);
    account.tables = async (region) => {
      if (region === B) throw new AwsRefusal(EXIT.failed, `${B}: AccessDenied`, false);
      return Account.prototype.tables.call(Object.assign(account, { inUse: { [A]: [1, null] } }), region);
    };
    const { failed } = await ran(regionCommand, ['remove', B, '--yes', '--watch', '0s'], account, one);
    expect([failed?.message, account.deployed]).toEqual([`${B}: AccessDenied`, []]);
  });

  describe('deploy with other Regions', () => {
    const C = 'eu-north-1';
    const three = {
      ...PLAN,
      regions: [A, B, C].map((name) => ({ name, ledgerGeneration: 1 })),
      stacks: [...PLAN.stacks, stack('region', C)],
    };
    const moves = `${B} is evacuated, and its flag would go from ${A} to ${C}`;
    it.each<[string, Partial<Account>, string[], string | undefined]>([
      ['from what a Region says', { knows: [A, B], inUse: { [A]: [1, null] } }, [], moves],
      [
        'while the evacuated one is lost',
        { knows: [A, B], inUse: { [A]: [1, null] } },
        ['--without', B],
        moves,
      ],
      ['from the record, where none answers', {}, [], moves],
      [
        'half way',
        { knows: [A, B], told: [A, C], inUse: { [A]: [1, null], [B]: [1, null] } },
        ['--region', A],
        moves,
      ],
      ['in the new Region alone, which moves no flag yet', {}, ['--region', C], undefined],
      ['that it has already', { knows: [A, B, C], inUse: { [A]: [1, null] } }, [], undefined],
      [
        'with the flag there',
        { firing: { [A]: [], [B]: [], [C]: [`countersign-live-evacuated-${B}`] } },
        [],
        undefined,
      ],
      ['with no flag', { flags: { [A]: [] } }, [], undefined],
    ])('moves no flag of an evacuated Region: %s', async (_, state, more, why) => {
      directory.write(LOCK_FILE, JSON.stringify({ live: { regions: [A, B] } }));
      const account = Object.assign(new Account(), {
        flags: { [A]: [B] },
        firing: { [A]: [], [B]: [], [C]: [] },
        answers: { [A]: HEALTHY, [B]: OUT, [C]: HEALTHY },
        ...state,
      });
      const args = ['--yes', '--watch', '0s', ...more];
      const { failed, code } = await ran(deployCommand, args, account, three);
      if (why === undefined) expect([failed, code]).toEqual([undefined, 0]);
      else expect([failed?.message, account.deployed]).toEqual([expect.stringContaining(why), []]);
    });

    it('goes by the own flag of a Region whose keeper is lost', async () => {
      directory.write(LOCK_FILE, JSON.stringify({ live: { regions: [A, B, C] } }));
      const account = Object.assign(new Account(), { flags: { [A]: [A] }, replicas: [] });
      account.alarms = async ({ region }) => {
        if (region === B) throw new CliError(EXIT.unreachable, `${B}: no answer`);
        return [];
      };
      const two = { ...three, regions: [three.regions[0]!, three.regions[2]!] };
      const refused = await ran(deployCommand, ['--yes', '--watch', '0s', '--without', B], account, two);
      expect(refused.failed?.message).toContain(
        `${A} is evacuated, and its flag would go from ${B} to ${C}. Run countersign deploy --stage live --region ${A},${C}, then countersign evacuate ${A}`,
      );
      account.flags = { [A]: [] };
      const args = ['--yes', '--watch', '0s', '--without', B];
      expect((await ran(deployCommand, args, account, two)).failed).toBeUndefined();
    });
  });

  it.each(['add', 'remove'] as const)(
    'region %s leaves no evacuated Region without its flag',
    async (verb) => {
      // The Region's neighbour in the alphabet: its flag goes to another keeper.
      const C = 'eu-north-1';
      const three = {
        ...PLAN,
        regions: [A, B, C].map((name) => ({ name, ledgerGeneration: 1 })),
        stacks: [...PLAN.stacks, stack('region', C)],
      };
      const [plan, keepers] = verb === 'add' ? [three, [A, C]] : [PLAN, [C, A]];
      const account = new Account();
      account.answers[C] = verb === 'add' ? HEALTHY : OUT;
      if (verb === 'remove') account.existing.add(`countersign-live-region-${C}`);
      // No alarm fires: a keeper whose schedule is silent publishes nothing.
      account.firing = { [A]: [], [B]: [], [C]: [] };
      account.flags = { [A]: [C], [B]: [] };
      account.flags[keepers[0]!] = [B, ...(account.flags[keepers[0]!] ?? [])];
      const args = [verb, C, '--yes', '--watch', '0s'];
      const { failed } = await ran(regionCommand, args, account, plan);
      expect(failed!.message).toContain(
        `${B} is evacuated, and its flag would go from ${keepers[0]} to ${keepers[1]}`,
      );
      expect(failed!.message).toContain(
        verb === 'add'
          ? `(countersign return ${B}${ARGS},${C})`
          : `countersign deploy --stage live --region ${A},${B}, then countersign evacuate ${B}${ARGS}, and`,
      );
      expect(account.log.filter((line) => /^(deploy|remove|unprotect) /.test(line))).toEqual([]);
      account.firing[keepers[1]!] = [`countersign-live-evacuated-${B}`];
      expect((await ran(regionCommand, args, account, plan)).failed).toBeUndefined();
      // No other Region's flag moves.
      account.firing = { [A]: [], [B]: [`countersign-live-evacuated-${A}`], [C]: [] };
      account.flags = { [A]: [C], [B]: [A], [C]: [] };
      if (verb === 'remove') account.existing.add(`countersign-live-region-${C}`);
      expect((await ran(regionCommand, args, account, plan)).failed).toBeUndefined();
    },
  );

  it("region remove goes by the alarm and a Region's own flag where its keeper's table is lost, or gone with its stack", async () => {
    const account = new Account();
    account.existing.add(`countersign-live-region-${B}`);
    account.answers[B] = OUT;
    const remove = () => ran(regionCommand, ['remove', B, '--yes', '--watch', '0s'], account, one);
    const isOut = `${A} is evacuated, and its flag would end with ${B}`;
    account.flags = { [A]: [A, B] };
    expect((await remove()).failed?.message).toContain(isOut);
    account.flags = { [A]: [B] };
    account.firing[B] = [`countersign-live-evacuated-${A}`];
    expect((await remove()).failed?.message).toContain(isOut);
    account.firing[B] = [];
    expect((await remove()).failed).toBeUndefined();
  });
});
