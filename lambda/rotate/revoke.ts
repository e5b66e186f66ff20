/**
 * Revokes keys at once (docs/key-life-cycle.md, "A key that leaked"). First the Regions refuse the kids: a
 * later failure of Vault or of the secret keeps no stolen key alive. Then a keyset without these keys, and
 * with a new one, becomes current.
 */
import { randomUUID } from 'node:crypto';
import { type Keyset, signingKey } from '../../protocol/keyset.ts';
import { publishedKids } from '../../protocol/published.ts';
import { type NewKey, recalled, revokedKeyset } from '../../protocol/rotation.ts';
import type { RegionConfirmation } from '../contract/keys.ts';
import { type Changing, Deadline, TIMES, TooLate } from './deadline.ts';
import type { HeldKeyset } from './held.ts';
import { requireKeyHome } from './key-home.ts';
import { makeKey } from './new-key.ts';
import {
  type Looked,
  lookAtRegions,
  recallable,
  refuseEverywhere,
  type Unreadable,
  unique,
} from './regions.ts';
import type { Rotation, RotationOptions } from './rotation.ts';
import { Overtaken, RotationError } from './rotation-error.ts';

export interface RevokeOptions extends RotationOptions {
  /** With these options. */
  readonly rotation: Rotation;
}

export interface Revocation {
  /** Every kid that is revoked now, earlier ones included. */
  readonly revoked: readonly string[];
  readonly regions: readonly RegionConfirmation[];
  readonly unreadable: readonly Unreadable[];
  /** The named kids that no version has, and no Region refused or remembers: perhaps mistyped. */
  readonly unknown: readonly string[];
  /** The keyset without these keys; undefined if the keyset could not be replaced. */
  readonly held?: HeldKeyset;
  /** Why it could not be replaced. */
  readonly failure?: unknown;
  /** Cleans up. The answer needs nothing of it. */
  tidy(): Promise<void>;
}

/** A rotation that finishes meanwhile makes the attempt start over, with its keys revoked as well. */
const ATTEMPTS = 5;

/** @param onlyKids spares every other key; each is revoked, even if it is unknown */
export async function revoke(options: RevokeOptions, onlyKids?: readonly string[]): Promise<Revocation> {
  const { regions, rotation, nowMs, times = TIMES } = options;
  const deadline = new Deadline();
  // Read before anything is written: a later read may still return the state before.
  const looked = await lookAtRegions(regions, times.eachMs);
  const { unreadable } = looked;
  // A reader's copy may hold keys that no version has any more.
  const held = unique([...looked.held, ...publishedKids(looked.published, nowMs())]);
  const unknown = (onlyKids ?? []).filter((kid) => !held.includes(kid) && !looked.revoked.includes(kid));
  if (!onlyKids && held.length === 0) {
    const failure = new RotationError('no version of the secret that can be read holds a key');
    const unconfirmed = regions.map(({ region }) => ({ region, confirmed: false }));
    return { revoked: [], regions: unconfirmed, unreadable, unknown, failure, tidy: async () => {} };
  }
  const kids = unique([...looked.revoked, ...(onlyKids ?? held)]);
  const refused = await refuseEverywhere(regions, kids, times.eachMs);

  const named = onlyKids?.filter((kid) => held.includes(kid));
  const swap = new Swap(options, { ...looked, revoked: kids }, named);
  const outcome = await rotation
    .within(times.swapMs, deadline, (closing, changing) => swap.run(closing, changing))
    .then(
      (held) => ({ held }),
      (failure: unknown) => ({ failure }),
    );
  const revoked = unique([...kids, ...swap.ended]);
  return {
    revoked,
    regions: revoked.length > kids.length ? await refuseEverywhere(regions, revoked, times.eachMs) : refused,
    unreadable,
    unknown,
    ...outcome,
    tidy: () => swap.tidy(deadline),
  };
}

/** Replaces the keyset by one without the revoked keys, and with a key that signs. */
class Swap {
  readonly #options: RevokeOptions;
  /**
   * The Regions' state before anything was written, but its `revoked` includes the kids that they refuse
   * since.
   */
  readonly #looked: Looked;
  /**
   * The kids that an operator named and that a version or a reader holds. For any other kid it is enough that
   * the Regions refuse it.
   */
  readonly #named: readonly string[] | undefined;
  readonly #ended = new Set<string>();
  /** The keysets that were made, by the version that each was made for. */
  readonly #made = new Map<string, Keyset>();
  #newKey: NewKey | undefined;

  constructor(options: RevokeOptions, looked: Looked, named: readonly string[] | undefined) {
    this.#options = options;
    this.#looked = looked;
    this.#named = named;
  }

  /** Every kid that a keyset of this swap revokes, even of one that did not become current. */
  get ended(): readonly string[] {
    return [...this.#ended];
  }

  async run(rotation: Rotation, changing: Changing): Promise<HeldKeyset> {
    const { secret } = changing;
    for (let attempt = 1; ; attempt++) {
      const { current, pending, primaryRegion = this.#options.region } = await secret.describe();
      // The version may be current although the answer was lost. To start over would revoke the new key, too.
      if (this.#made.has(current!)) return this.#heldAs(current!);
      if (primaryRegion !== this.#options.region)
        throw new RotationError(`the keyset is a replica here: ${primaryRegion} alone can write it`);
      requireKeyHome(this.#options, this.#looked.published);
      const held = await rotation.current();
      if (this.#isDone(held.keyset)) return held;
      const token = randomUUID();
      try {
        // A rotation in flight loses its label, and so cannot finish.
        if (pending !== undefined && pending !== current) await secret.move('AWSPENDING', pending, undefined);
        await rotation.create(token, (base) => this.#follow(changing, token, base));
        await rotation.finish(token, true);
        return this.#heldAs(token);
      } catch (error) {
        const now = (await secret.describe()).current;
        const overtaken = now !== held.versionId || error instanceof Overtaken;
        if (!overtaken || error instanceof TooLate || attempt === ATTEMPTS) throw error;
      }
    }
  }

  /** Runs last, since it asks Vault and nothing depends on it. */
  async tidy(deadline: Deadline): Promise<void> {
    const [token] = [...this.#made.keys()].slice(-1);
    if (token !== undefined) await this.#options.rotation.tidy(token, deadline);
  }

  /** Returns the keyset that was made: a read may still return the one before it. */
  #heldAs(versionId: string): HeldKeyset {
    return { versionId, keyset: this.#made.get(versionId)! };
  }

  /**
   * Whether every reader accepts the keyset, and it has none of the named keys, and a key that signs in every
   * Region.
   */
  #isDone({ keys, revoked, ...keyset }: Keyset): boolean {
    if (keyset.seq < this.#looked.published.seq) return false;
    if (!this.#named?.every((kid) => revoked.includes(kid))) return false;
    const refused = [...revoked, ...this.#looked.revoked];
    return signingKey({ ...keyset, keys, revoked: refused }, this.#options.nowMs()) !== undefined;
  }

  async #follow({ vault }: Changing, token: string, { keyset, versionId }: HeldKeyset): Promise<Keyset> {
    const { vaultKey, alg, lags, nowMs } = this.#options;
    const kids = keyset.keys.map(({ kid }) => kid);
    // A key that is already refused signs nothing, so it must not be the one that stays. The named ones are
    // refused.
    const ending = this.#named ? kids.filter((kid) => this.#looked.revoked.includes(kid)) : kids;
    for (const kid of ending) this.#ended.add(kid);
    const base = recalled(keyset, recallable(this.#looked, keyset, nowMs()));
    this.#newKey ??= await makeKey(vault, vaultKey, alg, base);
    const followed = revokedKeyset(base, versionId, this.#newKey, lags, nowMs(), ending);
    this.#made.set(token, followed);
    return followed;
  }
}
