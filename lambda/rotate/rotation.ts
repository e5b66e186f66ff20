/**
 * The four steps of a rotation (AWS Secrets Manager, "Lambda rotation functions"). Each may be repeated, run beside
 * another's, or end between any two calls: readers see AWSCURRENT alone, and that moves in one call, from the version
 * that the new keyset was made from (docs/key-life-cycle.md, "A rotation").
 */
import type { KeyAlgorithm } from '../../protocol/key-material.ts';
import type { KeyLags } from '../../protocol/key-windows.ts';
import { FORMAT_VERSION, type Keyset, parseKeyset } from '../../protocol/keyset.ts';
import { withPublished } from '../../protocol/published.ts';
import {
  checkPending,
  nextKeyset,
  recalled,
  revokedKeyset,
  rotationRefusal,
} from '../../protocol/rotation.ts';
import type { SecretVersions } from '../adapters/secret-versions.ts';
import { Unavailable } from '../adapters/unavailable.ts';
import { describeError, type Log } from '../log.ts';
import type { VaultKeys } from '../vault/keys.ts';
import { Deadline, TIMES, type Times } from './deadline.ts';
import { makeKey, works } from './new-key.ts';
import { type KeyRegion, type Looked, lookAtRegions, rememberEverywhere } from './regions.ts';
import { Overtaken, RotationError } from './rotation-error.ts';

export interface RotationOptions {
  readonly purpose: string;
  /** What every key of the purpose is. */
  readonly alg: KeyAlgorithm;
  /** The keyset's secret, as this Region has it. */
  readonly secret: SecretVersions;
  readonly vault: VaultKeys;
  /** Name of the purpose's Transit key. */
  readonly vaultKey: string;
  readonly lags: KeyLags;
  /** This function's own. */
  readonly region: string;
  /** All of them, the home Region first. */
  readonly regions: readonly KeyRegion[];
  /** Epoch milliseconds. */
  readonly nowMs: () => number;
  readonly log: Log;
  readonly times?: Times;
}

export interface HeldKeyset {
  readonly versionId: string;
  readonly keyset: Keyset;
}

/** Makes the keyset that follows, from the one that is current. */
export type Follow = (current: HeldKeyset) => Promise<Keyset>;

export class Rotation {
  readonly #options: RotationOptions;

  constructor(options: RotationOptions) {
    this.#options = options;
  }

  /** Gives the version its keyset, once: a repeat leaves the one that is there. @throws RotationError, Unavailable */
  async createSecret(token: string, rotationToken?: string): Promise<void> {
    await this.create(token, (current) => this.next(current), rotationToken);
  }

  async create(token: string, follow: Follow, rotationToken?: string): Promise<void> {
    const { secret } = this.#options;
    if (await secret.read({ id: token })) return;
    const current = await this.current();
    requireKnownFormat(current);
    const keyset = await follow(current);
    // False where a run beside this one was faster: its keyset is as good.
    await secret.put(token, JSON.stringify(keyset), rotationToken);
  }

  /**
   * @returns the keyset of an ordinary rotation, with a key that Vault makes now. Where a Region refuses a key that is held,
   * a revocation was not completed: then it is that one's
   */
  async next({ versionId, keyset }: HeldKeyset): Promise<Keyset> {
    const { vault, vaultKey, alg, lags, nowMs, regions, region, times = TIMES } = this.#options;
    // The time before Vault is asked: what that takes is part of X.
    const startedMs = nowMs();
    const looked = await lookAtRegions(regions, times.eachMs);
    // Another Region may be lost for weeks; a rotation goes by its own.
    const unknown = ['revoked kids', 'published keys'].map((what) => `${what} in ${region} (`);
    if (looked.unreadable.some((each) => unknown.some((start) => each.startsWith(start))))
      throw new Unavailable('limits');
    if (keyset.keys.length === 0) await this.#requireNew(looked);
    const ended = keyset.keys.flatMap(({ kid }) => (looked.revoked.includes(kid) ? [kid] : []));
    const keys = keyset.keys.filter(({ kid }) => !ended.includes(kid));
    const refusal = rotationRefusal({ ...keyset, keys }, lags, startedMs);
    if (refusal !== undefined) throw new RotationError(refusal);
    const base = recalled(keyset, { ...looked, seq: looked.published.seq });
    const newKey = await makeKey(vault, vaultKey, alg, base);
    if (ended.length === 0) return nextKeyset(base, versionId, newKey, lags, startedMs);
    return revokedKeyset(base, versionId, newKey, lags, startedMs, ended);
  }

  /** Passes where there is nothing to test: AWS runs this step alone when a schedule is set. */
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
   * Makes the version current, unless another is by now, or its key would sign too early.
   *
   * @param forgotten whether it may, although this Region cannot remember it: a revocation waits for nothing
   */
  async finish(token: string, forgotten = false): Promise<void> {
    if (!(await this.#isCurrent(token))) {
      const { secret } = this.#options;
      const held = await secret.read({ id: token });
      if (!held) throw new RotationError(`version ${token} has no value`);
      const current = await this.current();
      if (current.versionId !== token) {
        const keyset = this.#parse(held);
        await this.#check(current, token, keyset);
        await this.#remember([current.keyset, keyset], forgotten);
        const moved = await secret.move('AWSCURRENT', current.versionId, token);
        // Refused, too, where an answer was lost, or a run beside this one has moved it.
        if (!moved && !(await this.#isCurrent(token)))
          await this.#abandon(token, ['another version became current'], Overtaken);
      }
    }
  }

  /** Before it is published, since an answer that is lost leaves it published all the same. */
  async #remember(keysets: readonly Keyset[], forgotten: boolean): Promise<void> {
    const { regions, region, lags, nowMs, log, purpose, times = TIMES } = this.#options;
    const failed = await rememberEverywhere(
      regions,
      (before) => keysets.reduce((memory, keyset) => withPublished(memory, keyset, lags, nowMs()), before),
      times.eachMs,
    );
    if (failed.includes(region) && !forgotten) throw new Unavailable('limits');
    for (const each of failed)
      log({ level: 'WARN', message: 'keyset', purpose, region: each, reason: 'published' });
  }

  /**
   * A keyset that was emptied, by a template or by hand, lacks keys that readers hold: to begin it anew would neither end
   * them nor keep them.
   */
  async #requireNew({ published }: Looked): Promise<void> {
    const before = await this.#options.secret.read({ stage: 'AWSPREVIOUS' });
    if (before && this.#parse(before).keys.length > 0)
      throw new RotationError(
        `the keyset is empty, and was not before: move AWSCURRENT back to version ${before.versionId}`,
      );
    if (published.seq > 0)
      throw new RotationError(
        `the keyset is empty, and version ${published.seq} of it was published: move AWSCURRENT back to a version with keys, or revoke the keys, which makes a new one`,
      );
  }

  /** @throws RotationError where there is none, or it is no keyset */
  async current(): Promise<HeldKeyset> {
    const held = await this.#options.secret.read({ stage: 'AWSCURRENT' });
    if (!held) throw new RotationError('the secret has no current version');
    return { versionId: held.versionId, keyset: this.#parse(held) };
  }

  /** @throws RotationError where it is neither current nor pending: it was given up, or taken over */
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

  /** Takes AWSPENDING away, which would make AWS refuse every later rotation: the next one starts over. */
  async #abandon(token: string, faults: readonly string[], Failure = RotationError): Promise<never> {
    await this.#options.secret.move('AWSPENDING', token, undefined);
    throw new Failure(`version ${token} cannot become current: ${faults.join('; ')}`);
  }

  /**
   * Lets Vault forget what no keyset holds any more, as far as there is time. Not worth a failed rotation: the next one
   * does it.
   */
  async tidy(token: string, deadline: Deadline): Promise<void> {
    const { purpose, log, times = TIMES } = this.#options;
    try {
      await deadline.changing(times.answerMs, this.#options, (closing) =>
        new Rotation({ ...this.#options, ...closing }).#forget(token),
      );
    } catch (error) {
      log({ level: 'WARN', message: 'keyset', purpose, reason: 'tidy', ...describeError(error) });
    }
  }

  async #forget(token: string): Promise<void> {
    const { secret, vault, vaultKey } = this.#options;
    await secret.move('AWSPENDING', token, undefined);
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

/** What a newer release wrote may hold members that this one would drop. */
function requireKnownFormat({ keyset: { version }, versionId }: HeldKeyset): void {
  if (version > FORMAT_VERSION)
    throw new RotationError(
      `version ${versionId} has format ${version}, and this release writes ${FORMAT_VERSION}: deploy the newer release here`,
    );
}
