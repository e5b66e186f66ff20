/**
 * Revokes keys at once (docs/key-life-cycle.md, "A key that leaked"). First the Regions refuse the kids: a
 * later failure of Vault or of the secret keeps no stolen key alive. Then a keyset without these keys, and
 * with a new one, becomes current.
 */
import { randomUUID } from 'node:crypto';
import { type Keyset, signingKey } from '../../protocol/keyset.ts';
import { type NewKey, revokedKeyset } from '../../protocol/rotation.ts';
import { AdminError } from '../admin/actions.ts';
import type { RegionConfirmation } from '../contract/keys.ts';
import { Deadline, TIMES, TooLate } from './deadline.ts';
import { makeKey } from './new-key.ts';
import { type KeyRegion, type Looked, lookAtRegions, refuseEverywhere, unique } from './regions.ts';
import type { HeldKeyset, Rotation, RotationOptions } from './rotation.ts';
import { RotationError } from './rotation-error.ts';

export interface RevokeOptions extends RotationOptions {
  /** This function's own. */
  readonly region: string;
  /** All of them, the home Region first. */
  readonly regions: readonly KeyRegion[];
  /** With these options. */
  readonly rotation: Rotation;
}

export interface Revocation {
  /** Every kid that is revoked now, earlier ones included. */
  readonly revoked: readonly string[];
  readonly regions: readonly RegionConfirmation[];
  readonly unreadable: readonly string[];
  /** The keyset without these keys; undefined if the keyset could not be replaced. */
  readonly held?: HeldKeyset;
  /** Why it could not be replaced. */
  readonly failure?: unknown;
  /** Cleans up. The answer needs nothing of it. */
  tidy(): Promise<void>;
}

/** A rotation that finishes meanwhile makes the attempt start over, with its keys revoked as well. */
const ATTEMPTS = 5;

/**
 * @param onlyKids spares every other key
 * @throws AdminError if everything can be read and one of `onlyKids` is nowhere
 */
export async function revoke(options: RevokeOptions, onlyKids?: readonly string[]): Promise<Revocation> {
  const { regions, rotation, times = TIMES } = options;
  const deadline = new Deadline();
  // Read before anything is written: a later read may still return the state before.
  const looked = await lookAtRegions(regions, times.eachMs);
  const { unreadable } = looked;
  requireKnown(looked, onlyKids);
  if (!onlyKids && looked.held.length === 0) {
    const failure = new RotationError('no version of the secret that can be read holds a key');
    const unconfirmed = regions.map(({ region }) => ({ region, confirmed: false }));
    return { revoked: [], regions: unconfirmed, unreadable, failure, tidy: async () => {} };
  }
  const kids = unique([...looked.revoked, ...(onlyKids ?? looked.held)]);
  const refused = await refuseEverywhere(regions, kids, times.eachMs);

  const swap = new Swap(options, looked, onlyKids);
  const outcome = await rotation
    .within(times.swapMs, deadline, (closing, secret) => swap.run(closing, secret))
    .then(
      (held) => ({ held }),
      (failure: unknown) => ({ failure }),
    );
  const revoked = unique([...kids, ...swap.ended]);
  return {
    revoked,
    regions: revoked.length > kids.length ? await refuseEverywhere(regions, revoked, times.eachMs) : refused,
    unreadable,
    ...outcome,
    tidy: () => swap.tidy(deadline),
  };
}

/** A mistyped kid revokes nothing. If something cannot be read, the operator's list is taken as it is. */
function requireKnown({ held, revoked, unreadable }: Looked, onlyKids: readonly string[] = []): void {
  const unknown = onlyKids.filter((kid) => !held.includes(kid) && !revoked.includes(kid));
  if (unknown.length > 0 && unreadable.length === 0)
    throw new AdminError(404, 'not_found', `the keyset has no key ${unknown.join(', ')}`);
}

/** Replaces the keyset by one without the revoked keys, and with a key that signs. */
class Swap {
  readonly #options: RevokeOptions;
  /** The Regions' state before anything was written. */
  readonly #looked: Looked;
  readonly #onlyKids: readonly string[] | undefined;
  readonly #ended = new Set<string>();
  /** The keysets that were made, by the version that each was made for. */
  readonly #made = new Map<string, Keyset>();
  #newKey: NewKey | undefined;

  constructor(options: RevokeOptions, looked: Looked, onlyKids: readonly string[] | undefined) {
    this.#options = options;
    this.#looked = looked;
    this.#onlyKids = onlyKids;
  }

  /** Every kid that a keyset of this swap revokes, even of one that did not become current. */
  get ended(): readonly string[] {
    return [...this.#ended];
  }

  async run(rotation: Rotation, secret: RevokeOptions['secret']): Promise<HeldKeyset> {
    for (let attempt = 1; ; attempt++) {
      const { current, pending, primaryRegion = this.#options.region } = await secret.describe();
      // The version may be current although the answer was lost. To start over would revoke the new key, too.
      if (this.#made.has(current!)) return this.#heldAs(current!);
      if (primaryRegion !== this.#options.region)
        throw new RotationError(`the keyset is a replica here: ${primaryRegion} alone can write it`);
      const held = await rotation.current();
      if (this.#isDone(held.keyset)) return held;
      const token = randomUUID();
      try {
        // A rotation in flight loses its label, and so cannot finish.
        if (pending !== undefined && pending !== current) await secret.move('AWSPENDING', pending, undefined);
        await rotation.create(token, (base) => this.#follow(token, base));
        await rotation.finish(token);
        return this.#heldAs(token);
      } catch (error) {
        if ((await secret.describe()).current === token) return this.#heldAs(token);
        const overtaken = error instanceof RotationError && !(error instanceof TooLate);
        if (!overtaken || attempt === ATTEMPTS) throw error;
      }
    }
  }

  /** Runs last, since it asks Vault and nothing depends on it. */
  async tidy(deadline: Deadline): Promise<void> {
    const [token] = [...this.#made.keys()].slice(-1);
    if (token !== undefined) await this.#options.rotation.tidy(token, deadline);
  }

  /** Returns what was made: a read may still return the keyset before it. */
  #heldAs(versionId: string): HeldKeyset {
    return { versionId, keyset: this.#made.get(versionId)! };
  }

  /** Whether the keyset has none of the named keys, and a key that signs in every Region. */
  #isDone({ keys, revoked, ...keyset }: Keyset): boolean {
    if (!this.#onlyKids?.every((kid) => revoked.includes(kid))) return false;
    const refused = [...revoked, ...this.#looked.revoked];
    return signingKey({ ...keyset, keys, revoked: refused }, this.#options.nowMs()) !== undefined;
  }

  async #follow(token: string, { keyset, versionId }: HeldKeyset): Promise<Keyset> {
    const { vault, vaultKey, alg, lags, nowMs } = this.#options;
    const kids = keyset.keys.map(({ kid }) => kid);
    // A key that is already refused signs nothing, so it must not be the one that stays.
    const ending = this.#onlyKids
      ? unique([...this.#onlyKids, ...kids.filter((kid) => this.#looked.revoked.includes(kid))])
      : kids;
    for (const kid of ending) this.#ended.add(kid);
    this.#newKey ??= await makeKey(vault, vaultKey, alg, keyset);
    const elsewhere = this.#looked.keys.filter(({ kid }) => this.#onlyKids?.includes(kid) ?? true);
    const followed = revokedKeyset(keyset, versionId, this.#newKey, lags, nowMs(), ending, elsewhere);
    this.#made.set(token, followed);
    return followed;
  }
}
