/** `GET /.well-known/jwks.json`: the public halves of the `token` keys that verify now (RFC 7517 §5). */
import { verificationKeys } from '../../protocol/keyset.ts';
import { json } from '../http/answer.ts';
import { type HttpContext, type HttpHandler, httpHandler } from '../http/handler.ts';
import type { KeysetCache } from '../request/keyset-cache.ts';

/** A consumer may cache the keys this long: it learns of a new key or of a key's end that much later. */
const MAX_AGE_S = 300;

export function jwksHandler(http: HttpContext, keyset: KeysetCache): HttpHandler {
  return httpHandler(http, async () => {
    const keys = verificationKeys(await keyset.current(), http.nowMs()).map(({ kid, alg, jwk }) => {
      // Member by member: no other member leaves the platform.
      const { kty, crv, x, y } = jwk;
      return { kty, crv, x, y, kid, alg, use: 'sig' };
    });
    // This copy has an age already, and a consumer's cache adds to it. The key windows allow for the hard
    // limit in total.
    const maxAgeS = Math.max(0, Math.min(MAX_AGE_S, Math.floor(keyset.remainingMs() / 1000)));
    return json(200, { keys }, { 'Cache-Control': `public, max-age=${maxAgeS}` });
  });
}
