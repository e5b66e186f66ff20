/** The drills: what each does to the platform, and what must hold meanwhile (docs/drills.md). */
import { PURPOSES } from '../../lambda/contract/purposes.ts';
import type { History } from './history.ts';
import type { Consistency, Fault } from './platform.ts';

/** What a drill may do. Times are milliseconds of the history. */
export interface Stage {
  readonly consistency: Consistency;
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
}

export interface Drill {
  readonly does: string;
  /** @returns from when on recovery counts; undefined where no client has to recover */
  run(stage: Stage): Promise<Recovery | undefined>;
  /** Clients see no error. @default true */
  readonly noErrors?: (consistency: Consistency) => boolean;
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
    async run(stage) {
      const lost = stage.regions.at(-1)!;
      const fromMs = await lose(stage, lost, stage.regions[0]!);
      await bringBack(stage, lost);
      return { fromMs, leaving: lost };
    },
  },

  'home-loss': {
    does: 'kills the home Region, lets another make the keys, and takes the former home back',
    oneFailure: true,
    ownOnly: true,
    async run(stage) {
      const [home, next] = stage.regions as [string, string];
      const { history } = stage;
      const fromMs = await lose(stage, home, next);
      history.mark(`keys promote --to ${next}`);
      // The home Region is away, so the command is not finished, and says so.
      await stage.command(['keys', 'promote', '--to', next, '--yes'], 1);
      await stage.command(['keys', 'rotate', 'nonce']);
      await bringBack(stage, home, async () => {
        history.mark('keys promote again');
        await stage.command(['keys', 'promote', '--to', next, '--yes']);
      });
      return { fromMs, leaving: home };
    },
  },

  partition: {
    does: 'cuts a Region off from the others; clients still reach it',
    async run(stage) {
      const alone = stage.regions.at(-1)!;
      await stage.wait(BEFORE);
      const fromMs = stage.history.mark(`${alone} reaches no other Region`);
      await stage.cause({ kind: 'partition', alone: [alone] });
      await stage.wait(DURING);
      stage.history.mark('healed');
      await stage.cause({ kind: 'partition', alone: [] });
      await stage.wait(AFTER);
      return stage.consistency === 'strong' ? { fromMs, leaving: alone } : undefined;
    },
  },

  'quorum-loss': {
    does: 'cuts all Regions off from each other: in strong mode none can register',
    noErrors: (consistency) => consistency === 'eventual',
    async run(stage) {
      await stage.wait(BEFORE);
      stage.history.mark('no Region reaches another');
      await stage.cause({ kind: 'partition', alone: stage.regions });
      await stage.wait(DURING);
      const fromMs = stage.history.mark('healed');
      await stage.cause({ kind: 'partition', alone: [] });
      await stage.wait(AFTER);
      return stage.consistency === 'strong' ? { fromMs } : undefined;
    },
  },

  throttle: {
    does: 'refuses half of the calls of the tables of a Region, and delays the rest',
    async run(stage) {
      const region = stage.regions.at(-1)!;
      await stage.wait(BEFORE);
      stage.history.mark(`the tables of ${region} are throttled`);
      await stage.cause({ kind: 'throttle', region, rate: 0.5, delay_ms: 20 });
      await stage.wait(DURING);
      stage.history.mark('not throttled any more');
      await stage.cause({ kind: 'throttle', region, rate: 0, delay_ms: 0 });
      await stage.wait(AFTER);
      return undefined;
    },
  },

  'vault-loss': {
    does: 'takes Vault away; a rotation fails meanwhile, and succeeds afterwards',
    async run(stage) {
      await stage.wait(BEFORE);
      stage.history.mark('Vault is lost');
      await stage.cause({ kind: 'vault', lost: true });
      await stage.command(['keys', 'rotate', 'nonce'], 1);
      await stage.wait(DURING);
      stage.history.mark('Vault is back');
      await stage.cause({ kind: 'vault', lost: false });
      await stage.command(['keys', 'rotate', 'nonce']);
      await stage.wait(AFTER);
      return undefined;
    },
  },

  rotation: {
    does: 'rotates the keys of every purpose',
    async run(stage) {
      await stage.wait(BEFORE);
      for (const purpose of PURPOSES) {
        stage.history.mark(`keys rotate ${purpose}`);
        await stage.command(['keys', 'rotate', purpose]);
        await stage.wait(DURING / PURPOSES.length);
      }
      await stage.command(['keys', 'list']);
      await stage.wait(AFTER);
      return undefined;
    },
  },

  evacuation: {
    does: 'evacuates a Region, and takes it back',
    async run(stage) {
      const region = stage.regions.at(-1)!;
      await stage.wait(BEFORE);
      const fromMs = stage.history.mark(`evacuate ${region}`);
      await stage.command(['evacuate', region, '--yes']);
      await stage.wait(DURING);
      stage.history.mark(`return ${region}`);
      await stage.command(['return', region, '--yes']);
      await stage.wait(AFTER);
      return { fromMs, leaving: region };
    },
  },

  restore: {
    does: 'copies registry and clients into other tables while writes are stopped, and takes these into use',
    noErrors: () => false,
    ownOnly: true,
    async run(stage) {
      const { history } = stage;
      const generation = 2;
      await stage.wait(BEFORE);
      await stage.cause({ kind: 'tables', generation, in_use: false });
      history.mark('writes are stopped, and copied');
      await stage.command(['registry', 'stop-writes']);
      await stage.command(['registry', 'copy', '--to-generation', `${generation}`]);
      history.mark(`the tables of generation ${generation} are taken into use`);
      await stage.cause({ kind: 'tables', generation, in_use: true });
      const shown = await stage.command(['registry', 'show']);
      if (shown.split(`-registry-${generation}`).length !== stage.regions.length + 1)
        history.broken.push(`not every Region uses the tables of generation ${generation}: ${shown}`);
      const fromMs = history.mark('writes are allowed');
      await stage.command(['registry', 'resume-writes']);
      await stage.wait(DURING);
      return { fromMs };
    },
  },
};

/** @returns when the Region was lost */
async function lose(stage: Stage, region: string, survivor: string): Promise<number> {
  await stage.wait(BEFORE);
  const fromMs = stage.history.mark(`${region} is lost`);
  await stage.cause({ kind: 'region', region, lost: true });
  await stage.wait(DURING);
  await stage.readBack(survivor);
  return fromMs;
}

async function bringBack(stage: Stage, region: string, also = async () => {}): Promise<void> {
  stage.history.mark(`${region} is back`);
  await stage.cause({ kind: 'region', region, lost: false });
  await also();
  await stage.wait(AFTER);
}
