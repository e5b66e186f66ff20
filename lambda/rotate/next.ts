/** The keyset of an ordinary rotation, and when none may be made (docs/key-life-cycle.md, "A rotation"). */
import type { KeyAlgorithm } from '../../protocol/key-material.ts';
import type { KeyLags } from '../../protocol/key-windows.ts';
import { type Keyset, parseKeyset, verificationKeys } from '../../protocol/keyset.ts';
import { followingKeyset, recalled, rotationRefusal } from '../../protocol/rotation.ts';
import { Unavailable } from '../adapters/call.ts';
import type { SecretVersions } from '../adapters/secret-versions.ts';
import type { VaultKeys } from '../vault/keys.ts';
import { TIMES } from './deadline.ts';
import { type HeldKeyset, parseHeld } from './held.ts';
import { type Here, requireKeyHome } from './key-home.ts';
import { makeKey } from './new-key.ts';
import { type Looked, lookAtRegions, recallable, type Unreadable } from './regions.ts';
import { RotationError } from './rotation-error.ts';

export interface NextOptions extends Here {
  /** Algorithm of the purpose's keys. */
  readonly alg: KeyAlgorithm;
  /** The keyset's secret, as this Region has it. */
  readonly secret: SecretVersions;
  readonly vault: VaultKeys;
  /** Name of the purpose's Transit key. */
  readonly vaultKey: string;
  readonly lags: KeyLags;
  /** Epoch milliseconds. */
  readonly nowMs: () => number;
}

/**
 * The part of its own Region's `limits` table that a rotation must read: otherwise a refused key could
 * return.
 */
const OWN_TABLE: readonly Unreadable['part'][] = ['revoked kids', 'published keys'];

/**
 * @returns the keyset of an ordinary rotation, with a key that Vault makes now. If a Region refuses a key
 * of the current keyset, a revocation was not completed: then the keyset of that revocation
 */
export async function makeNextKeyset(
  { versionId, keyset }: HeldKeyset,
  options: NextOptions,
): Promise<Keyset> {
  const { vault, vaultKey, alg, lags, nowMs, regions, region, times = TIMES } = options;
  // Taken before Vault is asked: the time that Vault needs is part of X.
  const startedMs = nowMs();
  const looked = await lookAtRegions(regions, times.eachMs);
  // Another Region may be lost for weeks, so a rotation needs only its own Region's table.
  if (looked.unreadable.some((each) => each.region === region && OWN_TABLE.includes(each.part)))
    throw new Unavailable('limits');
  requireKeyHome(options, looked.published);
  if (keyset.keys.length === 0) await requireNew(options, looked);
  else if (keyset.seq < looked.published.seq) await requireKept(options, keyset, looked, startedMs);
  const keys = keyset.keys.filter(({ kid }) => !looked.revoked.includes(kid));
  const refusal = rotationRefusal({ ...keyset, keys }, lags, startedMs);
  if (refusal !== undefined) throw new RotationError(refusal);
  const base = recalled(keyset, recallable(looked, keyset, startedMs));
  const newKey = await makeKey(vault, vaultKey, alg, base);
  return followingKeyset(base, versionId, newKey, lags, startedMs, looked.revoked);
}

/**
 * A keyset that a template or a person emptied lacks keys that readers hold. To start it again would
 * neither keep nor revoke them.
 */
async function requireNew({ secret, alg }: NextOptions, { published }: Looked): Promise<void> {
  const before = await secret.read({ label: 'AWSPREVIOUS' });
  if (before && parseHeld(before, alg).keys.length > 0)
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
async function requireKept(
  { secret }: NextOptions,
  current: Keyset,
  { published, revoked }: Looked,
  nowMs: number,
): Promise<void> {
  const before = await secret.read({ label: 'AWSPREVIOUS' });
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

function keysetOrNone(text: string): Keyset | undefined {
  try {
    return parseKeyset(text);
  } catch {
    return undefined;
  }
}
