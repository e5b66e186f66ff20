/** A key made on this machine. Provisional: once rotation exists, every key comes from Vault. */
import { randomBytes } from 'node:crypto';
import { exportJWK, generateKeyPair } from 'jose';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import type { InitialKey } from '../../protocol/keyset.ts';

export async function freshKey(purpose: Purpose, maxLifeMs: number): Promise<InitialKey> {
  if (purpose !== 'token') {
    const jwk = { kty: 'oct', k: randomBytes(32).toString('base64url') };
    return { alg: 'HKDF-SHA-256', jwk, maxLifeMs };
  }
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return { alg: 'ES256', jwk: await exportJWK(privateKey), maxLifeMs };
}
