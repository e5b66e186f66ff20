/**
 * Revoking keys at once (design: 3-keys "Revoke"): a keyset without them and with a new key, and their kids told to
 * every Region, so that neither a stale copy nor a lost primary Region keeps a stolen key alive.
 */
import { randomUUID } from 'node:crypto';
import type { Keyset } from '../../protocol/keyset.ts';
import { type NewKey, revokedKeyset } from '../../protocol/rotation.ts';
import type { RegionConfirmation } from '../contract/keys.ts';
import { makeKey } from './new-key.ts';
import { type HeldKeyset, Rotation, type RotationOptions } from './rotation.ts';
import { RotationError } from './rotation-error.ts';

/** Tells every Region that a purpose's kids are revoked, and who confirmed. Never throws for a Region's failure. */
export type PublishRevoked = (kids: readonly string[]) => Promise<readonly RegionConfirmation[]>;

export interface Revocation {
  /** Every kid that is revoked now, earlier ones included: what the Regions were told. */
  readonly revoked: readonly string[];
  readonly regions: readonly RegionConfirmation[];
  /** Why the keyset is still the old one; undefined where it was replaced. */
  readonly failure?: unknown;
}

/** Rotations that finish meanwhile: each makes the attempt start over, with their keys revoked, too. */
const ATTEMPTS = 5;

/** @param onlyKids spares every other key */
export async function revoke(
  options: RotationOptions & { readonly publishRevoked: PublishRevoked },
  onlyKids?: readonly string[],
): Promise<Revocation> {
  let revoked = onlyKids ?? [];
  let outcome: { readonly failure?: unknown } = {};
  try {
    const current = await new Rotation(options).current();
    revoked = [
      ...new Set([...current.keyset.revoked, ...(onlyKids ?? current.keyset.keys.map(({ kid }) => kid))]),
    ];
    revoked = (await replaceKeyset(options, onlyKids)).revoked;
  } catch (failure) {
    outcome = { failure };
  }
  // Even where the secret could not be written: a key that may be stolen is refused first of all.
  return { revoked, regions: await options.publishRevoked(revoked), ...outcome };
}

async function replaceKeyset(options: RotationOptions, onlyKids?: readonly string[]): Promise<Keyset> {
  const { vault, vaultKey, alg, lags, nowMs, secret } = options;
  const rotation = new Rotation(options);
  let newKey: NewKey | undefined;
  const follow = async ({ keyset, versionId }: HeldKeyset) => {
    newKey ??= await makeKey(vault, vaultKey, alg, keyset);
    return revokedKeyset(keyset, versionId, newKey, lags, nowMs(), onlyKids);
  };
  for (let attempt = 1; ; attempt++) {
    const token = randomUUID();
    try {
      // A rotation in flight loses its label, and so cannot finish.
      const { current, pending } = await secret.describe();
      if (pending !== undefined && pending !== current) await secret.move('AWSPENDING', pending, undefined);
      await rotation.create(token, follow);
      await rotation.finishSecret(token);
    } catch (error) {
      // An answer that was lost may have been a yes; to start over would revoke the new key, too.
      const done = (await secret.describe()).current === token;
      if (!done && error instanceof RotationError && attempt < ATTEMPTS) continue;
      if (!done) throw error;
    }
    return (await rotation.current()).keyset;
  }
}
