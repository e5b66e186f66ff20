/**
 * The four steps of a rotation (AWS Secrets Manager, "Lambda rotation functions"). Each step may be repeated,
 * run beside another run's step, or stop between any two calls. Readers see AWSCURRENT alone, and that label
 * moves in one call, from the version that the new keyset was made from (docs/key-life-cycle.md, "A
 * rotation").
 */
import { setTimeout as delay } from 'node:timers/promises';
import { FORMAT_VERSION, type Keyset } from '../../protocol/keyset.ts';
import { withPublished } from '../../protocol/published.ts';
import { checkPending } from '../../protocol/rotation.ts';
import { Unavailable } from '../adapters/call.ts';
import type { SecretState } from '../adapters/secret-versions.ts';
import { describeError, type Log } from '../log.ts';
import { type Changing, Deadline, TIMES } from './deadline.ts';
import { type HeldKeyset, parseHeld } from './held.ts';
import { requireKeyHome, requireStillKeyHome } from './key-home.ts';
import { works } from './new-key.ts';
import { makeNextKeyset, type NextOptions } from './next.ts';
import { rememberEverywhere } from './regions.ts';
import { Overtaken, RotationError } from './rotation-error.ts';

export interface RotationOptions extends NextOptions {
  readonly purpose: string;
  readonly log: Log;
}

/** How long to wait before each read of the labels after a change. */
const READ_AGAIN_MS = [0, 50, 200, 500];

/** Makes the next keyset from the current one. */
export type Follow = (current: HeldKeyset) => Promise<Keyset>;

export class Rotation {
  readonly #options: RotationOptions;

  constructor(options: RotationOptions) {
    this.#options = options;
  }

  /**
   * Runs work that changes the secret, or calls Vault. Once the time is over, the
   * objects that `work` receives refuse every change and every call of Vault.
   *
   * @throws TooLate
   */
  within<T>(
    ms: number,
    deadline: Deadline,
    work: (rotation: Rotation, changing: Changing) => Promise<T>,
  ): Promise<T> {
    return deadline.changing(ms, this.#options, (changing) =>
      work(new Rotation({ ...this.#options, ...changing }), changing),
    );
  }

  /** Writes the version's keyset, once: a repeat keeps the first. @throws RotationError, Unavailable */
  async createSecret(token: string, rotationToken?: string): Promise<void> {
    await this.create(token, (current) => this.next(current), rotationToken);
  }

  async create(token: string, follow: Follow, rotationToken?: string): Promise<void> {
    const { secret } = this.#options;
    if (await secret.read({ id: token })) return;
    const current = await this.current();
    requireKnownFormat(current);
    const keyset = await follow(current);
    // False if a run beside this one was faster: its keyset is as good.
    await secret.put(token, JSON.stringify(keyset), rotationToken);
  }

  /** @returns the keyset of an ordinary rotation, with a key that Vault makes now */
  next(current: HeldKeyset): Promise<Keyset> {
    return makeNextKeyset(current, this.#options);
  }

  /** Passes if there is nothing to test: AWS runs this step alone when a schedule is set. */
  async testSecret(token: string): Promise<void> {
    const current = await this.current();
    const held = await this.#options.secret.read({ id: token });
    if (held && current.versionId !== token)
      await this.#check(current, token, parseHeld(held, this.#options.alg));
  }

  async finishSecret(token: string): Promise<void> {
    const deadline = new Deadline();
    await this.finish(token);
    await this.tidy(token, deadline);
  }

  /**
   * Makes the version current, unless another one became current meanwhile, or its key would sign too early.
   *
   * @param forgotten whether it may become current if this Region cannot remember it: a revocation does not
   * wait for that
   */
  async finish(token: string, forgotten = false): Promise<void> {
    if (!(await this.#isCurrent(token))) {
      const { secret } = this.#options;
      const held = await secret.read({ id: token });
      if (!held) throw new RotationError(`version ${token} has no value`);
      const current = await this.current();
      if (current.versionId !== token) {
        // A Region that is lost does not keep the others from a new keyset.
        await this.#replicated();
        const keyset = parseHeld(held, this.#options.alg);
        await this.#check(current, token, keyset);
        try {
          await this.#remember([current.keyset, keyset], forgotten);
          await requireStillKeyHome(this.#options, forgotten);
        } catch (error) {
          // A promotion waits for a version that may become current.
          if (error instanceof RotationError) await this.#abandon(token, [error.message]);
          throw error;
        }
        // The move is refused as well if it is already done: a run beside this one did it.
        if (!(await this.#swap(current.versionId, token)) && !(await this.#isCurrent(token)))
          await this.#abandon(token, ['another version became current'], Overtaken);
      }
    }
  }

  /**
   * Waits until the replicas have the last change: two moves of labels in quick succession were seen to stop
   * a secret's replication for good (docs/aws-truths.md, "Secrets and their rotation").
   *
   * @returns false if a replica does not have it in time, as while its Region is lost
   */
  async #replicated(): Promise<boolean> {
    const { secret, times = TIMES } = this.#options;
    const endMs = performance.now() + times.replicatedMs;
    for (let ms = 10; ; ms = Math.min(2 * ms, 500)) {
      const { replicas } = await secret.describe();
      if (!replicas.some(({ status }) => status === 'InProgress')) return true;
      if (performance.now() >= endMs) return false;
      await delay(ms);
    }
  }

  /**
   * Moves AWSCURRENT. If the answer is lost, the labels show whether it moved. @returns false if it was
   * refused
   */
  async #swap(from: string, to: string): Promise<boolean> {
    try {
      return await this.#options.secret.move('AWSCURRENT', from, to);
    } catch (error) {
      if ((await this.shown(({ current }) => current === to)) === undefined) throw error;
      return true;
    }
  }

  /**
   * Reads the labels until they are as expected: a read shortly after a write may still return them as they
   * were before.
   *
   * @returns undefined if they did not become so
   */
  async shown(expected: (state: SecretState) => boolean): Promise<SecretState | undefined> {
    for (const ms of READ_AGAIN_MS) {
      await delay(ms);
      const state = await this.#options.secret.describe();
      if (expected(state)) return state;
    }
    return undefined;
  }

  /**
   * Runs before the keyset is published: if that call's answer is lost, the keyset may be published
   * nevertheless.
   */
  async #remember(keysets: readonly Keyset[], forgotten: boolean): Promise<void> {
    const { regions, region, lags, nowMs, log, purpose, times = TIMES } = this.#options;
    const promoted: unknown[] = [];
    const failed = await rememberEverywhere(
      regions,
      (before) => {
        // Compared and swapped with what a promotion writes: a rotation under way finishes before it, or
        // never.
        try {
          requireKeyHome(this.#options, before);
        } catch (error) {
          promoted.push(error);
          throw error;
        }
        return keysets.reduce((memory, keyset) => withPublished(memory, keyset, lags, nowMs()), before);
      },
      times.eachMs,
    );
    for (const error of promoted) throw error;
    if (failed.includes(region) && !forgotten) throw new Unavailable('limits');
    for (const each of failed)
      log({ level: 'WARN', message: 'keyset', purpose, region: each, reason: 'published' });
  }

  /** @throws RotationError if there is none, or it is not a keyset */
  async current(): Promise<HeldKeyset> {
    const held = await this.#options.secret.read({ label: 'AWSCURRENT' });
    if (!held) throw new RotationError('the secret has no current version');
    return { versionId: held.versionId, keyset: parseHeld(held, this.#options.alg) };
  }

  /**
   * @throws RotationError if it is neither current nor pending: a run gave it up, or another version replaced
   * it
   */
  async #isCurrent(token: string): Promise<boolean> {
    const { current, pending } = await this.#options.secret.describe();
    if (current !== token && pending !== token) throw new Overtaken(`version ${token} is not AWSPENDING`);
    return current === token;
  }

  async #check(current: HeldKeyset, token: string, pending: Keyset): Promise<void> {
    const { lags, nowMs } = this.#options;
    const faults = checkPending(current.keyset, current.versionId, pending, lags, nowMs());
    for (const key of pending.keys)
      if (!(await works(key))) faults.push(`key ${key.kid} does not sign and verify`);
    if (faults.length > 0) await this.#abandon(token, faults);
  }

  /**
   * Removes AWSPENDING, so that the next rotation starts over: AWS refuses every rotation while the label
   * stands.
   */
  async #abandon(token: string, faults: readonly string[], Failure = RotationError): Promise<never> {
    const reasons = await this.#options.secret.move('AWSPENDING', token, undefined).then(
      () => faults,
      (error: unknown) => [
        ...faults,
        `its label AWSPENDING cannot be removed (${describeError(error).error})`,
      ],
    );
    throw new Failure(`version ${token} cannot become current: ${reasons.join('; ')}`);
  }

  /**
   * Deletes in Vault the versions that no keyset holds any more, if there is time. The rotation does not fail
   * without it: the next one does it.
   */
  async tidy(token: string, deadline: Deadline): Promise<void> {
    const { purpose, log, times = TIMES } = this.#options;
    try {
      await this.within(times.answerMs, deadline, (closing) => closing.#forget(token));
    } catch (error) {
      log({ level: 'WARN', message: 'keyset', purpose, reason: 'tidy', ...describeError(error) });
    }
  }

  async #forget(token: string): Promise<void> {
    const { secret, vault, vaultKey } = this.#options;
    // AWS lets the label stay on the version that is current, so it never moves too early.
    if (await this.#replicated()) await secret.move('AWSPENDING', token, undefined);
    const { keyset } = await this.current();
    const versions = keyset.keys.flatMap((key) => (key.vault?.key === vaultKey ? [key.vault.version] : []));
    if (versions.length > 0) await vault.trim(vaultKey, Math.min(...versions));
  }
}

/** A keyset that a newer release wrote may have members that this release would drop. */
function requireKnownFormat({ keyset: { version }, versionId }: HeldKeyset): void {
  if (version > FORMAT_VERSION)
    throw new RotationError(
      `version ${versionId} has format ${version}, and this release writes ${FORMAT_VERSION}: deploy the newer release here`,
    );
}
