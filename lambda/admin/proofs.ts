/** Revokes an unused proof: it consumes the nonce and registers nothing. */
import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import { isExpiredEverywhere, readNonce } from '../../protocol/nonce.ts';
import type { Ledger } from '../adapters/ledger.ts';
import type { RevokedProof } from '../contract/admin.ts';
import { type Actions, AdminError } from './actions.ts';
import { action } from './params.ts';

const Revoke = z.strictObject({ nonce: z.string() });

export interface ProofOptions {
  readonly ledger: Ledger;
  readonly region: string;
  readonly clockErrorMs: number;
  readonly nowMs: () => number;
}

export const proofActions = (options: ProofOptions): Actions => ({
  'proofs.revoke': action(
    Revoke,
    () => 'nonce',
    async ({ nonce }) => ({ outcome: await revoke(options, nonce) }),
  ),
});

/** The nonce's MAC is not checked: IAM authorises operators, and this function holds no key of nonces. */
async function revoke(
  { ledger, region, clockErrorMs, nowMs }: ProofOptions,
  text: string,
): Promise<RevokedProof['outcome']> {
  const nonce = readNonce(text);
  if (!nonce) throw new AdminError(400, 'malformed_request', 'params.nonce: is not a nonce of this platform');
  if (nonce.region !== region)
    throw new AdminError(
      400,
      'malformed_request',
      `params.nonce: belongs to Region ${JSON.stringify(nonce.region)}; call the function there`,
    );
  // Whether it was used is not known any more: TTL may have deleted its row.
  if (isExpiredEverywhere(nonce, clockErrorMs, nowMs())) return 'expired';
  const w = randomBytes(16).toString('base64url');
  const consumed = await ledger.consume({ nonce: { ...nonce, text }, jti: undefined, w });
  return consumed ? 'revoked' : 'already_used';
}
