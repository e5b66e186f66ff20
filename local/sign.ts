/** Signs a registration by the platform's strict client, as the SDK would. */
import { buildProof } from '../protocol/proof/build.ts';
import type { PlatformInfo } from './platform.ts';

/** @returns the proof that the first Region takes for this body, once */
export const signRegistration = (
  { entry, regions, clients }: PlatformInfo,
  body: string,
  nonce: string,
  lifeS: number,
): Promise<string> =>
  buildProof({
    key: Buffer.from(clients[0]!.api_key),
    alg: 'HS256',
    kid: '1',
    clientId: clients[0]!.client_id,
    issuer: entry,
    method: 'POST',
    url: `${regions[0]!.url}/v1/register`,
    body: Buffer.from(body),
    nonce,
    nowS: Date.now() / 1000,
    lifeS,
  });
