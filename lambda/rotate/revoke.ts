/**
 * Revoking keys at once (docs/key-life-cycle.md, "A key that leaked"). The Regions refuse the kids first, so that nothing
 * that goes wrong afterwards, with Vault or the secret, keeps a stolen key alive; then comes a keyset without them and
 * with a new key.
 */
import { randomUUID } from 'node:crypto';
import { type Keyset, signingKey } from '../../protocol/keyset.ts';
import { publishedKids } from '../../protocol/published.ts';
import { type NewKey, recalled, revokedKeyset } from '../../protocol/rotation.ts';
import type { RegionConfirmation } from '../contract/keys.ts';
import { type Changing, Deadline, TIMES, TooLate } from './deadline.ts';
import { makeKey } from './new-key.ts';
import { fingerprintsOf, type Looked, lookAtRegions, refuseEverywhere, unique } from './regions.ts';
import { type HeldKeyset, Rotation, type RotationOptions } from './rotation.ts';
import { Overtaken, RotationError } from './rotation-error.ts';

export interface Revocation {
  /** Every kid that is revoked now, earlier ones included. */
  readonly revoked: readonly string[];
  readonly regions: readonly RegionConfirmation[];
  readonly unreadable: readonly string[];
  /** Those of the named kids that no version has, no Region refuses and none remembers: they may be mistyped. */
  readonly unknown: readonly string[];
  /** The keyset that stands without them; undefined where it could not be replaced. */
  readonly held?: HeldKeyset;
  /** Why it could not. */
  readonly failure?: unknown;
  /** What is left to do once all of this is known. */
  tidy(): Promise<void>;
}

/** Rotations that finish meanwhile: each makes the attempt start over, with their keys revoked, too. */
const ATTEMPTS = 5;

/** @param onlyKids spares every other key; each is taken, whether anybody knows it or not */
export async function revoke(options: RotationOptions, onlyKids?: readonly string[]): Promise<Revocation> {
  const { regions, nowMs, times = TIMES } = options;
  const deadline = new Deadline();
  // Before anything is written: what is read afterwards may be what was there before.
  const looked = await lookAtRegions(regions, times.eachMs);
  const { unreadable } = looked;
  // A copy may hold what no version has any more.
  const held = unique([...looked.held, ...publishedKids(looked.published, nowMs())]);
  const unknown = (onlyKids ?? []).filter((kid) => !held.includes(kid) && !looked.revoked.includes(kid));
  if (!onlyKids && held.length === 0) {
    const failure = new RotationError('no version of the secret that can be read holds a key');
    const unconfirmed = regions.map(({ region }) => ({ region, confirmed: false }));
    return { revoked: [], regions: unconfirmed, unreadable, unknown, failure, tidy: async () => {} };
  }
  const kids = unique([...looked.revoked, ...(onlyKids ?? held)]);
  const refused = await refuseEverywhere(regions, kids, times.eachMs);

  const told = { ...looked, revoked: kids, fingerprints: fingerprintsOf(looked.keysets, kids) };
  const swap = new Swap(options, told, onlyKids, unknown);
  const outcome = await deadline
    .changing(times.swapMs, options, (closing) => swap.run(closing))
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

/** The keyset without the keys that are revoked, and with one that signs. */
class Swap {
  readonly #options: RotationOptions;
  /** What was there before anything was written; the kids that the Regions refuse since then are among its `revoked`. */
  readonly #looked: Looked;
  readonly #onlyKids: readonly string[] | undefined;
  readonly #unknown: readonly string[];
  readonly #ended = new Set<string>();
  /** By the version that was to hold it. */
  readonly #made = new Map<string, Keyset>();
  #newKey: NewKey | undefined;

  constructor(
    options: RotationOptions,
    looked: Looked,
    onlyKids: readonly string[] | undefined,
    unknown: readonly string[],
  ) {
    this.#options = options;
    this.#looked = looked;
    this.#onlyKids = onlyKids;
    this.#unknown = unknown;
  }

  /** Every kid that a keyset of this swap revokes, whatever became of it. */
  get ended(): readonly string[] {
    return [...this.#ended];
  }

  async run(closing: Changing): Promise<HeldKeyset> {
    const { secret } = closing;
    const rotation = new Rotation({ ...this.#options, ...closing });
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
        await rotation.create(token, (base) => this.#follow(closing, token, base));
        await rotation.finish(token, true);
        return this.#heldAs(token);
      } catch (error) {
        const now = (await secret.describe()).current;
        const overtaken = now !== held.versionId || error instanceof Overtaken;
        if (!overtaken || error instanceof TooLate || attempt === ATTEMPTS) throw error;
      }
    }
  }

  /** Last of all, since it asks Vault: nothing that matters waits for it. */
  async tidy(deadline: Deadline): Promise<void> {
    const [token] = [...this.#made.keys()].slice(-1);
    if (token !== undefined) await new Rotation(this.#options).tidy(token, deadline);
  }

  /** What was made, not what is read now, which may be what was there before. */
  #heldAs(versionId: string): HeldKeyset {
    return { versionId, keyset: this.#made.get(versionId)! };
  }

  /**
   * Whether every reader takes it, and it has none of the named keys, and one that every Region lets sign. For a kid that
   * nobody knows no key is made: that the Regions refuse it is all.
   */
  #isDone({ keys, revoked, ...keyset }: Keyset): boolean {
    if (keyset.seq < this.#looked.published.seq) return false;
    if (!this.#onlyKids?.every((kid) => [...revoked, ...this.#unknown].includes(kid))) return false;
    const refused = [...revoked, ...this.#looked.revoked];
    return signingKey({ ...keyset, keys, revoked: refused }, this.#options.nowMs()) !== undefined;
  }

  async #follow({ vault }: Changing, token: string, { keyset, versionId }: HeldKeyset): Promise<Keyset> {
    const { vaultKey, alg, lags, nowMs } = this.#options;
    const kids = keyset.keys.map(({ kid }) => kid);
    // Whoever is refused already signs nothing, so nobody may be left to it.
    const named = this.#onlyKids?.filter((kid) => !this.#unknown.includes(kid));
    const ending = named
      ? unique([...named, ...kids.filter((kid) => this.#looked.revoked.includes(kid))])
      : kids;
    for (const kid of ending) this.#ended.add(kid);
    const base = recalled(keyset, { ...this.#looked, seq: this.#looked.published.seq });
    this.#newKey ??= await makeKey(vault, vaultKey, alg, base);
    const followed = revokedKeyset(base, versionId, this.#newKey, lags, nowMs(), ending);
    this.#made.set(token, followed);
    return followed;
  }
}
