/** What the routes of dynamic registration (RFC 7591, RFC 7592) have in common. */
import { randomUUID } from 'node:crypto';
import { parseBody } from '../../protocol/body.ts';
import type { ClientRecord } from '../../protocol/client.ts';
import { readDpopToken } from '../../protocol/oauth/authorization.ts';
import type { UsedOnce } from '../../protocol/oauth/client-assertion.ts';
import { clientInformation } from '../../protocol/oauth/client-metadata.ts';
import type { VerifiedDpop } from '../../protocol/oauth/dpop.ts';
import { type OAuthRefusal, refuseOAuth } from '../../protocol/oauth/error.ts';
import { type Invite, liveKeys } from '../../protocol/oauth/invite.ts';
import { DEFAULT_SCOPES } from '../../protocol/oauth/scope.ts';
import { MAX_BODY_BYTES } from '../../protocol/proof/request.ts';
import { Unavailable } from '../adapters/call.ts';
import type { Clients } from '../adapters/clients.ts';
import type { Consistency } from '../contract/serving-environment.ts';
import type { Answer } from '../http/answer.ts';
import type { RoutedRequest } from '../http/event.ts';
import type { Consumption } from '../request/consumption.ts';
import { oauthError, oauthJson } from './answer.ts';
import type { ClientTokens } from './client-tokens.ts';
import { checkDpop, type DpopGate } from './dpop-gate.ts';
import type { Enrolments } from './enrol.ts';

export interface RegistrationGate {
  readonly dpop: DpopGate;
  readonly clients: Pick<Clients, 'load' | 'redeemInvite' | 'addKey' | 'claimNext' | 'endKey' | 'remove'>;
  readonly tokens: ClientTokens;
  readonly writes: Pick<Consumption, 'writeRefusal' | 'markGeneration'>;
  /** Longest life of a client key, in seconds. */
  readonly clientKeyLifeS: number;
  readonly consistency: Consistency;
  /** Absent in a stage without policies. */
  readonly enrolments?: Enrolments;
  /** The entry's URL: a client manages itself in any Region. */
  readonly entryUrl: string;
}

export interface Presented {
  readonly token: string;
  readonly dpop: VerifiedDpop;
}

/** @returns the request's token, and the proof that its sender holds a key; both are still to be used */
export async function present(
  gate: RegistrationGate,
  request: RoutedRequest,
): Promise<({ readonly ok: true } & Presented) | OAuthRefusal> {
  if (request.query.size > 0) return refuseOAuth('invalid_request', 'query');
  if (request.body.length > MAX_BODY_BYTES) return refuseOAuth('invalid_request', 'body_bytes');
  const read = readDpopToken(request);
  if (!read.ok) return read;
  const { token } = read;
  const checked = await checkDpop(gate.dpop, request, token);
  return checked.ok ? { ok: true, token, dpop: checked.dpop } : checked;
}

/** @returns the JSON of the body */
export function readMetadataBody(
  request: RoutedRequest,
): { readonly ok: true; readonly value: unknown } | OAuthRefusal {
  const [type, ...more] = request.headers.get('content-type') ?? [];
  if (more.length > 0 || !/^application\/json\s*(;|$)/i.test(type?.trim() ?? ''))
    return refuseOAuth('invalid_request', 'content_type', 'Content-Type must be application/json.');
  const body = parseBody(request, 'strict');
  return body.ok ? body : refuseOAuth('invalid_client_metadata', body.reason, 'The body must be JSON.');
}

/**
 * Uses up what may be used once, which is the last check: keys that anybody makes write nothing before it.
 *
 * @param token what is used up with the proof, and before it
 * @throws Unavailable where the Region takes no writes now
 */
export async function useProof(
  { dpop: { ledger }, writes }: RegistrationGate,
  { use }: VerifiedDpop,
  { writing, token }: { readonly writing: boolean; readonly token?: UsedOnce | undefined },
): Promise<OAuthRefusal | undefined> {
  if (writing) {
    const refusal = await writes.writeRefusal();
    if (refusal !== undefined) throw new Unavailable(refusal);
    await writes.markGeneration();
  }
  const consume = (nonce: UsedOnce) => ledger.consume({ nonce, jti: undefined, w: randomUUID() });
  if (token && !(await consume(token))) return refuseOAuth('invalid_token', 'attestation_used');
  return (await consume(use)) ? undefined : refuseOAuth('invalid_dpop_proof', 'dpop_used');
}

/** A line of the audit log. @param target the client, and the key where there is one */
export const audit = (
  { dpop: { http } }: RegistrationGate,
  { requestId }: Pick<RoutedRequest, 'requestId'>,
  action: 'clients.redeem' | 'clients.enrol' | 'clients.replace-keys' | 'clients.remove-itself',
  target: string,
): void =>
  http.log({
    level: 'INFO',
    message: 'audit',
    request_id: requestId,
    region: http.region,
    action,
    target,
    status: 200,
  });

/** @returns the client with its live keys, as it may read itself */
export function informationOf({ dpop }: RegistrationGate, client: ClientRecord): object {
  const { clientId, createdAtMs, scopes = DEFAULT_SCOPES } = client;
  const keys = liveKeys(client, dpop.http.nowMs()).flatMap((key) => (key.jwk ? [key] : []));
  return clientInformation({ clientId, createdAtMs, keys, scopes });
}

/** @returns the client, as it may read itself, with the token by which it manages itself (RFC 7592 §3) */
export async function answerClient(
  gate: RegistrationGate,
  status: number,
  client: ClientRecord,
  invite: Invite,
): Promise<Answer> {
  const { tokens, entryUrl } = gate;
  return oauthJson(status, {
    ...informationOf(gate, client),
    registration_access_token: await tokens.registrationToken(client, invite),
    registration_client_uri: `${entryUrl}/v1/oauth/register/${client.clientId}`,
  });
}

/** A refusal, with the challenge that belongs to it (RFC 9449 §7.1, RFC 6750 §3). */
export function refused(refusal: OAuthRefusal): Answer {
  const challenge = refusal.error === 'invalid_token' && {
    'WWW-Authenticate': 'DPoP error="invalid_token", algs="ES256 Ed25519 EdDSA"',
  };
  return oauthError(refusal, challenge || {});
}
