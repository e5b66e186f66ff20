/** The drills: what each does to the platform, and what must hold meanwhile (docs/drills.md). */
import { PURPOSES } from '../../lambda/contract/purposes.ts';
import type { TableConsistency } from '../../lambda/contract/serving-environment.ts';
import type { Fault } from './fault.ts';
import type { History } from './history.ts';

/** The steps that a drill can take. Times are milliseconds of the history. */
export interface DrillContext {
  readonly consistency: TableConsistency;
  /** In the order of preference. The first is the home Region. */
  readonly regions: readonly string[];
  readonly history: History;
  /** A part of the duration; 0.5 is half of it. */
  wait(part: number): Promise<void>;
  cause(fault: Fault): Promise<void>;
  /**
   * Runs the command line against this platform, and notes if it ends with another exit code than this.
   * @returns its output
   */
  command(args: readonly string[], code?: number): Promise<string>;
  /** Reads what was acknowledged so far in this Region: the only one that is left. */
  readBack(region: string): Promise<void>;
  /** Reads the events of what was acknowledged so far in this Region. */
  readEvents(region: string): Promise<void>;
}

export interface Drill {
  readonly does: string;
  /** @returns from when on recovery counts; undefined where no client has to recover */
  run(context: DrillContext): Promise<Recovery | undefined>;
  /** Clients see no error. @default true */
  readonly noErrors?: (consistency: TableConsistency) => boolean;
  /** A request meets at most one failure of transport, and one `use_nonce`. @default false */
  readonly oneFailure?: true;
  /** It leaves the platform other than it was, so it needs one of its own. @default false */
  readonly ownOnly?: true;
}

export interface Recovery {
  readonly fromMs: number;
  /**
   * Clients that prefer this Region have to be served elsewhere; undefined: any registration shows recovery.
   */
  readonly leaving?: string;
}

/** Parts of the duration before, during and after the fault. */
const BEFORE = 0.25;
const DURING = 0.5;
const AFTER = 0.25;

export const DRILLS: Readonly<Record<string, Drill>> = {
  'region-loss': {
    does: 'kills a Region, and starts it again',
    oneFailure: true,
    async run(context) {
      const lost = context.regions.at(-1)!;
      const fromMs = await lose(context, lost, context.regions[0]!);
      await bringBack(context, lost);
      return { fromMs, leaving: lost };
    },
  },

  'home-loss': {
    does: 'kills the home Region, lets another make the keys, and brings the former key home back',
    oneFailure: true,
    ownOnly: true,
    async run(context) {
      const [home, next] = context.regions as [string, string];
      const { history } = context;
      const fromMs = await lose(context, home, next);
      history.mark(`keys promote --to ${next}`);
      // The home Region is away, so the command is not finished, and says so.
      await context.command(['keys', 'promote', '--to', next, '--yes'], 1);
      await context.command(['keys', 'rotate', 'nonce']);
      await bringBack(context, home, async () => {
        history.mark('keys promote again');
        await context.command(['keys', 'promote', '--to', next, '--yes']);
      });
      return { fromMs, leaving: home };
    },
  },

  partition: {
    does: 'cuts a Region off from the others; clients still reach it',
    async run(context) {
      const alone = context.regions.at(-1)!;
      await context.wait(BEFORE);
      const fromMs = context.history.mark(`${alone} reaches no other Region`);
      await context.cause({ kind: 'partition', alone: [alone] });
      await context.wait(DURING);
      context.history.mark('healed');
      await context.cause({ kind: 'partition', alone: [] });
      await context.wait(AFTER);
      return context.consistency === 'strong' ? { fromMs, leaving: alone } : undefined;
    },
  },

  'quorum-loss': {
    does: 'cuts all Regions off from each other: in strong mode none can register',
    noErrors: (consistency) => consistency === 'eventual',
    async run(context) {
      await context.wait(BEFORE);
      context.history.mark('no Region reaches another');
      await context.cause({ kind: 'partition', alone: context.regions });
      await context.wait(DURING);
      const fromMs = context.history.mark('healed');
      await context.cause({ kind: 'partition', alone: [] });
      await context.wait(AFTER);
      return context.consistency === 'strong' ? { fromMs } : undefined;
    },
  },

  throttle: {
    does: 'refuses half of the calls of the tables of a Region, and delays the rest',
    async run(context) {
      const region = context.regions.at(-1)!;
      await context.wait(BEFORE);
      context.history.mark(`the tables of ${region} are throttled`);
      await context.cause({ kind: 'throttle', region, rate: 0.5, delay_ms: 20 });
      await context.wait(DURING);
      context.history.mark('not throttled any more');
      await context.cause({ kind: 'throttle', region, rate: 0, delay_ms: 0 });
      await context.wait(AFTER);
      return undefined;
    },
  },

  'vault-loss': {
    does: 'takes Vault away; a rotation fails meanwhile, and succeeds afterwards',
    async run(context) {
      await context.wait(BEFORE);
      context.history.mark('Vault is lost');
      await context.cause({ kind: 'vault', lost: true });
      await context.command(['keys', 'rotate', 'nonce'], 1);
      await context.wait(DURING);
      context.history.mark('Vault is back');
      await context.cause({ kind: 'vault', lost: false });
      await context.command(['keys', 'rotate', 'nonce']);
      await context.wait(AFTER);
      return undefined;
    },
  },

  rotation: {
    does: 'rotates the keys of every purpose',
    async run(context) {
      await context.wait(BEFORE);
      for (const purpose of PURPOSES) {
        context.history.mark(`keys rotate ${purpose}`);
        await context.command(['keys', 'rotate', purpose]);
        await context.wait(DURING / PURPOSES.length);
      }
      await context.command(['keys', 'list']);
      await context.wait(AFTER);
      return undefined;
    },
  },

  evacuation: {
    does: 'evacuates a Region, and returns it',
    async run(context) {
      const region = context.regions.at(-1)!;
      await context.wait(BEFORE);
      const fromMs = context.history.mark(`evacuate ${region}`);
      await context.command(['evacuate', region, '--yes']);
      await context.wait(DURING);
      context.history.mark(`return ${region}`);
      await context.command(['return', region, '--yes']);
      await context.wait(AFTER);
      return { fromMs, leaving: region };
    },
  },

  restore: {
    does: 'copies registry and clients into other tables while writes are stopped, and takes these into use',
    noErrors: () => false,
    ownOnly: true,
    async run(context) {
      const { history } = context;
      const generation = 2;
      await context.wait(BEFORE);
      await context.cause({ kind: 'tables', generation, in_use: false });
      history.mark('writes are stopped, and copied');
      await context.command(['registry', 'stop-writes']);
      await context.command(['registry', 'copy', '--to-generation', `${generation}`]);
      history.mark(`the tables of generation ${generation} are taken into use`);
      await context.cause({ kind: 'tables', generation, in_use: true });
      const shown = await context.command(['registry', 'show']);
      if (shown.split(`-registry-${generation}`).length !== context.regions.length + 1)
        history.broken.push(`not every Region uses the tables of generation ${generation}: ${shown}`);
      const fromMs = history.mark('writes are allowed');
      await context.command(['registry', 'resume-writes']);
      await context.wait(DURING);
      return { fromMs };
    },
  },
};

/** @returns when the Region was lost */
async function lose(context: DrillContext, region: string, survivor: string): Promise<number> {
  await context.wait(BEFORE);
  const fromMs = context.history.mark(`${region} is lost`);
  await context.cause({ kind: 'region', region, lost: true });
  await context.wait(DURING);
  await context.readBack(survivor);
  await context.readEvents(survivor);
  return fromMs;
}

async function bringBack(context: DrillContext, region: string, also = async () => {}): Promise<void> {
  context.history.mark(`${region} is back`);
  await context.cause({ kind: 'region', region, lost: false });
  await also();
  await context.wait(AFTER);
}
