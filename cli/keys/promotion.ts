/** A promotion under way: its steps, and how each is run, said and waited for. */
import type { KeysetSummary } from '../../lambda/contract/keys.ts';
import { stackName } from '../../lambda/contract/names.ts';
import { PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import { invoke, Refused } from '../admin.ts';
import { CliError, EXIT } from '../io.ts';
import { LOCAL_DEPLOY } from '../local.ts';
import { pause } from '../pause.ts';
import type { Target } from '../target.ts';
import { askKeys } from './ask.ts';
import type { Lock } from './lock.ts';
import { type DescribedSecret, type Secrets, secretsOf } from './secrets.ts';

export type StepName =
  /** The Regions' functions know which of them makes keys. */
  | 'take-over'
  /** The Region's secret is its own, and no replica. */
  | 'detach'
  /** The lock file names the Region that makes keys. */
  | 'lock'
  /** The Region's stack is deployed with `keys.managedBy`. */
  | 'deploy'
  /** The Region's secret is a replica of the one that makes keys. */
  | 'replicate'
  /** The Region has the same keys, and refuses the same. */
  | 'compare'
  /** A key of the new key home signs. */
  | 'sign';

export interface PromotionStep {
  readonly step: StepName;
  readonly region: string;
  /** Null for a step of all purposes. */
  readonly purpose: Purpose | null;
  readonly done: boolean;
  readonly detail: string;
}

export interface PromoteOptions {
  /** Goes on although the former key home answers, or keys are lost by it. */
  readonly yes: boolean;
  /** Undefined where no stack has one: on the local platform. */
  readonly lock: Lock | undefined;
  readonly timeoutMs: number;
  readonly pollMs: number;
  /** How long a Region other than the new key home has to answer before it counts as lost. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  /** Takes each step once it is known whether it is done. */
  report(step: PromotionStep): void;
}

/** A Region's keysets, as its own functions see them; without those whose secret the Region lacks. */
export type Keysets = ReadonlyMap<Purpose, KeysetSummary>;

/** The other Regions that answer. */
export type Present = ReadonlyMap<string, Keysets>;

export class Promotion {
  readonly steps: PromotionStep[] = [];
  readonly target: Target;
  /** The new key home. */
  readonly to: string;
  readonly options: PromoteOptions;
  readonly secrets: Secrets;

  constructor(target: Target, to: string, options: PromoteOptions) {
    this.target = target;
    this.to = to;
    this.options = options;
    this.secrets = secretsOf(target, options.signal);
  }

  /** Whether the Region's stack is deployed such that keys are made by the new key home. */
  isDeployed(region: string, keysets: Keysets): boolean {
    return [...keysets.values()].every(({ managed_by, next_rotation_at, primary_region }) => {
      if (managed_by !== this.to) return false;
      const hasSchedule = next_rotation_at !== null;
      return region === this.to ? hasSchedule : !hasSchedule || primary_region !== region;
    });
  }

  async deploy(region: string): Promise<boolean> {
    const { stage, local } = this.target;
    if (!local) {
      const stack = stackName(stage, 'region', region);
      return this.step(
        'deploy',
        region,
        null,
        false,
        `set keys.managedBy: '${this.to}' in the config, commit it with countersign.lock.json, and run ` +
          `\`npx cdk deploy --exclusively ${stack}\`; then run this command again`,
      );
    }
    await invoke(this.target, region, LOCAL_DEPLOY, 'deploy', { managed_by: this.to });
    return this.step(
      'deploy',
      region,
      null,
      this.isDeployed(region, await this.askThose(region)),
      `with keys.managedBy: ${this.to}`,
    );
  }

  /**
   * Runs a step for one purpose after the other, until one fails: a promotion of some purposes takes them
   * from a key home that goes on with the others.
   *
   * @returns whether all are done
   */
  async eachPurpose(
    step: StepName,
    region: string,
    run: (purpose: Purpose) => Promise<string | undefined>,
  ): Promise<boolean> {
    for (const purpose of PURPOSES)
      if (!(await this.forPurpose(step, region, purpose, () => run(purpose)))) return false;
    return true;
  }

  /** @param run returns what it did; undefined where nothing was to do @returns whether the step is done */
  async forPurpose(
    step: StepName,
    region: string,
    purpose: Purpose,
    run: () => Promise<string | undefined>,
  ): Promise<boolean> {
    try {
      const detail = await run();
      if (detail !== undefined) this.step(step, region, purpose, true, detail);
      return true;
    } catch (error) {
      if (!(error instanceof CliError) || error.exitCode === EXIT.interrupted) throw error;
      return this.step(step, region, purpose, false, error.message);
    }
  }

  step(step: StepName, region: string, purpose: Purpose | null, done: boolean, detail: string): boolean {
    const made = { step, region, purpose, done, detail };
    this.steps.push(made);
    this.options.report(made);
    return done;
  }

  async ask(region: string): Promise<Keysets> {
    const keysets = await Promise.all(PURPOSES.map((purpose) => this.call(region, purpose, 'keys.list', {})));
    return new Map(PURPOSES.map((purpose, i) => [purpose, keysets[i]!]));
  }

  /**
   * Like `ask`, without the purposes whose secret the Region lacks. Its function answers that it cannot read
   * it, whatever the cause is.
   */
  async askThose(region: string, signal = this.options.signal): Promise<Keysets> {
    const keysets = await Promise.all(
      PURPOSES.map((purpose) =>
        askKeys(this.target, region, purpose, 'keys.list', {}, signal).catch(async (error: unknown) => {
          if (!isUnreadable(error) || (await this.secrets.describe(region, purpose))) throw error;
          return undefined;
        }),
      ),
    );
    return new Map(PURPOSES.flatMap((purpose, i) => (keysets[i] ? [[purpose, keysets[i]]] : [])));
  }

  call<A extends 'keys.list' | 'keys.promote'>(
    region: string,
    purpose: Purpose,
    action: A,
    params: Parameters<typeof askKeys<A>>[4],
  ) {
    return askKeys(this.target, region, purpose, action, params, this.options.signal);
  }

  async mustDescribe(region: string, purpose: Purpose): Promise<DescribedSecret> {
    const found = await this.secrets.describe(region, purpose);
    if (found) return found;
    throw new CliError(EXIT.failed, `${region} has no secret of ${purpose}`);
  }

  async until(isDone: () => Promise<boolean>, fault: () => string): Promise<void> {
    const end = Date.now() + this.options.timeoutMs;
    while (!(await isDone())) {
      if (Date.now() >= end) throw new CliError(EXIT.failed, fault());
      await this.pause();
    }
  }

  pause(): Promise<void> {
    return pause(this.options.pollMs, this.options.signal);
  }
}

/** The Region's function answers that it cannot read its secret, whatever the cause is. */
export const isUnreadable = (error: unknown): boolean =>
  error instanceof Refused && error.code === 'unavailable';

/** @returns the Regions that have the purpose's secret */
export const withSecret = (present: Present, purpose: Purpose): string[] =>
  [...present].flatMap(([region, keysets]) => (keysets.has(purpose) ? [region] : []));
