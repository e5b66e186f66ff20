/** New keys: Vault makes them, they get a kid, and they are tested before they are published. */
import { hkdfSync, timingSafeEqual } from 'node:crypto';
import { CompactSign, compactVerify, importJWK } from 'jose';
import { type KeyAlgorithm, materialFault } from '../../protocol/key-material.ts';
import { freshKid, type Keyset, type KeysetKey, keyBytes } from '../../protocol/keyset.ts';
import { isKnown, type NewKey } from '../../protocol/rotation.ts';
import type { VaultKeys } from '../vault/keys.ts';
import { RotationError } from './rotation-error.ts';

/**
 * Adds a version to the Transit key and exports it. No other code makes a key of the platform. The exported
 * key is checked: a stale cache, a restored Vault or a broken generator may return one that was used before,
 * or that anybody can guess.
 *
 * @throws RotationError if it must not become a key of the purpose
 */
export async function makeKey(
  vault: VaultKeys,
  name: string,
  alg: KeyAlgorithm,
  keyset: Keyset,
): Promise<NewKey> {
  const version = await vault.rotate(name);
  const jwk = await vault.exportKey(name, version);
  const fault = materialFault(jwk, alg) ?? (isKnown(keyset, jwk) ? 'was used before' : undefined);
  if (fault !== undefined)
    throw new RotationError(`version ${version} of ${name}, as Vault exports it, ${fault}`);
  return { kid: freshKid(keyset), alg, jwk, vault: { key: name, version } };
}

/** @returns whether what the key signs verifies; a key that others are derived from has 32 bytes or more */
export async function works(key: KeysetKey): Promise<boolean> {
  try {
    return key.alg === 'HKDF-SHA-256' ? derives(key) : await signs(key);
  } catch {
    return false;
  }
}

function derives(key: KeysetKey): boolean {
  const derive = () => Buffer.from(hkdfSync('sha256', keyBytes(key), '', 'countersign/try', 32));
  return keyBytes(key).length >= 32 && timingSafeEqual(derive(), derive());
}

async function signs({ alg, jwk }: KeysetKey): Promise<boolean> {
  const { d, ...publicJwk } = jwk;
  if (d === undefined) return false;
  const signed = new CompactSign(Buffer.from('try')).setProtectedHeader({ alg });
  const jws = await signed.sign(await importJWK(jwk, alg));
  const { payload } = await compactVerify(jws, await importJWK(publicJwk, alg), { algorithms: [alg] });
  return Buffer.from(payload).toString() === 'try';
}
