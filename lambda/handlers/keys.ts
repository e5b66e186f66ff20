/** `POST /v1/keys`: a client's current key asks for the next one (docs/protocol.md, "Key roll-over"). */

import { randomUUID } from 'node:crypto';
import { deriveApiKey } from '../../protocol/api-key.ts';
import { parseBody } from '../../protocol/body.ts';
import { type ClientKey, type ClientRecord, isUsable } from '../../protocol/client.ts';
import { type Keyset, keyBytes, verificationKey } from '../../protocol/keyset.ts';
import { type Refusal, refuse } from '../../protocol/problem.ts';
import {
  decideRollOver,
  isPossessed,
  type NewPublicKey,
  readRollOver,
  sealApiKey,
} from '../../protocol/roll-over.ts';
import { Unavailable } from '../adapters/call.ts';
import type { Clients } from '../adapters/clients.ts';
import type { Consistency } from '../contract/serving-environment.ts';
import { type Answer, json } from '../http/answer.ts';
import { type HttpHandler, httpHandler } from '../http/handler.ts';
import { isOutlivedBy, longestKeyLifeS, type RefusedRoots, signingRoot } from '../request/client-root.ts';
import { type Consumption, consume } from '../request/consumption.ts';
import { usableAtS } from '../request/key-times.ts';
import type { KeysetCache } from '../request/keyset-cache.ts';
import { type AdmittedWrite, type ProofGate, withWriteProof } from '../request/proof-gate.ts';

export interface KeysOptions {
  readonly gate: ProofGate;
  readonly consumption: Consumption;
  readonly clients: Pick<Clients, 'load' | 'addKey' | 'claimNext'>;
  readonly roots: KeysetCache;
  readonly refusedRoots: RefusedRoots;
  /** Longest life of a client key, in seconds. */
  readonly clientKeyLifeS: number;
  readonly consistency: Consistency;
}

/** Another request may make the next key at the same moment. */
const ATTEMPTS = 3;

type Issued = { readonly ok: true; readonly client: ClientRecord; readonly key: ClientKey } | Refusal;

export function keysHandler(options: KeysOptions): HttpHandler {
  const { gate, consumption, clients, roots, refusedRoots, clientKeyLifeS, consistency } = options;
  const { nowMs } = gate.http;
  return httpHandler(gate.http, (request, fields) =>
    withWriteProof(gate, 'roll_over', request, fields, async (admitted) => {
      const { verified, answerRefusal } = admitted;
      const { client, key: asking, nonce } = verified;
      const body = parseBody(request, client.profile);
      if (!body.ok) return answerRefusal(body);
      const asked = await readRollOver(body.value, asking);
      if (!asked.ok) return answerRefusal(asked);
      const { brought } = asked;
      const context = { clientId: client.clientId, issuer: gate.issuer, nonce: nonce.text, old: asking.kid };
      if (brought && !(await isPossessed(brought, { ...context, nowMs: nowMs() })))
        return answerRefusal(refuse('invalid_proof', 'possession'));

      const consumed = await consume(consumption, admitted, randomUUID());
      if (!consumed.ok) return consumed.answer;
      const issued = await issue(client.clientId, asking.kid, brought?.key);
      if (!issued.ok) return answerRefusal(issued);
      return answer(admitted, issued.client, asking, issued.key, consumed.headers);
    }),
  );

  /** Decides on what the table has now: the client in memory may be ten seconds old. */
  async function issue(clientId: string, askingKid: string, brought?: NewPublicKey): Promise<Issued> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const [client, voidRoots] = await Promise.all([clients.load(clientId), refusedRoots()]);
      const asking = client?.keys.find(({ kid }) => kid === askingKid);
      if (client?.disabled) return refuse('client_disabled', 'client_disabled');
      if (!client || !asking || !isUsable(client, asking, nowMs()))
        return refuse('key_expired', 'client_key');
      const next = decideRollOver(client, asking, brought?.kid, voidRoots, nowMs());
      if ('ok' in next) return next;
      if (next.kind === 'again') return { ok: true, client, key: next.key };
      const { kid, dead } = next;
      if (brought && !(await clients.claimNext(clientId, askingKid, kid, { dead, nowMs: nowMs() })))
        return refuse('key_exists', 'asked_at_once');
      const key = await make(kid, askingKid, brought);
      if (await clients.addKey(client, key)) return { ok: true, client, key };
    }
    throw new Unavailable('clients');
  }

  async function make(kid: string, issuedBy: string, brought?: NewPublicKey): Promise<ClientKey> {
    const nowS = Math.floor(nowMs() / 1000);
    const made = { issuedBy, usableAtS: usableAtS(consistency, gate.clockErrorMs, nowS) };
    if (brought) return { ...made, ...brought, expiresAtS: nowS + Math.floor(clientKeyLifeS), rootKid: null };
    const found = await signingRoot(roots, refusedRoots, nowMs());
    if (found.kind !== 'found') throw new Unavailable(`client root: ${found.kind}`);
    const { root } = found;
    const expiresAtS = nowS + longestKeyLifeS(root, clientKeyLifeS);
    if (isOutlivedBy(root, expiresAtS)) throw new Unavailable('client root: ends too soon');
    return { ...made, kid, alg: 'HS256', expiresAtS, rootKid: root.kid, jwk: null };
  }

  async function answer(
    { headers }: AdmittedWrite,
    client: ClientRecord,
    asking: ClientKey,
    key: ClientKey,
    quota: Readonly<Record<string, string>>,
  ): Promise<Answer> {
    const keyset = await roots.current();
    const sealed =
      key.jwk === null &&
      (await sealApiKey(
        apiKeyOf(keyset, client, asking),
        client.clientId,
        key.kid,
        apiKeyOf(keyset, client, key),
      ));
    const value = {
      kid: key.kid,
      usable_at: time(key.usableAtS),
      expires_at: time(key.expiresAtS),
      ...(sealed && { api_key_jwe: sealed }),
    };
    return json(201, value, { ...(await headers()), ...quota, 'Cache-Control': 'no-store' });
  }

  /** @throws Unavailable where the copy of the keyset lacks the key's root */
  function apiKeyOf(keyset: Keyset, { clientId, salt, profile }: ClientRecord, key: ClientKey): string {
    const root = verificationKey(keyset, key.rootKid ?? '', nowMs());
    if (!root) throw new Unavailable('keyset client-root');
    return deriveApiKey({ root: keyBytes(root), salt, clientId, generation: Number(key.kid), profile });
  }
}

const time = (epochS: number): string => new Date(epochS * 1000).toISOString();
