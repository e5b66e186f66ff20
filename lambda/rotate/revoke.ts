/**
 * Revoking keys at once (docs/key-life-cycle.md, "A key that leaked"). The Regions refuse the kids first, so that nothing
 * that goes wrong afterwards, with Vault or the secret, keeps a stolen key alive; then comes a keyset without them and
 * with a new key.
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
  /** The keyset that stands without them; undefined where it could not be replaced. */
  readonly held?: HeldKeyset;
  /** Why it could not. */
  readonly failure?: unknown;
  /** What is left to do once all of this is known. */
  tidy(): Promise<void>;
}

/** Rotations that finish meanwhile: each makes the attempt start over, with their keys revoked, too. */
const ATTEMPTS = 5;

/**
 * @param onlyKids spares every other key
 * @throws AdminError where everything can be read and one of `onlyKids` is nowhere
 */
export async function revoke(options: RevokeOptions, onlyKids?: readonly string[]): Promise<Revocation> {
  const { regions, rotation, times = TIMES } = options;
  const deadline = new Deadline();
  // Before anything is written: what is read afterwards may be what was there before.
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

/** A kid that was mistyped revokes nothing. Where something cannot be read, the operator's word counts. */
function requireKnown({ held, revoked, unreadable }: Looked, onlyKids: readonly string[] = []): void {
  const unknown = onlyKids.filter((kid) => !held.includes(kid) && !revoked.includes(kid));
  if (unknown.length > 0 && unreadable.length === 0)
    throw new AdminError(404, 'not_found', `the keyset has no key ${unknown.join(', ')}`);
}

/** The keyset without the keys that are revoked, and with one that signs. */
class Swap {
  readonly #options: RevokeOptions;
  /** What was there before anything was written. */
  readonly #looked: Looked;
  readonly #onlyKids: readonly string[] | undefined;
  readonly #ended = new Set<string>();
  /** By the version that was to hold it. */
  readonly #made = new Map<string, Keyset>();
  #newKey: NewKey | undefined;

  constructor(options: RevokeOptions, looked: Looked, onlyKids: readonly string[] | undefined) {
    this.#options = options;
    this.#looked = looked;
    this.#onlyKids = onlyKids;
  }

  /** Every kid that a keyset of this swap revokes, whatever became of it. */
  get ended(): readonly string[] {
    return [...this.#ended];
  }

  async run(rotation: Rotation, secret: RevokeOptions['secret']): Promise<HeldKeyset> {
    for (let attempt = 1; ; attempt++) {
      const { current, pending, primaryRegion = this.#options.region } = await secret.describe();
      // An answer that was lost may have been a yes; to start over would revoke the new key, too.
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

  /** Last of all, since it asks Vault: nothing that matters waits for it. */
  async tidy(deadline: Deadline): Promise<void> {
    const [token] = [...this.#made.keys()].slice(-1);
    if (token !== undefined) await this.#options.rotation.tidy(token, deadline);
  }

  /** What was made, not what is read now, which may be what was there before. */
  #heldAs(versionId: string): HeldKeyset {
    return { versionId, keyset: this.#made.get(versionId)! };
  }

  /** Whether it has none of the named keys, and one that every Region lets sign. */
  #isDone({ keys, revoked, ...keyset }: Keyset): boolean {
    if (!this.#onlyKids?.every((kid) => revoked.includes(kid))) return false;
    const refused = [...revoked, ...this.#looked.revoked];
    return signingKey({ ...keyset, keys, revoked: refused }, this.#options.nowMs()) !== undefined;
  }

  async #follow(token: string, { keyset, versionId }: HeldKeyset): Promise<Keyset> {
    const { vault, vaultKey, alg, lags, nowMs } = this.#options;
    const kids = keyset.keys.map(({ kid }) => kid);
    // Whoever is refused already signs nothing, so nobody may be left to it.
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
