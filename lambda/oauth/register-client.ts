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
import {
  answerClient,
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
  const key = await readKey(request, dpop.thumbprint);
  const found = await findInvite(gate, token, dpop.thumbprint);
  if (!found.ok) return refused(found);
  if (!key.ok) return refused(key);
  const { client, invite } = found;
  fields.client_id = client.clientId;
  const used = await useProof(gate, dpop, { writing: true });
  if (used) return refused(used);
  return redeem(gate, client, invite, key.key);
}

/** The client authenticates with the key that signs here: it has no other yet. */
async function readKey(
  request: RoutedRequest,
  thumbprint: string,
): Promise<{ readonly ok: true; readonly key: NewPublicKey } | OAuthRefusal> {
  const body = readMetadataBody(request);
  if (!body.ok) return body;
  const read = await readClientMetadata(body.value, 1);
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
