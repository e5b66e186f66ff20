/** Keys as Vault makes them: named for a keyset, and tried before they are published. */
import { hkdfSync, timingSafeEqual } from 'node:crypto';
import { CompactSign, compactVerify, importJWK, type JWK } from 'jose';
import { freshKid, type Keyset, type KeysetKey, keyBytes } from '../../protocol/keyset.ts';
import type { NewKey } from '../../protocol/rotation.ts';
import type { VaultKeys } from '../adapters/vault.ts';
import { RotationError } from './rotation-error.ts';

/** Adds a version to the Transit key and exports it: the only place where a key of the platform is made. */
export async function makeKey(vault: VaultKeys, name: string, keyset: Keyset): Promise<NewKey> {
  const version = await vault.rotate(name);
  const jwk = await vault.exportKey(name, version);
  return { kid: freshKid(keyset), alg: algorithm(jwk), jwk, vault: { key: name, version } };
}

function algorithm({ kty, crv }: JWK): string {
  if (kty === 'oct') return 'HKDF-SHA-256';
  if (kty === 'EC' && crv === 'P-256') return 'ES256';
  if (kty === 'OKP' && crv === 'Ed25519') return 'Ed25519';
  throw new RotationError('Vault exported a key of a type that is not used here');
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
