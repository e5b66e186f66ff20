/**
 * The four steps of a rotation (AWS Secrets Manager, "Lambda rotation functions"). Each step may be repeated,
 * run beside another run's step, or stop between any two calls. Readers see AWSCURRENT alone, and that label
 * moves in one call, from the version that the new keyset was made from (docs/key-life-cycle.md, "A
 * rotation").
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { KeyAlgorithm } from '../../protocol/key-material.ts';
import type { KeyLags } from '../../protocol/key-windows.ts';
import { FORMAT_VERSION, type Keyset, parseKeyset, verificationKeys } from '../../protocol/keyset.ts';
import { type Published, withPublished } from '../../protocol/published.ts';
import { checkPending, followingKeyset, recalled, rotationRefusal } from '../../protocol/rotation.ts';
import { Unavailable } from '../adapters/call.ts';
import type { SecretState, SecretVersions } from '../adapters/secret-versions.ts';
import { describeError, type Log } from '../log.ts';
import type { VaultKeys } from '../vault/keys.ts';
import { type Changing, Deadline, TIMES, type Times } from './deadline.ts';
import { makeKey, works } from './new-key.ts';
import {
  type KeyRegion,
  type Looked,
  lookAtRegions,
  recallable,
  rememberEverywhere,
  type Unreadable,
} from './regions.ts';
import { Overtaken, RotationError } from './rotation-error.ts';

export interface RotationOptions {
  readonly purpose: string;
  /** Algorithm of the purpose's keys. */
  readonly alg: KeyAlgorithm;
  /** The keyset's secret, as this Region has it. */
  readonly secret: SecretVersions;
  readonly vault: VaultKeys;
  /** Name of the purpose's Transit key. */
  readonly vaultKey: string;
  readonly lags: KeyLags;
  /** This function's own. */
  readonly region: string;
  /** The Region that makes keys, as this Region's stack was deployed. */
  readonly keysRegion: string;
  /** All of them, the home Region first. */
  readonly regions: readonly KeyRegion[];
  /** Epoch milliseconds. */
  readonly nowMs: () => number;
  readonly log: Log;
  readonly times?: Times;
}

/** How long to wait before each read of the labels after a change. */
const READ_AGAIN_MS = [0, 50, 200, 500];

export interface HeldKeyset {
  readonly versionId: string;
  readonly keyset: Keyset;
}

/**
 * The part of its own Region's `limits` table that a rotation must read: otherwise a refused key could
 * return.
 */
const OWN_TABLE: readonly Unreadable['part'][] = ['revoked kids', 'published keys'];

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

  /**
   * @returns the keyset of an ordinary rotation, with a key that Vault makes now. If a Region refuses a key
   * of the current keyset, a revocation was not completed: then the keyset of that revocation
   */
  async next({ versionId, keyset }: HeldKeyset): Promise<Keyset> {
    const { vault, vaultKey, alg, lags, nowMs, regions, region, times = TIMES } = this.#options;
    // Taken before Vault is asked: the time that Vault needs is part of X.
    const startedMs = nowMs();
    const looked = await lookAtRegions(regions, times.eachMs);
    // Another Region may be lost for weeks, so a rotation needs only its own Region's table.
    if (looked.unreadable.some((each) => each.region === region && OWN_TABLE.includes(each.part)))
      throw new Unavailable('limits');
    this.requireHome(looked.published);
    if (keyset.keys.length === 0) await this.#requireNew(looked);
    else if (keyset.seq < looked.published.seq) await this.#requireKept(keyset, looked, startedMs);
    const keys = keyset.keys.filter(({ kid }) => !looked.revoked.includes(kid));
    const refusal = rotationRefusal({ ...keyset, keys }, lags, startedMs);
    if (refusal !== undefined) throw new RotationError(refusal);
    const base = recalled(keyset, recallable(looked, keyset, startedMs));
    const newKey = await makeKey(vault, vaultKey, alg, base);
    return followingKeyset(base, versionId, newKey, lags, startedMs, looked.revoked);
  }

  /** Passes if there is nothing to test: AWS runs this step alone when a schedule is set. */
  async testSecret(token: string): Promise<void> {
    const current = await this.current();
    const held = await this.#options.secret.read({ id: token });
    if (held && current.versionId !== token) await this.#check(current, token, this.#parse(held));
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
        const keyset = this.#parse(held);
        await this.#check(current, token, keyset);
        try {
          await this.#remember([current.keyset, keyset], forgotten);
          await this.#requireStillHome(forgotten);
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
   * a secret's replication for good (docs/aws-truths.md, "Secrets").
   *
   * @returns false if a replica does not have it in time, as while its Region is lost
   */
  async #replicated(): Promise<boolean> {
    const { secret, times = TIMES } = this.#options;
    const endMs = performance.now() + times.replicatedMs;
    for (let ms = 10; ; ms = Math.min(2 * ms, 500)) {
      if (!(await secret.describe()).replicating) return true;
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
          this.requireHome(before);
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

  /**
   * Another Region may have answered late, and a promotion may have come between. This Region's own table
   * confirms every promotion, and a promotion waits for the one call that follows.
   */
  async #requireStillHome(forgotten: boolean): Promise<void> {
    const { regions, region, times = TIMES } = this.#options;
    const own = regions.find((each) => each.region === region)!;
    const published = await new Deadline().by(times.eachMs, own.published.read()).catch(() => undefined);
    if (published) this.requireHome(published);
    else if (!forgotten) throw new Unavailable('limits');
  }

  /**
   * Two Regions that both make keys would make keys that the other does not know.
   *
   * @throws RotationError where another Region makes the keys, by this stack's config or since a promotion
   */
  requireHome({ home }: Published): void {
    const { region, keysRegion } = this.#options;
    if (home !== undefined && home.region !== region)
      throw new RotationError(
        `the keys were promoted to ${home.region}, which alone makes new ones: deploy ${region} with keys.managedBy, and run countersign keys promote --to ${home.region} again`,
      );
    if (keysRegion !== region)
      throw new RotationError(
        `${keysRegion} alone makes keys, as ${region} is deployed: after countersign keys promote --to ${region}, deploy ${region} with keys.managedBy`,
      );
  }

  /**
   * A keyset that a template or a person emptied lacks keys that readers hold. To start it again would
   * neither keep nor revoke them.
   */
  async #requireNew({ published }: Looked): Promise<void> {
    const before = await this.#options.secret.read({ label: 'AWSPREVIOUS' });
    if (before && this.#parse(before).keys.length > 0)
      throw new RotationError(
        `the keyset is empty, and was not before: move AWSCURRENT back to version ${before.versionId}`,
      );
    if (published.seq > 0)
      throw new RotationError(
        `the keyset is empty, and version ${published.seq} of it was published: move AWSCURRENT back to a version with keys, or revoke the keys, which makes a new one`,
      );
  }

  /**
   * Readers ignore a keyset that was rolled back, so the keys of the newer one are in use. The next keyset
   * would end them. A rotation that did not finish leaves no newer AWSPREVIOUS.
   */
  async #requireKept(current: Keyset, { published, revoked }: Looked, nowMs: number): Promise<void> {
    const before = await this.#options.secret.read({ label: 'AWSPREVIOUS' });
    const newer = before && keysetOrNone(before.text);
    if (!newer || newer.seq <= current.seq) return;
    const known = [...revoked, ...current.keys.map(({ kid }) => kid)];
    const lost = verificationKeys(newer, nowMs).flatMap(({ kid }) => (known.includes(kid) ? [] : [kid]));
    const version = newer.seq === published.seq ? before.versionId : `the version with seq ${published.seq}`;
    if (lost.length > 0)
      throw new RotationError(
        `the secret was rolled back to a keyset without ${lost.join(', ')}, which readers hold: move AWSCURRENT back to ${version}, or revoke the keys, which makes a new one`,
      );
  }

  /** @throws RotationError if there is none, or it is not a keyset */
  async current(): Promise<HeldKeyset> {
    const held = await this.#options.secret.read({ label: 'AWSCURRENT' });
    if (!held) throw new RotationError('the secret has no current version');
    return { versionId: held.versionId, keyset: this.#parse(held) };
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

  #parse({ versionId, text }: { readonly versionId: string; readonly text: string }): Keyset {
    try {
      return parseKeyset(text, this.#options.alg);
    } catch (error) {
      throw new RotationError(`version ${versionId}: ${(error as Error).message}`);
    }
  }
}

function keysetOrNone(text: string): Keyset | undefined {
  try {
    return parseKeyset(text);
  } catch {
    return undefined;
  }
}

/** A keyset that a newer release wrote may have members that this release would drop. */
function requireKnownFormat({ keyset: { version }, versionId }: HeldKeyset): void {
  if (version > FORMAT_VERSION)
    throw new RotationError(
      `version ${versionId} has format ${version}, and this release writes ${FORMAT_VERSION}: deploy the newer release here`,
    );
}
