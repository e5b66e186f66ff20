/** `GET /v1/nonce`: no request reads or writes a table, so a flood of it fills nothing (design: 2-protocol "Nonce"). */
import { isClientId, looksLikeStrictKey, parseApiKey } from '../../protocol/api-key.ts';
import { type Refusal, refuse } from '../../protocol/problem.ts';
import { json, problem } from '../http/answer.ts';
import type { RoutedRequest } from '../http/event.ts';
import { type HttpContext, type HttpHandler, httpHandler } from '../http/handler.ts';
import type { Nonces } from '../request/nonces.ts';

export const MAX_NONCE_COUNT = 100;

export function nonceHandler(http: HttpContext, nonces: Nonces): HttpHandler {
  return httpHandler(http, async (request) => {
    const wanted = readWanted(request);
    if (!wanted.ok) {
      const { requestId } = request;
      const { errorDocsUrl } = http;
      const { code, reason } = wanted;
      const detail = DETAILS[reason];
      return problem(code, {
        requestId,
        errorDocsUrl,
        nowMs: http.nowMs(),
        reason,
        ...(detail && { detail }),
      });
    }
    const issued = await nonces.issue(wanted.clientId, wanted.count ?? 1);
    const expires_in = Math.floor(issued.lifeMs / 1000);
    const body =
      wanted.count === undefined
        ? { nonce: issued.nonces[0], expires_in }
        : { nonces: issued.nonces, expires_in };
    return json(200, body, { 'Cache-Control': 'no-store', 'Replay-Nonce': issued.nonces[0]! });
  });
}

type Wanted = { readonly ok: true; readonly clientId: string; readonly count: number | undefined };

const DETAILS: Readonly<Record<string, string>> = {
  client_id: 'Name one client: ?client_id=…, or, with a basic key, Authorization: Bearer <api key>.',
  count: 'count is a whole number from 1 to 100.',
  strict_key_as_bearer:
    'A strict key never travels: ask with ?client_id=… instead. Consider this key exposed.',
};

function readWanted({ query, headers }: RoutedRequest): Wanted | Refusal {
  const [count, ...more] = query.get('count') ?? [];
  if (more.length > 0 || (count !== undefined && !/^([1-9]\d?|100)$/.test(count)))
    return refuse('malformed_request', 'count');

  const named = [...(query.get('client_id') ?? [])];
  const authorization = headers.get('authorization') ?? [];
  const bearer = authorization.map((value) => /^bearer +(.*)$/is.exec(value)?.[1]);
  if (bearer.some((key) => key !== undefined && looksLikeStrictKey(key)))
    return refuse('not_allowed', 'strict_key_as_bearer');
  for (const key of bearer) {
    const parsed = key === undefined ? undefined : parseApiKey(key.trim());
    if (!parsed) return refuse('malformed_request', 'client_id');
    named.push(parsed.clientId);
  }
  const [clientId, ...others] = new Set(named);
  if (others.length > 0 || authorization.length > 1 || !isClientId(clientId))
    return refuse('malformed_request', 'client_id');
  return { ok: true, clientId, count: count === undefined ? undefined : Number(count) };
}
