/** `GET /.well-known/jwks.json`: the public halves of the `token` keys that verify now (RFC 7517 §5). */
import { verificationKeys } from '../../protocol/keyset.ts';
import type { KeysetCache } from '../adapters/keyset-cache.ts';
import { json } from '../http/answer.ts';
import { type HttpContext, type HttpHandler, httpHandler } from '../http/handler.ts';

export function jwksHandler(http: HttpContext, keyset: KeysetCache): HttpHandler {
  return httpHandler(http, async () => {
    const keys = verificationKeys(await keyset.current(), http.nowMs()).map(({ kid, alg, jwk }) => {
      // Member by member: what is not named here cannot leave.
      const { kty, crv, x, y } = jwk;
      return { kty, crv, x, y, kid, alg, use: 'sig' };
    });
    return json(200, { keys }, { 'Cache-Control': 'public, max-age=300' });
  });
}
