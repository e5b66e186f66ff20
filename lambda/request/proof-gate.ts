/**
 * The way into every route that takes a proof: checks 1 (request) to 7 (nonce), and the headers that every
 * answer to a client carries.
 */

import { isExpiryNear } from '../../protocol/client.ts';
import { isClientId } from '../../protocol/client-id.ts';
import { PROBLEMS, type Refusal } from '../../protocol/problem.ts';
import {
  type ClientLookup,
  type ProofContext,
  type ProofLookups,
  type ProofOutcome,
  type Signer,
  type VerifiedRead,
  type VerifiedWrite,
  verifyRead,
  verifyWrite,
  type WriteOperation,
} from '../../protocol/proof/verify.ts';
import { Unavailable } from '../adapters/call.ts';
import { type Answer, problem } from '../http/answer.ts';
import type { RoutedRequest } from '../http/event.ts';
import type { HttpContext, LogFields } from '../http/handler.ts';
import type { ClientLookups } from './client-cache.ts';
import type { ClientKeys } from './client-keys.ts';
import type { Nonces } from './nonces.ts';

export interface ProofGate {
  readonly http: HttpContext;
  readonly clients: ClientLookups;
  readonly clientKeys: ClientKeys;
  readonly nonces: Nonces;
  readonly issuer: string;
  readonly baseUrls: readonly string[];
  readonly clockErrorMs: number;
  /** @default a proof is the only way in */
  readonly other?: OtherWayIn;
}

/** Another way in than a proof, for the requests that choose it. */
export interface OtherWayIn {
  takes(request: RoutedRequest): boolean;
  read(
    request: RoutedRequest,
    fields: LogFields,
    work: (admitted: AdmittedRead) => Promise<Answer>,
  ): Promise<Answer>;
  write(
    operation: WriteOperation,
    request: RoutedRequest,
    fields: LogFields,
    work: (admitted: AdmittedWrite) => Promise<Answer>,
  ): Promise<Answer>;
}

/** A request whose proof holds, and how to answer it. */
export interface Admitted<Verified> {
  readonly verified: Verified;
  /** Headers for a success: with a fresh nonce where the client has just spent one. */
  headers(): Promise<Record<string, string>>;
  /** @returns the problem with the refusal's code, its headers and `extras` */
  answerRefusal(refusal: Refusal, extras?: Extras): Promise<Answer>;
}

export type AdmittedRead = Admitted<VerifiedRead>;
export type AdmittedWrite = Admitted<VerifiedWrite>;

export interface Extras {
  readonly headers?: Readonly<Record<string, string>>;
  /** False: no fresh nonce, because a nonce issued now does not help. Default: the code's own rule. */
  readonly nonce?: false;
}

/** A text that cannot be a client's name is in no store, so nothing is read for it. */
const NO_CLIENT: ClientLookup = { client: undefined, again: async () => ({ kind: 'held_back' }) };

/** Runs `work` for a request with a proof for reading; else answers the problem. */
export function withReadProof(
  gate: ProofGate,
  request: RoutedRequest,
  fields: LogFields,
  work: (admitted: AdmittedRead) => Promise<Answer>,
): Promise<Answer> {
  if (gate.other?.takes(request)) return gate.other.read(request, fields, work);
  const verify: Verify<VerifiedRead> = (context, lookups) => verifyRead(request, context, lookups);
  return admit(gate, request, fields, verify, work);
}

/**
 * Runs `work` for a request with a proof for a write, whose nonce is not used up yet; else answers the
 * problem.
 */
export function withWriteProof(
  gate: ProofGate,
  operation: WriteOperation,
  request: RoutedRequest,
  fields: LogFields,
  work: (admitted: AdmittedWrite) => Promise<Answer>,
): Promise<Answer> {
  if (gate.other?.takes(request)) return gate.other.write(operation, request, fields, work);
  const verify: Verify<VerifiedWrite> = (context, lookups) =>
    verifyWrite(request, operation, context, lookups);
  return admit(gate, request, fields, verify, work);
}

type Verify<Verified> = (context: ProofContext, lookups: ProofLookups) => Promise<ProofOutcome<Verified>>;

async function admit<Verified extends VerifiedRead | VerifiedWrite>(
  gate: ProofGate,
  { path, requestId }: RoutedRequest,
  fields: LogFields,
  verify: Verify<Verified>,
  work: (admitted: Admitted<Verified>) => Promise<Answer>,
): Promise<Answer> {
  const { http, clientKeys, clients, nonces, issuer, baseUrls, clockErrorMs } = gate;
  const nowMs = http.nowMs();
  const outcome = await verify(
    { path, nowMs, clockErrorMs, issuer, region: http.region, baseUrls },
    {
      client: async (id, kid) => (isClientId(id) ? clients.get(id, kid) : NO_CLIENT),
      keys: (alg, fresh) => clientKeys.forAlgorithm(alg, fresh),
      nonceKey: (kid) => nonces.verificationKey(kid),
    },
  );
  const signer = outcome.ok ? outcome.verified : outcome.signer;
  if (signer) fields.client_id = signer.client.clientId;

  const answerRefusal = async (refusal: Refusal, extras: Extras = {}): Promise<Answer> => {
    const { code, reason, errors, detail } = refusal;
    const { status, nonce } = PROBLEMS[code];
    const due = signer && (extras.nonce ?? nonce);
    const fresh = due ? await replayNonce(nonces, signer.client.clientId) : undefined;
    const headers = {
      ...(signer && expiryNotice(signer, nowMs)),
      ...fresh,
      // The client has to sign again, and cannot without a nonce: it waits and fetches one.
      ...(due && !fresh && status === 401 && { 'Retry-After': '1' }),
      ...extras.headers,
    };
    const { errorDocsUrl } = http;
    return problem(code, {
      ...{ requestId, errorDocsUrl, nowMs, reason, headers },
      ...(errors && { errors }),
      ...(detail && { detail }),
    });
  };
  if (!outcome.ok) return answerRefusal(outcome);

  const { verified } = outcome;
  return work({
    verified,
    headers: async () => ({
      ...expiryNotice(verified, nowMs),
      ...(verified.operation !== 'read' && (await replayNonce(nonces, verified.client.clientId))),
    }),
    answerRefusal,
  });
}

/** An answer does not fail if no key can make a nonce: the client then fetches one. */
async function replayNonce(nonces: Nonces, clientId: string): Promise<Record<string, string> | undefined> {
  try {
    return { 'Replay-Nonce': (await nonces.issue(clientId)).nonces[0] };
  } catch (error) {
    if (error instanceof Unavailable) return undefined;
    throw error;
  }
}

/** The header that names the end of a key which ends soon. */
export function expiryNotice({ client, key }: Signer, nowMs: number): Record<string, string> {
  if (!isExpiryNear(client, key, nowMs)) return {};
  return { 'Countersign-Key-Expires': new Date(key.expiresAtS * 1000).toUTCString() };
}
