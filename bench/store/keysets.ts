/** Makes a keyset with one key for each purpose, without Vault. */
import { randomBytes } from 'node:crypto';
import { CreateSecretCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { exportJWK, generateKeyPair } from 'jose';
import { DEFAULT_LAGS, DEFAULTS } from '../../lambda/contract/defaults.ts';
import { EMPTY_KEYSET, secretName } from '../../lambda/contract/names.ts';
import { KEYSETS, PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import type { KeyLags } from '../../protocol/key-windows.ts';
import { freshKid, parseKeyset } from '../../protocol/keyset.ts';
import { type NewKey, nextKeyset } from '../../protocol/rotation.ts';

const LAGS: KeyLags = { ...DEFAULT_LAGS, maxLifeMs: DEFAULTS.clientKeyLifeMs };
const EMPTY = parseKeyset(EMPTY_KEYSET);

export async function createKeysets(
  secrets: SecretsManagerClient,
  stage: string,
  nowMs: number,
): Promise<void> {
  for (const purpose of PURPOSES) {
    const keyset = nextKeyset(EMPTY, 'none', await freshKey(purpose), LAGS, nowMs);
    const create = { Name: secretName(stage, purpose), SecretString: JSON.stringify(keyset) };
    await secrets.send(new CreateSecretCommand(create));
  }
}

async function freshKey(purpose: Purpose): Promise<NewKey> {
  const kid = freshKid(EMPTY);
  if (KEYSETS[purpose].keyType === 'hmac') {
    const jwk = { kty: 'oct', k: randomBytes(32).toString('base64url') };
    return { kid, alg: 'HKDF-SHA-256', jwk, vault: null };
  }
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return { kid, alg: 'ES256', jwk: await exportJWK(privateKey), vault: null };
}
