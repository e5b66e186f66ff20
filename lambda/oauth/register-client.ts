/** `POST /v1/oauth/register`: a key becomes a client's first, by an initial access token (RFC 7591 §3). */

import type { ClientRecord } from '../../protocol/client.ts';
import { readClientMetadata } from '../../protocol/oauth/client-metadata.ts';
import { parseClientToken } from '../../protocol/oauth/client-token.ts';
import { type OAuthRefusal, refuseOAuth } from '../../protocol/oauth/error.ts';
import { checkRedemption, type Invite, liveKeys } from '../../protocol/oauth/invite.ts';
import type { NewPublicKey } from '../../protocol/roll-over.ts';
import type { Answer } from '../http/answer.ts';
import type { RoutedRequest } from '../http/event.ts';
import type { LogFields } from '../http/handler.ts';
import { usableNowS } from '../request/key-times.ts';
import { oauthJson } from './answer.ts';
import type { Enrolments } from './enrol.ts';
import {
  answerClient,
  audit,
  informationOf,
  type Presented,
  present,
  type RegistrationGate,
  readMetadataBody,
  refused,
  useProof,
} from './registration-gate.ts';

export async function registerClient(
  gate: RegistrationGate,
  request: RoutedRequest,
  fields: LogFields,
): Promise<Answer> {
  const presented = await present(gate, request);
  if (!presented.ok) return refused(presented);
  const { token, dpop } = presented;
  const read = readKey(request, dpop.thumbprint);
  return parseClientToken(token) || !gate.enrolments
    ? byInvite(gate, request, fields, presented, read)
    : byAttestation(gate, gate.enrolments, request, fields, presented, read);
}

type ReadKey = { readonly ok: true; readonly key: NewPublicKey } | OAuthRefusal;

async function byInvite(
  gate: RegistrationGate,
  request: RoutedRequest,
  fields: LogFields,
  { token, dpop }: Presented,
  read: ReadKey,
): Promise<Answer> {
  const found = await findInvite(gate, token, dpop.thumbprint);
  if (!found.ok) return refused(found);
  const { client, invite } = found;
  fields.client_id = client.clientId;
  if (!read.ok) return refused(read);
  const used = await useProof(gate, dpop, { writing: true });
  if (used) return refused(used);
  const answer = await redeem(gate, client, invite, read.key);
  if (answer.status === 201) audit(gate, request, 'clients.redeem', `${client.clientId}#${read.key.kid}`);
  return answer;
}

/** An instance may go at any moment, and must not change the client of the others: it gets no token. */
async function byAttestation(
  gate: RegistrationGate,
  enrolments: Enrolments,
  request: RoutedRequest,
  fields: LogFields,
  { token, dpop }: Presented,
  read: ReadKey,
): Promise<Answer> {
  const checked = await enrolments.check(token, dpop.thumbprint);
  if (!checked.ok) return refused(checked);
  const { enrolment } = checked;
  const { client: clientId } = enrolment.policy;
  fields.client_id = clientId;
  if (!read.ok) return refused(read);
  const used = await useProof(gate, dpop, { writing: true, token: enrolment.use });
  if (used) return refused(used);
  const client = await enrolments.enrol(enrolment, read.key);
  audit(gate, request, 'clients.enrol', `${clientId}#${read.key.kid}`);
  return oauthJson(201, informationOf(gate, client));
}

/** The client authenticates with the key that signs here: it has no other yet. */
function readKey(request: RoutedRequest, thumbprint: string): ReadKey {
  const body = readMetadataBody(request);
  if (!body.ok) return body;
  const read = readClientMetadata(body.value, 1);
  if (!read.ok) return read;
  const [key] = read.metadata.keys;
  return key?.kid === thumbprint
    ? { ok: true, key }
    : refuseOAuth(
        'invalid_client_metadata',
        'not_the_proofs_key',
        'jwks must hold the key that signs the DPoP proof.',
      );
}

/** A text that names nobody, a wrong one and one of an earlier invite are answered alike. */
async function findInvite(
  { clients, tokens, dpop }: RegistrationGate,
  token: string,
  thumbprint: string,
): Promise<{ readonly ok: true; readonly client: ClientRecord; readonly invite: Invite } | OAuthRefusal> {
  const bad = (reason: string) => refuseOAuth('invalid_token', reason);
  const parts = parseClientToken(token);
  if (parts?.kind !== 'invite') return bad('token_form');
  const client = await clients.load(parts.clientId);
  const invite = client?.invite;
  if (!client || invite?.serial !== parts.serial) return bad('invite_unknown');
  if (!(await tokens.isInvite(token, client, invite))) return bad('invite_text');
  return checkRedemption(client, invite, thumbprint, dpop.http.nowMs()) ?? { ok: true, client, invite };
}

async function redeem(
  gate: RegistrationGate,
  client: ClientRecord,
  invite: Invite,
  { kid, alg, jwk }: NewPublicKey,
): Promise<Answer> {
  const { clients, clientKeyLifeS, dpop } = gate;
  const nowMs = dpop.http.nowMs();
  const nowS = Math.floor(nowMs / 1000);
  const times = {
    usableAtS: usableNowS(dpop.clockErrorMs, nowS),
    expiresAtS: nowS + Math.floor(clientKeyLifeS),
  };
  const key = { kid, alg, jwk, ...times, issuedBy: null, rootKid: null };
  if (!(await clients.redeemInvite(client, invite, key, nowMs)))
    return refused(refuseOAuth('invalid_token', 'invite_used'));
  // As it is stored: the key may be here since an earlier call, whose answer was lost.
  const stored = await clients.load(client.clientId);
  if (!stored?.invite || !liveKeys(stored, nowMs).some((each) => each.kid === kid))
    return refused(refuseOAuth('invalid_token', 'invite_key_ended'));
  return answerClient(gate, 201, stored, stored.invite);
}
