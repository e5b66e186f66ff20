/** `/v1/oauth/register/{client_id}`: a client reads, changes and deletes itself (RFC 7592 §2). */
import type { ClientKey, ClientRecord } from '../../protocol/client.ts';
import { isUsable } from '../../protocol/client.ts';
import { readClientMetadata } from '../../protocol/oauth/client-metadata.ts';
import { parseClientToken } from '../../protocol/oauth/client-token.ts';
import { type OAuthRefusal, refuseOAuth } from '../../protocol/oauth/error.ts';
import { type Invite, liveKeys } from '../../protocol/oauth/invite.ts';
import { decideRollOver, type NewPublicKey } from '../../protocol/roll-over.ts';
import { Unavailable } from '../adapters/call.ts';
import type { Answer } from '../http/answer.ts';
import type { RoutedRequest } from '../http/event.ts';
import type { LogFields } from '../http/handler.ts';
import { usableAtS } from '../request/key-times.ts';
import {
  answerClient,
  audit,
  present,
  type RegistrationGate,
  readMetadataBody,
  refused,
  useProof,
} from './registration-gate.ts';

/** A key that the client gave up works for this long yet, so that instances can follow one by one. */
const OVERLAP_S = 24 * 3600;
/** Another request may give the client a key at the same moment. */
const ATTEMPTS = 3;

export async function manageClient(
  gate: RegistrationGate,
  request: RoutedRequest,
  fields: LogFields,
): Promise<Answer> {
  const presented = await present(gate, request);
  if (!presented.ok) return refused(presented);
  const { token, dpop } = presented;
  const found = await findClient(gate, request.id, token, dpop.thumbprint);
  if (!found.ok) return refused(found);
  const { client, invite, key } = found;
  fields.client_id = client.clientId;

  if (request.method === 'GET') {
    const used = await useProof(gate, dpop, { writing: false });
    return used ? refused(used) : answerClient(gate, 200, client, invite);
  }
  if (request.method === 'DELETE') {
    const used = await useProof(gate, dpop, { writing: true });
    if (used) return refused(used);
    await gate.clients.remove(client.clientId, gate.dpop.http.nowMs(), 'client');
    audit(gate, request, 'clients.remove-itself', client.clientId);
    return { status: 204, headers: { 'Cache-Control': 'no-store' }, body: '' };
  }
  // The new keys are in the body: whoever sees a request that did not get through must not put in their own.
  if (!dpop.bindsBody) return refused(refuseOAuth('invalid_dpop_proof', 'dpop_body_free', UNBOUND));
  const keys = readKeys(request, client.clientId);
  if (!keys.ok) return refused(keys);
  const used = await useProof(gate, dpop, { writing: true });
  if (used) return refused(used);
  const changed = await replaceKeys(gate, client.clientId, key, keys.keys);
  if (!changed.ok) return refused(changed);
  audit(gate, request, 'clients.replace-keys', client.clientId);
  return answerClient(gate, 200, changed.client, changed.invite);
}

interface Found {
  readonly ok: true;
  readonly client: ClientRecord;
  readonly invite: Invite;
  /** The one that signed the proof. */
  readonly key: ClientKey;
}

/** RFC 7592 §2: a client that is not there is answered like a wrong token. */
async function findClient(
  { clients, tokens, dpop }: RegistrationGate,
  clientId: string,
  token: string,
  thumbprint: string,
): Promise<Found | OAuthRefusal> {
  const bad = (reason: string) => refuseOAuth('invalid_token', reason);
  const parts = parseClientToken(token);
  if (parts?.kind !== 'registration' || parts.clientId !== clientId) return bad('token_form');
  const client = await clients.load(clientId);
  const invite = client?.invite;
  if (!client || invite?.serial !== parts.serial) return bad('registration_unknown');
  if (!(await tokens.isRegistrationToken(token, client, invite))) return bad('registration_text');
  const key = client.keys.find(({ kid }) => kid === thumbprint);
  if (!key?.jwk || !isUsable(client, key, dpop.http.nowMs())) return bad('registration_key');
  if (client.disabled) return refuseOAuth('access_denied', 'client_disabled');
  return { ok: true, client, invite, key };
}

function readKeys(
  request: RoutedRequest,
  clientId: string,
): { readonly ok: true; readonly keys: readonly NewPublicKey[] } | OAuthRefusal {
  const body = readMetadataBody(request);
  if (!body.ok) return body;
  const read = readClientMetadata(body.value);
  if (!read.ok) return read;
  return read.metadata.clientId === clientId
    ? { ok: true, keys: read.metadata.keys }
    : refuseOAuth('invalid_client_metadata', 'client_id', 'client_id must be that of the URL.');
}

/**
 * Gives the client the keys of `wanted`, and ends the others after the overlap. Decides on what the table has
 * now, and can be repeated.
 */
async function replaceKeys(
  { clients, dpop, consistency, clientKeyLifeS }: RegistrationGate,
  clientId: string,
  { kid: askingKid }: ClientKey,
  wanted: readonly NewPublicKey[],
): Promise<Omit<Found, 'key'> | OAuthRefusal> {
  const { nowMs } = dpop.http;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const client = await clients.load(clientId);
    const asking = client?.keys.find(({ kid }) => kid === askingKid);
    if (client?.disabled) return refuseOAuth('access_denied', 'client_disabled');
    if (!client?.invite || !asking || !isUsable(client, asking, nowMs()))
      return refuseOAuth('invalid_token', 'registration_key');
    const live = liveKeys(client, nowMs());
    const added = wanted.filter(({ kid }) => !live.some((key) => key.kid === kid));
    const [brought] = added;
    const nowS = Math.floor(nowMs() / 1000);
    if (!brought) {
      for (const { kid } of live)
        if (!wanted.some((key) => key.kid === kid)) await clients.endKey(client, kid, nowS + OVERLAP_S);
      const stored = await clients.load(clientId);
      if (!stored?.invite) return refuseOAuth('invalid_token', 'registration_unknown');
      return { ok: true, client: stored, invite: stored.invite };
    }
    const next = decideRollOver(client, asking, brought.kid, [], nowMs());
    if (added.length > 1 || 'ok' in next)
      return refuseOAuth('invalid_client_metadata', 'live_keys', TOO_MANY);
    const { dead } = next.kind === 'new' ? next : { dead: [] };
    if (!(await clients.claimNext(clientId, askingKid, brought.kid, { dead, nowMs: nowMs() })))
      return refuseOAuth('invalid_client_metadata', 'asked_at_once', TOO_MANY);
    await clients.addKey(client, {
      ...brought,
      usableAtS: usableAtS(consistency, dpop.clockErrorMs, nowS),
      expiresAtS: nowS + Math.floor(clientKeyLifeS),
      issuedBy: askingKid,
      rootKid: null,
    });
  }
  throw new Unavailable('clients');
}

const UNBOUND = 'The DPoP proof must have fingerprint, the SHA-256 of the body in base64url.';

const TOO_MANY =
  'A client has two keys at most, each used once: add one new key, and only after the one before the current key has ended.';
