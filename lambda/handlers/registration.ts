/** `GET` and `DELETE /v1/registrations/{id}`: a client sees its own registrations; another's is 404. */
import { randomBytes } from 'node:crypto';
import { refuse } from '../../protocol/problem.ts';
import { entityTag, isTombstone } from '../../protocol/registration.ts';
import type { Registry } from '../adapters/registry.ts';
import { type Answer, json } from '../http/answer.ts';
import { type HttpHandler, httpHandler } from '../http/handler.ts';
import { representation } from '../http/representation.ts';
import { type Consumption, consume } from '../request/consumption.ts';
import {
  type AdmittedRead,
  type AdmittedWrite,
  type ProofGate,
  withReadProof,
  withWriteProof,
} from '../request/proof-gate.ts';
import type { ReadLimit } from '../request/read-limit.ts';

export interface RegistrationOptions {
  readonly gate: ProofGate;
  readonly consumption: Consumption;
  readonly registry: Registry;
  readonly readLimit: ReadLimit;
}

export function registrationHandler(options: RegistrationOptions): HttpHandler {
  const { gate, consumption, registry, readLimit } = options;
  return httpHandler(gate.http, (request, fields) => {
    const { id } = request;
    if (request.method === 'DELETE')
      return withWriteProof(gate, 'delete', request, fields, (admitted) => remove(id, admitted));
    const known = request.headers.get('if-none-match') ?? [];
    return withReadProof(gate, request, fields, (admitted) => read(id, known, admitted));
  });

  async function read(id: string, known: readonly string[], admitted: AdmittedRead): Promise<Answer> {
    const { verified, headers, answerRefusal } = admitted;
    const over = readLimit.charge(verified.client);
    // A read spends no nonce, so its answer brings none.
    if (over) return answerRefusal(refuse('quota_exceeded', 'reads'), { headers: over, nonce: false });
    const stored = await registry.read(verified.client.clientId, id);
    if (!stored || isTombstone(stored)) return answerRefusal(refuse('not_found', 'registration'));
    const etag = entityTag(stored.data);
    const common = { ...(await headers()), 'Cache-Control': 'private, no-cache', ETag: etag };
    return matches(known, etag)
      ? { status: 304, headers: common, body: '' }
      : json(200, representation(stored), common);
  }

  async function remove(id: string, admitted: AdmittedWrite): Promise<Answer> {
    const { verified, headers, answerRefusal } = admitted;
    const w = randomBytes(16).toString('base64url');
    const consumed = await consume(consumption, admitted, w);
    if (!consumed.ok) return consumed.answer;
    const existed = await registry.remove(verified.client.clientId, id, gate.http.nowMs(), w);
    if (!existed) return answerRefusal(refuse('not_found', 'registration'));
    const carried = { ...(await headers()), ...consumed.headers, 'Cache-Control': 'no-store' };
    return { status: 204, headers: carried, body: '' };
  }
}

/** If-None-Match (RFC 9110 §13.1.2), by weak comparison. */
function matches(ifNoneMatch: readonly string[], etag: string): boolean {
  const tags = ifNoneMatch.flatMap((value) => value.split(',')).map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(etag) || tags.includes('*');
}
