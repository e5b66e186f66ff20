/** Clients that sign by each algorithm, made through the operators' function. */
import type { JsonWebKey } from 'node:crypto';
import { exportJWK, generateKeyPair } from 'jose';
import type { AdminActions, CreatedClient } from '../lambda/contract/admin.ts';
import type { Signer } from './processes/proofs.ts';

export type CreateClient = (params: AdminActions['clients.create']['params']) => Promise<CreatedClient>;

/** A limit that no measurement reaches. */
const LIMIT = 1_000_000;

export async function makeSigners(
  create: CreateClient,
  alg: Signer['alg'],
  count: number,
): Promise<Signer[]> {
  const signers: Signer[] = [];
  for (let i = 0; i < count; i++) signers.push(await makeSigner(create, alg));
  return signers;
}

async function makeSigner(create: CreateClient, alg: Signer['alg']): Promise<Signer> {
  const strict = { profile: 'strict', limit: LIMIT } as const;
  if (alg === 'HS256') {
    const { client_id, kid, api_key } = await create(strict);
    return { clientId: client_id, kid, alg, apiKey: api_key! };
  }
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), alg };
  const { client_id, kid } = await create({ ...strict, jwk });
  return { clientId: client_id, kid, alg, jwk: (await exportJWK(privateKey)) as JsonWebKey };
}
