/**
 * `GET /v1/nonce`: no request reads or writes a table, so a flood of requests fills nothing
 * (docs/protocol.md, "Nonce").
 */
import { readNonceRequest, STRICT_KEY_AS_BEARER } from '../../protocol/nonce-request.ts';
import { json, problem } from '../http/answer.ts';
import { type HttpContext, type HttpHandler, httpHandler } from '../http/handler.ts';
import type { Nonces } from '../request/nonces.ts';

export function nonceHandler(http: HttpContext, nonces: Nonces): HttpHandler {
  return httpHandler(http, async (request) => {
    const wanted = readNonceRequest(request.query, request.headers);
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
    const expires_in = Math.floor(issued.nonceLifeMs / 1000);
    const body =
      wanted.count === undefined
        ? { nonce: issued.nonces[0], expires_in }
        : { nonces: issued.nonces, expires_in };
    return json(200, body, { 'Cache-Control': 'no-store', 'Replay-Nonce': issued.nonces[0] });
  });
}

const DETAILS: Readonly<Record<string, string>> = {
  client_id: 'Name one client: ?client_id=…, or, with a basic key, Authorization: Bearer <api key>.',
  count: 'count is a whole number from 1 to 100.',
  [STRICT_KEY_AS_BEARER]:
    'A strict key never travels: ask with ?client_id=… instead. Consider this key exposed.',
};
