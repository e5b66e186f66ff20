/** Checks 9 to 11 of the design's table (2-protocol "Proof"): what a request that changes something uses up. */
import { refuse } from '../../protocol/problem.ts';
import type { Ledger } from '../adapters/ledger.ts';
import type { Answer } from '../http/answer.ts';
import type { Admitted } from './proof-gate.ts';
import type { Quota } from './quota.ts';

export interface Consumption {
  readonly ledger: Ledger;
  readonly quota: Quota;
}

export type Consumed =
  /** Headers for a success. */
  | { readonly ok: true; readonly headers: Readonly<Record<string, string>> }
  | { readonly ok: false; readonly answer: Answer };

/**
 * Consumes the nonce, then charges its client: a replayed proof costs its owner nothing, and what is refused for the
 * quota has spent its nonce.
 *
 * @param w random token of this invocation
 * @throws Unavailable: without a ledger or a counter nothing is registered
 */
export async function consume(
  { ledger, quota }: Consumption,
  { proof, refuse: answer }: Admitted,
  w: string,
): Promise<Consumed> {
  const { client, jti } = proof;
  const known = quota.refusal(client);
  if (known) return { ok: false, answer: await answer(refuse('quota_exceeded', 'known'), known) };
  if (!(await ledger.consume({ nonce: proof.nonce!, jti, w })))
    return { ok: false, answer: await answer(refuse('use_nonce', 'used')) };
  const charge = await quota.charge(client);
  if (!charge.accepted)
    return { ok: false, answer: await answer(refuse('quota_exceeded', 'charged'), charge) };
  return { ok: true, headers: charge.headers };
}
