/** `countersign deploy` and `destroy`: the order, what stops a run, and what is said about the rest. */
import { describe, expect, it } from 'vitest';
import { type DeployParts, deployStacks } from '../../cli/deploy/run.ts';
import { deploySteps, destroySteps } from '../../cli/deploy/steps.ts';
import { CliError, EXIT } from '../../cli/io.ts';
import type { DeployPlan, PlannedStack } from '../../lambda/contract/deploy-plan.ts';

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
  it('are all stacks in the order of the plan, or those of one Region alone', () => {
    expect(deploySteps(PLAN, {})).toEqual({ stacks: PLAN.stacks, left: [] });
    const one = deploySteps(PLAN, { region: [B] });
    expect(names(one.stacks)).toEqual([`account-${B}`, `base-${B}`, `region-${B}`]);
    expect(names(deploySteps(PLAN, { region: [A] }).stacks)).not.toContain(`home-${A}`);
    expect(names(deploySteps(DEV, { region: [A] }).stacks)).toEqual([`home-${A}`, `region-${A}`]);
  });

  it('leave out every stack that lies in a lost Region, home with its Region', () => {
    const { stacks, left } = deploySteps(PLAN, { without: [A] });
    expect(names(stacks)).toEqual([`account-${B}`, `base-${B}`, `region-${B}`, 'watch-us-east-1']);
    expect(names(left)).toEqual([`account-${A}`, `base-${A}`, `home-${A}`, `region-${A}`]);
  });

  it('of a destruction go backwards, and hold nothing that keeps data or that serves other stages', () => {
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

/** An account that remembers what was done, on a clock that only the waits move. */
class Account implements DeployParts {
  readonly log: string[] = [];
  readonly reports: string[] = [];
  readonly interrupt = new AbortController();
  readonly signal = this.interrupt.signal;
  readonly pollMs = 0;
  now = 0;
  existing = new Set<string>(names(PLAN.stacks));
  /** By Region, the checks that fail; undefined: no answer. */
  health: Record<string, readonly string[] | undefined> = { [A]: [], [B]: [] };
  ringing: Record<string, string[]> = { [A]: [], [B]: [] };
  onDeploy: (stack: PlannedStack) => void = () => {};

  async deploy(each: PlannedStack): Promise<void> {
    this.log.push(`deploy ${each.name}`);
    this.onDeploy(each);
    this.existing.add(each.name);
  }
  async destroy(each: PlannedStack): Promise<void> {
    this.log.push(`destroy ${each.name}`);
  }
  exists = async ({ name }: PlannedStack) => this.existing.has(name);
  failing = async ({ region }: PlannedStack) => {
    this.log.push(`health ${region}`);
    return this.health[region];
  };
  alarms = async ({ region }: PlannedStack) => {
    this.log.push(`alarms ${region}`);
    return this.ringing[region]!;
  };
  report = (text: string) => void this.reports.push(text);
  nowMs = () => {
    this.now += 60_000;
    return this.now;
  };
  get deployed(): string[] {
    return this.log.filter((line) => line.startsWith('deploy '));
  }
}

const WATCHING = { alarmsMs: 300_000, healthMs: 300_000 };
const run = (account: Account, plan = PLAN) => deployStacks(plan.stacks, WATCHING, account);

describe('a deployment', () => {
  it('goes to the next Region only once the one before is healthy and its alarms were quiet for the time asked', async () => {
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

  it('stops at a stack that fails, and says what is deployed and what is not', async () => {
    const account = new Account();
    account.onDeploy = ({ part }) => {
      if (part === 'home') throw new CliError(EXIT.failed, '`cdk` failed');
    };
    expect(await run(account)).toEqual({
      done: names(PLAN.stacks).slice(0, 4),
      stopped: { stack: `home-${A}`, why: '`cdk` failed' },
      not_tried: [`region-${B}`, `region-${A}`, 'watch-us-east-1'],
      notes: [],
      exit: EXIT.failed,
    });
  });

  it('stops at a Region that is not healthy any more: the others keep the version that works', async () => {
    const account = new Account();
    account.onDeploy = ({ name }) => {
      if (name === `region-${B}`) account.health[B] = ['registry'];
    };
    const outcome = await run(account);
    expect(outcome.stopped).toEqual({ stack: `region-${B}`, why: 'deployed, but not healthy: registry' });
    expect(account.deployed).not.toContain(`deploy region-${A}`);
  });

  it('stops where an alarm begins to ring, and not for one that rang before: the other Region may be down', async () => {
    const account = new Account();
    account.ringing[B] = ['replication-lag'];
    expect((await run(account)).stopped).toBeNull();
    account.onDeploy = ({ name }) => {
      if (name === `region-${B}`) account.ringing[B] = ['replication-lag', 'api-errors'];
    };
    const { stopped } = await run(account);
    expect(stopped!.why).toBe(
      'deployed, but in ALARM since: api-errors; docs/runbook.md has a section for each',
    );
  });

  it('a fix reaches a Region that was unhealthy before; a worse one stops it', async () => {
    const account = new Account();
    account.health[B] = ['registry', 'status'];
    const outcome = await run(account);
    expect(outcome).toMatchObject({ stopped: null, notes: [expect.stringContaining('registry, status')] });
    account.onDeploy = ({ name }) => {
      if (name === `region-${B}`) account.health[B] = ['registry', 'ledger'];
    };
    expect((await run(account)).stopped!.why).toContain('registry, ledger');
  });

  it('a new stage has no keys, so its Regions are not healthy, and the rest of them must be', async () => {
    const account = new Account();
    account.existing = new Set();
    account.health = { [A]: ['keys'], [B]: ['keys'] };
    const outcome = await run(account);
    expect(outcome.exit).toBe(0);
    expect(outcome.notes).toHaveLength(2);
    expect(outcome.notes[0]).toContain('countersign keys init');
    // Nothing was there that an alarm could watch.
    expect(account.log.filter((line) => line.startsWith('alarms'))).toEqual([]);
    const broken = new Account();
    broken.existing = new Set();
    broken.health = { [A]: ['keys', 'ledger'], [B]: ['keys', 'ledger'] };
    expect((await run(broken)).exit).toBe(EXIT.failed);
    const silent = new Account();
    silent.existing = new Set();
    silent.health = {};
    expect((await run(silent)).stopped!.why).toContain('gives no answer after 5 min');
  });

  it('waits for a Region that needs time to be healthy', async () => {
    const account = new Account();
    let looks = 0;
    account.failing = async ({ region }) => {
      if (region !== B || !account.deployed.includes(`deploy region-${B}`)) return [];
      looks += 1;
      return looks < 3 ? ['keys'] : [];
    };
    expect((await run(account)).stopped).toBeNull();
    expect(looks).toBe(3);
  });

  it('Ctrl-C ends it after the stack under way, with what is left', async () => {
    const account = new Account();
    account.onDeploy = ({ part }) => {
      if (part === 'home') account.interrupt.abort();
    };
    const { done, stopped, exit } = await run(account);
    expect([done.at(-1), stopped, exit]).toEqual([
      `home-${A}`,
      { stack: `region-${B}`, why: 'interrupted' },
      EXIT.interrupted,
    ]);
  });

  it('stopped at any stack and run again, it ends where one run would', async () => {
    for (const broken of PLAN.stacks) {
      const account = new Account();
      account.onDeploy = ({ name }) => {
        if (name === broken.name) throw new CliError(EXIT.failed, 'lost');
      };
      const first = await run(account);
      expect(first.stopped!.stack).toBe(broken.name);
      account.onDeploy = () => {};
      expect((await run(account)).done).toEqual(names(PLAN.stacks));
    }
  });
});
