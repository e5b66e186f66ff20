/** A version of the secret, read as a keyset. */
import type { KeyAlgorithm } from '../../protocol/key-material.ts';
import { type Keyset, parseKeyset } from '../../protocol/keyset.ts';
import type { SecretVersion } from '../adapters/secret-versions.ts';
import { RotationError } from './rotation-error.ts';

export interface HeldKeyset {
  readonly versionId: string;
  readonly keyset: Keyset;
}

/** @throws RotationError if it is not a keyset of this algorithm */
export function parseHeld({ versionId, text }: SecretVersion, alg: KeyAlgorithm): Keyset {
  try {
    return parseKeyset(text, alg);
  } catch (error) {
    throw new RotationError(`version ${versionId}: ${(error as Error).message}`);
  }
}
