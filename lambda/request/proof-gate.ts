/** The way into every route that takes a proof: checks 1 to 7, then what every answer to its client carries. */

import { isClientId } from '../../protocol/api-key.ts';
import { isUsable } from '../../protocol/client.ts';
import { PROBLEMS, type Refusal, refuse } from '../../protocol/problem.ts';
import type { Purpose } from '../../protocol/proof/claims.ts';
import {
  type ProofLookups,
  type ProofOutcome,
  type Verified,
  verifyProof,
} from '../../protocol/proof/verify.ts';
import { Unavailable } from '../adapters/unavailable.ts';
import { type Answer, problem } from '../http/answer.ts';
import type { RoutedRequest } from '../http/event.ts';
import type { HttpContext, LogFields } from '../http/handler.ts';
import type { ClientCache } from './client-cache.ts';
import type { ClientKeys } from './client-keys.ts';
import type { Nonces } from './nonces.ts';

export interface ProofGate {
  readonly http: HttpContext;
  readonly clients: ClientCache;
  readonly clientKeys: ClientKeys;
  readonly nonces: Nonces;
  readonly issuer: string;
  readonly baseUrls: readonly string[];
  readonly clockErrorMs: number;
}

/** A request whose proof holds, and how to answer it. */
export interface Admitted {
  readonly proof: Verified;
  /** Headers for a success: a fresh nonce where the client has just spent one. */
  headers(): Promise<Record<string, string>>;
  /** A problem, with what its code carries, and what is said beside it. */
  refuse(refusal: Refusal, beside?: Beside): Promise<Answer>;
}

export interface Beside {
  readonly headers?: Readonly<Record<string, string>>;
  /** False where a nonce of now would not do. Default: as the code has it. */
  readonly nonce?: false;
}

/** What is no client's name is none in any store. */
const NO_CLIENT = { client: undefined, again: async () => null };

/** From this long before its expiry on, every answer names it. */
const EXPIRY_NOTICE_MS = 14 * 24 * 3600 * 1000;

/** Runs `work` for a request whose proof holds; else answers the problem. */
export async function withProof(
  gate: ProofGate,
  purpose: Purpose,
  request: RoutedRequest,
  fields: LogFields,
  work: (admitted: Admitted) => Promise<Answer>,
): Promise<Answer> {
  const { http, clientKeys, clients, nonces } = gate;
  const lookups: ProofLookups = {
    client: async (id) => (isClientId(id) ? clients.get(id) : NO_CLIENT),
    keys: (alg, fresh) => clientKeys.forAlgorithm(alg, fresh),
    nonceKey: (kid) => nonces.verificationKey(kid),
  };
  const nowMs = http.nowMs();
  const { issuer, baseUrls, clockErrorMs } = gate;
  const path = request.path as string;
  const context = { purpose, path, nowMs, clockErrorMs, issuer, region: http.region, baseUrls };
  const outcome: ProofOutcome =
    request.query.size > 0
      ? refuse('malformed_request', 'query')
      : await verifyProof(request, context, lookups);
  const known = outcome.verified;
  if (known) fields.client_id = known.client.clientId;

  const answerRefusal = async (refusal: Refusal, beside: Beside = {}): Promise<Answer> => {
    const { status, nonce } = PROBLEMS[refusal.code];
    const due = known && (beside.nonce ?? nonce);
    const fresh = due ? await replayNonce(nonces, known.client.clientId) : undefined;
    const headers = {
      ...(known && expiryNotice(known, nowMs)),
      ...fresh,
      // It has to sign again, and cannot yet.
      ...(due && !fresh && status === 401 && { 'Retry-After': '1' }),
      ...beside.headers,
    };
    const { code, reason, errors } = refusal;
    const { requestId } = request;
    const { errorDocsUrl } = http;
    return problem(code, { requestId, errorDocsUrl, nowMs, reason, headers, ...(errors && { errors }) });
  };
  if (!outcome.ok) return answerRefusal(outcome);

  const { verified } = outcome;
  return work({
    proof: verified,
    headers: async () => ({
      ...expiryNotice(verified, nowMs),
      ...(verified.nonce && (await replayNonce(nonces, verified.client.clientId))),
    }),
    refuse: answerRefusal,
  });
}

/** An answer that is due anyway is not held up by a key that cannot be had: the client then fetches a nonce. */
async function replayNonce(nonces: Nonces, clientId: string): Promise<Record<string, string> | undefined> {
  try {
    return { 'Replay-Nonce': (await nonces.issue(clientId)).nonces[0]! };
  } catch (error) {
    if (error instanceof Unavailable) return undefined;
    throw error;
  }
}

function expiryNotice(
  { client, key }: Pick<Verified, 'client' | 'key'>,
  nowMs: number,
): Record<string, string> {
  const expiresMs = key.expiresAtS * 1000;
  const due = isUsable(client, key, nowMs) && expiresMs - nowMs <= EXPIRY_NOTICE_MS;
  return due ? { 'Countersign-Key-Expires': new Date(expiresMs).toUTCString() } : {};
}
