/**
 * `countersign keys promote`: another Region makes the keys from now on (docs/runbook.md,
 * "primary-region-lost"). Each step looks first whether it is done, so a command that was interrupted
 * anywhere is run again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { KeysetSummary, PromotedKeys } from '../../lambda/contract/keys.ts';
import { PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import { invoke, Refused } from '../admin.ts';
import { AwsRefusal } from '../aws-error.ts';
import { CliError, EXIT } from '../io.ts';
import { LOCAL_DEPLOY } from '../local.ts';
import type { Target } from '../target.ts';
import { askKeys } from './ask.ts';
import type { Lock } from './lock.ts';
import { live, whyNoneSigns } from './print.ts';
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
  | 'compare';

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

/** @returns all steps; all are done only if every Region of the target has the keys of the new key home */
export async function promoteKeys(
  target: Target,
  to: string,
  options: PromoteOptions,
): Promise<readonly PromotionStep[]> {
  const promotion = new Promotion(target, to, options);
  await promotion.run();
  return promotion.steps;
}

/** A Region's keysets, as its own functions see them; without those whose secret the Region lacks. */
type Keysets = ReadonlyMap<Purpose, KeysetSummary>;

/** The other Regions that answer. */
type Present = ReadonlyMap<string, Keysets>;

/** The Region does not answer. It may be lost, or cut off from here. */
interface Silent {
  readonly error: string;
}

class Promotion {
  readonly steps: PromotionStep[] = [];
  readonly #target: Target;
  readonly #to: string;
  readonly #options: PromoteOptions;
  readonly #secrets: Secrets;

  constructor(target: Target, to: string, options: PromoteOptions) {
    this.#target = target;
    this.#to = to;
    this.#options = options;
    this.#secrets = secretsOf(target, options.signal);
  }

  async run(): Promise<void> {
    const to = this.#to;
    const others = this.#target.regions.filter((region) => region !== to);
    const own = await this.#ask(to);
    const present = new Map<string, Keysets>();
    const silent = new Map<string, string>();
    await Promise.all(
      others.map(async (region) => {
        const answer = await this.#askInTime(region);
        if ('error' in answer) silent.set(region, answer.error);
        else present.set(region, answer);
      }),
    );
    this.#requireLost(own, present);
    // With --yes nothing is refused here. The key is waited for before the secret is detached.
    for (const [purpose, { missing_kids }] of own)
      if (missing_kids.length > 0 && !this.#options.yes) await this.#waitForCopy(purpose, present);

    const promoted = await this.#eachPurpose('take-over', to, (purpose) => this.#takeOver(purpose, present));
    if (!promoted) return;
    if (
      !(await this.#eachPurpose('detach', to, (purpose) => this.#detachNewHome(purpose, promoted, present)))
    )
      return;
    const isDeployed = this.#isDeployed(to, own);
    if (!this.#lock(isDeployed)) return;
    if (!isDeployed && !(await this.#deploy(to))) return;
    await this.#follow(present, promoted);
    for (const [region, error] of silent)
      this.#step('replicate', region, null, false, this.#later(region, error));
    for (const { region } of own.get(PURPOSES[0]!)!.regions)
      if (!this.#target.regions.includes(region))
        this.#step('replicate', region, null, false, 'is a Region of the stage, and not in --region');
  }

  /** @throws CliError where the Region that makes keys now is there, and nobody said to go on nevertheless */
  #requireLost(own: Keysets, present: Present): void {
    const { promoted_to, primary_region, managed_by } = own.get(PURPOSES[0]!)!;
    const home = promoted_to ?? primary_region ?? managed_by;
    if (this.#options.yes || home === this.#to || !present.has(home)) return;
    throw new CliError(
      EXIT.failed,
      `${home} answers, and makes the keys: as long as it does, nothing needs to be promoted. If it goes on, ` +
        `${home} makes no key from then on, and none is made until ${this.#to} is deployed with keys.managedBy. ` +
        'A key that is made at this moment may be lost. To go on nevertheless: --yes',
    );
  }

  /** From here on no other Region's function makes a key, not even one that is under way. */
  async #takeOver(purpose: Purpose, present: Present): Promise<readonly [PromotedKeys, string]> {
    const to = this.#to;
    const asking = { to };
    const first = await this.#call(to, purpose, 'keys.promote', asking).catch((error: unknown) => {
      if (error instanceof Refused && error.code === 'malformed_request')
        throw new CliError(
          EXIT.failed,
          `its functions are of an older release: deploy this release in ${to} first`,
        );
      throw error;
    });
    this.#requireWon(first.keyset);
    // Where there is no secret, no key can be made.
    const makers = withSecret(present, purpose);
    const confirmed = new Set(first.regions.flatMap((each) => (each.confirmed ? [each.region] : [])));
    // A function in a VPC may reach its own Region only.
    for (const region of makers.filter((each) => !confirmed.has(each))) {
      const again = await this.#call(region, purpose, 'keys.promote', { to, home: first.home });
      this.#requireWon(again.keyset);
      if (again.regions.some((each) => each.region === region && each.confirmed)) confirmed.add(region);
    }
    const open = [to, ...makers].filter((region) => !confirmed.has(region));
    if (open.length > 0)
      throw new CliError(
        EXIT.failed,
        `not confirmed by ${open.join(', ')}, whose table limits cannot be read or written: a key may still be made there`,
      );
    const { keyset } = first;
    const revoked = keyset.revoked.length === 0 ? '' : `; ${keyset.revoked.length} revoked keys are refused`;
    return [first, `${to} alone makes keys: confirmed by ${[...confirmed].join(', ')}${revoked}`];
  }

  /**
   * Of two promotions at the same time the Regions remember one.
   *
   * @throws CliError where that is another one
   */
  #requireWon({ promoted_to }: KeysetSummary): void {
    if (promoted_to === null || promoted_to === this.#to) return;
    throw new CliError(
      EXIT.failed,
      `another promotion was made at the same time: ${promoted_to} alone makes keys. Run one of the two again, not both`,
    );
  }

  async #detachNewHome(
    purpose: Purpose,
    promoted: ReadonlyMap<Purpose, PromotedKeys>,
    present: Present,
  ): Promise<readonly [KeysetSummary, string]> {
    const to = this.#to;
    const isOwn = ({ primaryRegion = to }: DescribedSecret) => primaryRegion === to;
    const before = await this.#mustDescribe(to, purpose);
    const { keyset } = promoted.get(purpose)!;
    if (!isOwn(before)) {
      // A rotation may have finished just before the former key home recorded the promotion.
      if (keyset.missing_kids.length > 0) await this.#waitForCopy(purpose, present);
      // The other promotion may have been written after this one was confirmed.
      for (const region of [to, ...withSecret(present, purpose)])
        this.#requireWon(await this.#call(region, purpose, 'keys.list', {}));
      await this.#secrets.detach(to, purpose);
      await this.#until(
        async () => isOwn(await this.#mustDescribe(to, purpose)),
        () => `the secret still is a replica of ${before.primaryRegion}`,
      );
    }
    const now = await this.#call(to, purpose, 'keys.list', {});
    if (now.unreadable !== null) throw new CliError(EXIT.failed, now.unreadable);
    const kids = live(now).map(({ kid }) => kid);
    const lost = now.missing_kids;
    const fault = whyNoneSigns(now, this.#target.args);
    return [
      now,
      `${isOwn(before) ? 'is' : 'is now'} a secret of its own, with ${kids.join(', ') || 'no live key'}` +
        (lost.length === 0
          ? '; no published key is missing'
          : `; without ${lost.join(', ')}, which the former key home made last, and which did not arrive`) +
        (fault === undefined ? '' : `; ${fault}, once ${to} is deployed`),
    ];
  }

  /**
   * A key may be under way to the new key home, may have reached another Region only, or may be published at
   * this moment by the former key home, which saw no promotion.
   */
  async #waitForCopy(purpose: Purpose, present: Present): Promise<void> {
    const end = Date.now() + this.#options.timeoutMs;
    for (;;) {
      // Asked first: a version that stops to be pending meanwhile is seen as the current one.
      const publishing: string[] = [];
      for (const region of withSecret(present, purpose))
        if ((await this.#call(region, purpose, 'keys.list', {})).pending !== null) publishing.push(region);
      const { missing_kids: missing, regions } = await this.#call(this.#to, purpose, 'keys.list', {});
      const holders = regions.flatMap(({ region, kids }) =>
        present.has(region) && missing.some((kid) => kids?.includes(kid)) ? [region] : [],
      );
      if (missing.length === 0 || (holders.length === 0 && publishing.length === 0)) return;
      if (Date.now() >= end) {
        if (this.#options.yes) return;
        const lacks = `${purpose}: the copy of ${this.#to} lacks ${missing.join(', ')}, which `;
        throw new CliError(
          EXIT.failed,
          holders.length > 0
            ? `${lacks}${holders.join(', ')} has: promote that Region, or lose the key with --yes`
            : `${lacks}${publishing.join(', ')} may be publishing: run this again when that rotation has ended, or lose the key with --yes`,
        );
      }
      await this.#pause();
    }
  }

  #lock(isDeployed: boolean): boolean {
    const { lock } = this.#options;
    if (!lock) return true;
    const written = lock.write(this.#target.stage, this.#to);
    // Somebody deployed it, so the project has it.
    if (!written.done && isDeployed) return true;
    return this.#step('lock', this.#to, null, written.done, written.detail);
  }

  /** Whether the Region's stack is deployed such that keys are made by the new key home. */
  #isDeployed(region: string, keysets: Keysets): boolean {
    return [...keysets.values()].every(({ managed_by, next_rotation_at, primary_region }) => {
      if (managed_by !== this.#to) return false;
      const hasSchedule = next_rotation_at !== null;
      return region === this.#to ? hasSchedule : !hasSchedule || primary_region !== region;
    });
  }

  async #deploy(region: string): Promise<boolean> {
    const { stage, local } = this.#target;
    if (!local) {
      const stack = `countersign-${stage}-region-${region}`;
      return this.#step(
        'deploy',
        region,
        null,
        false,
        `set keys.managedBy: '${this.#to}' in the config, commit it with countersign.lock.json, and run ` +
          `\`npx cdk deploy --exclusively ${stack}\`; then run this command again`,
      );
    }
    await invoke(this.#target, region, LOCAL_DEPLOY, 'deploy', { managed_by: this.#to });
    return this.#step(
      'deploy',
      region,
      null,
      this.#isDeployed(region, await this.#askThose(region)),
      `with keys.managedBy: ${this.#to}`,
    );
  }

  /** Makes the other Regions' secrets replicas of the new key home's. */
  async #follow(present: Present, promoted: ReadonlyMap<Purpose, PromotedKeys>): Promise<void> {
    const work: { region: string; purpose: Purpose }[] = [];
    for (const region of this.#target.regions) {
      const keysets = present.get(region);
      if (!keysets) continue;
      // CloudFormation must end a schedule, and take the right to write, before the secret becomes a replica.
      if (!this.#isDeployed(region, keysets) && !(await this.#deploy(region))) continue;
      const detached = await this.#eachPurpose('detach', region, (purpose) =>
        this.#detachFromFormer(region, purpose),
      );
      if (detached) work.push(...PURPOSES.map((purpose) => ({ region, purpose })));
    }
    for (const [i, { region, purpose }] of work.entries()) {
      const isDone =
        (await this.#forPurpose('replicate', region, purpose, () =>
          this.#replicate(region, purpose, promoted),
        )) && (await this.#forPurpose('compare', region, purpose, () => this.#compare(region, purpose)));
      if (isDone) continue;
      // A replication that fails removes the secret that it overwrites, and the next one may fail as well.
      this.#leave(work.slice(i + 1), `${purpose} in ${region}`);
      return;
    }
  }

  #leave(work: readonly { region: string; purpose: Purpose }[], failed: string): void {
    for (const [region, those = []] of Map.groupBy(work, (each) => each.region)) {
      const purposes = those.map(({ purpose }) => purpose).join(', ');
      const detail = `left as they are, because ${failed} failed: ${purposes}`;
      this.#step('replicate', region, null, false, detail);
    }
  }

  /**
   * All replicas are detached before the former key home's secret is overwritten, because that one may have
   * no replicas then. None is removed: each Region must be able to read its own.
   */
  async #detachFromFormer(region: string, purpose: Purpose): Promise<readonly [true, string | undefined]> {
    const { primaryRegion = region } = (await this.#secrets.describe(region, purpose)) ?? {};
    if (primaryRegion === region || primaryRegion === this.#to) return [true, undefined];
    await this.#secrets.detach(region, purpose);
    return [true, `no longer is a replica of ${primaryRegion}`];
  }

  async #replicate(
    region: string,
    purpose: Purpose,
    promoted: ReadonlyMap<Purpose, PromotedKeys>,
  ): Promise<readonly [true, string]> {
    const to = this.#to;
    const source = await this.#mustDescribe(to, purpose);
    const before = await this.#secrets.describe(region, purpose);
    const isReplica = before?.primaryRegion === to;
    const earlier = statusIn(source, region);
    if (!isReplica || earlier?.status === 'Failed') {
      if (before) await this.#requireNothingLost(region, purpose, promoted.get(purpose)!);
      const alias = source.kmsKeyId && `alias/countersign-${this.#target.stage}`;
      await this.#secrets.replicate(to, region, purpose, before?.kmsKeyId ?? earlier?.kmsKeyId ?? alias);
    }
    await this.#until(
      async () => {
        const { status, message } = statusIn(await this.#mustDescribe(to, purpose), region) ?? {};
        if (status === 'Failed') {
          const isThere = (await this.#secrets.describe(region, purpose)) !== undefined;
          throw new CliError(
            EXIT.failed,
            `AWS does not make the replica: ${message}` +
              (isThere ? '' : `; ${region} now has no secret of ${purpose}`) +
              '. Once the cause is gone, run this command again (docs/runbook.md, primary-region-lost)',
          );
        }
        return status === 'InSync';
      },
      () => `the replica is not there yet; run it again to keep waiting`,
    );
    return [true, `${isReplica ? 'is' : 'is now'} a replica of ${to}`];
  }

  /** Overwriting the secret destroys keys that only this Region has. */
  async #requireNothingLost(region: string, purpose: Purpose, { home, keyset }: PromotedKeys): Promise<void> {
    if (this.#options.yes) return;
    const theirs = await this.#call(region, purpose, 'keys.list', {});
    const known = [...home.kids, ...keyset.keys.map(({ kid }) => kid), ...keyset.revoked];
    const alone = live(theirs).flatMap(({ kid }) => (known.includes(kid) ? [] : [kid]));
    if (alone.length === 0) return;
    throw new CliError(
      EXIT.failed,
      `has ${alone.join(', ')}, made there alone: what these keys signed is void once the secret is a replica, ` +
        'API keys that come from them included. To go on nevertheless: --yes',
    );
  }

  async #compare(region: string, purpose: Purpose): Promise<readonly [true, string]> {
    let difference = '';
    await this.#until(
      async () => {
        const [ours, theirs] = await Promise.all([
          this.#call(this.#to, purpose, 'keys.list', {}),
          this.#call(region, purpose, 'keys.list', {}),
        ]);
        const kids = ours.keys.map(({ kid }) => kid);
        const lacks = kids.filter((kid) => !theirs.keys.some((key) => key.kid === kid));
        const refused = theirs.regions.find((each) => each.region === region)?.revoked ?? [];
        const accepts = ours.revoked.filter((kid) => !refused.includes(kid));
        difference = [
          ...(lacks.length > 0 ? [`lacks ${lacks.join(', ')}`] : []),
          ...(accepts.length > 0 ? [`does not refuse ${accepts.join(', ')}`] : []),
          ...(theirs.promoted_to === this.#to ? [] : ['does not know of the promotion: run it again']),
          ...(theirs.primary_region === this.#to ? [] : [`still reads a secret of ${theirs.primary_region}`]),
        ].join(', and ');
        return difference === '';
      },
      () => difference,
    );
    return [true, `has the keys of ${this.#to}, and refuses what it refuses`];
  }

  #later = (region: string, error: string): string =>
    `${error}. When it is back: keep it evacuated, deploy its stacks with keys.managedBy, and run this command again ` +
    `before you return ${region}`;

  /** Runs a step for every purpose, even if another failed. @returns undefined if one failed */
  async #eachPurpose<R>(
    step: StepName,
    region: string,
    run: (purpose: Purpose) => Promise<readonly [R, string | undefined]>,
  ): Promise<ReadonlyMap<Purpose, R> | undefined> {
    const results = new Map<Purpose, R>();
    for (const purpose of PURPOSES)
      await this.#forPurpose(step, region, purpose, async () => {
        const [result, detail] = await run(purpose);
        results.set(purpose, result);
        return [result, detail];
      });
    return results.size === PURPOSES.length ? results : undefined;
  }

  /** @returns whether the step is done */
  async #forPurpose(
    step: StepName,
    region: string,
    purpose: Purpose,
    run: () => Promise<readonly [unknown, string | undefined]>,
  ): Promise<boolean> {
    try {
      const [, detail] = await run();
      if (detail !== undefined) this.#step(step, region, purpose, true, detail);
      return true;
    } catch (error) {
      if (!(error instanceof CliError) || error.exitCode === EXIT.interrupted) throw error;
      return this.#step(step, region, purpose, false, error.message);
    }
  }

  #step(step: StepName, region: string, purpose: Purpose | null, done: boolean, detail: string): boolean {
    const made = { step, region, purpose, done, detail };
    this.steps.push(made);
    this.#options.report(made);
    return done;
  }

  async #ask(region: string): Promise<Keysets> {
    const keysets = await Promise.all(
      PURPOSES.map((purpose) => this.#call(region, purpose, 'keys.list', {})),
    );
    return new Map(PURPOSES.map((purpose, i) => [purpose, keysets[i]!]));
  }

  /**
   * Like `#ask`, without the purposes whose secret the Region lacks. Its function answers that it cannot read
   * it, whatever the cause is.
   */
  async #askThose(region: string, signal = this.#options.signal): Promise<Keysets> {
    const keysets = await Promise.all(
      PURPOSES.map((purpose) =>
        askKeys(this.#target, region, purpose, 'keys.list', {}, signal).catch(async (error: unknown) => {
          if (!isUnreadable(error) || (await this.#secrets.describe(region, purpose))) throw error;
          return undefined;
        }),
      ),
    );
    return new Map(PURPOSES.flatMap((purpose, i) => (keysets[i] ? [[purpose, keysets[i]]] : [])));
  }

  /** A Region that refuses is there: missing rights of the operator do not count as its loss. */
  async #askInTime(region: string): Promise<Keysets | Silent> {
    const { signal, patienceMs } = this.#options;
    try {
      return await this.#askThose(region, AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]));
    } catch (error) {
      if (!(error instanceof CliError) || error instanceof AwsRefusal) throw error;
      if (error.exitCode !== EXIT.unreachable && !isUnreadable(error)) throw error;
      return { error: error.message };
    }
  }

  #call<A extends 'keys.list' | 'keys.promote'>(
    region: string,
    purpose: Purpose,
    action: A,
    params: Parameters<typeof askKeys<A>>[4],
  ) {
    return askKeys(this.#target, region, purpose, action, params, this.#options.signal);
  }

  async #mustDescribe(region: string, purpose: Purpose): Promise<DescribedSecret> {
    const found = await this.#secrets.describe(region, purpose);
    if (found) return found;
    throw new CliError(EXIT.failed, `${region} has no secret of ${purpose}`);
  }

  async #until(isDone: () => Promise<boolean>, fault: () => string): Promise<void> {
    const end = Date.now() + this.#options.timeoutMs;
    while (!(await isDone())) {
      if (Date.now() >= end) throw new CliError(EXIT.failed, fault());
      await this.#pause();
    }
  }

  async #pause(): Promise<void> {
    const { pollMs, signal } = this.#options;
    await delay(pollMs, undefined, { signal }).catch(() => {
      throw new CliError(EXIT.interrupted, 'interrupted');
    });
  }
}

const isUnreadable = (error: unknown): boolean => error instanceof Refused && error.code === 'unavailable';

const statusIn = ({ replicas }: DescribedSecret, region: string) =>
  replicas.find((each) => each.region === region);

/** @returns the Regions that have the purpose's secret */
const withSecret = (present: Present, purpose: Purpose): string[] =>
  [...present].flatMap(([region, keysets]) => (keysets.has(purpose) ? [region] : []));
