/** Checks 9 (known quota) to 11 (quota): what a write uses up, where the Region takes writes at all. */
import { refuse } from '../../protocol/problem.ts';
import { Unavailable } from '../adapters/call.ts';
import type { Ledger } from '../adapters/ledger.ts';
import type { Answer } from '../http/answer.ts';
import type { AdmittedWrite } from './proof-gate.ts';
import type { Quota } from './quota.ts';
import type { WriteRefusal } from './writes.ts';

export interface Consumption {
  /** @returns why the Region takes no write; undefined where it takes one @throws Unavailable */
  readonly writeRefusal: () => Promise<WriteRefusal | undefined>;
  /** Marks the registry's generation as used. @throws Unavailable */
  readonly markGeneration: () => Promise<void>;
  readonly ledger: Ledger;
  readonly quota: Quota;
}

const EVACUATED = 'An operator took this Region out of service; use another Region, or try again later.';

const STOPPED =
  'An operator stopped registrations, deletions and changes of clients for a while; try again later.';

export type Consumed =
  /** Headers for a success. */
  | { readonly ok: true; readonly headers: Readonly<Record<string, string>> }
  | { readonly ok: false; readonly answer: Answer };

/**
 * Consumes the nonce, then charges its client: a replayed proof costs its owner nothing, and a request over
 * the quota has spent its nonce.
 *
 * @param w random token of this invocation
 * @throws Unavailable where the ledger or the counter cannot be reached, or writes are stopped: nothing is
 * registered then
 */
export async function consume(
  { writeRefusal, markGeneration, ledger, quota }: Consumption,
  { verified, answerRefusal }: AdmittedWrite,
  w: string,
): Promise<Consumed> {
  const { client, nonce, jti } = verified;
  // First: the client can send the same proof to another Region, or again, since it has used up nothing here.
  const refusal = await writeRefusal();
  if (refusal === 'evacuated')
    return { ok: false, answer: await answerRefusal(refuse('unavailable', refusal, EVACUATED)) };
  if (refusal === 'stopped') throw new Unavailable('writes', undefined, STOPPED);
  await markGeneration();
  const known = quota.refusal(client);
  if (known) return { ok: false, answer: await answerRefusal(refuse('quota_exceeded', 'known'), known) };
  if (!(await ledger.consume({ nonce, jti, w })))
    return { ok: false, answer: await answerRefusal(refuse('use_nonce', 'used')) };
  const charge = await quota.charge(client);
  if (!charge.accepted)
    return { ok: false, answer: await answerRefusal(refuse('quota_exceeded', 'charged'), charge) };
  return { ok: true, headers: charge.headers };
}
