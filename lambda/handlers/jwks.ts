/**
 * `GET /.well-known/jwks.json`: the public halves of the `token` and `webhook` keys that verify now (RFC 7517
 * §5).
 */
import { publicHalf, verificationKeys } from '../../protocol/keyset.ts';
import { json } from '../http/answer.ts';
import { type HttpContext, type HttpHandler, httpHandler } from '../http/handler.ts';
import type { KeysetCache } from '../request/keyset-cache.ts';

/** A consumer may cache the keys this long: it learns of a new key or of a key's end that much later. */
const MAX_AGE_S = 300;

export function jwksHandler(http: HttpContext, keysets: readonly KeysetCache[]): HttpHandler {
  return httpHandler(http, async () => {
    // All or none: without the keys of one purpose, consumers would refuse what it signed.
    const held = await Promise.all(keysets.map((keyset) => keyset.current()));
    const keys = held
      .flatMap((keyset) => verificationKeys(publicHalf(keyset), http.nowMs()))
      .map(({ kid, alg, jwk }) => ({ ...jwk, kid, alg, use: 'sig' }));
    // The copies have an age already, and a consumer's cache adds to it. The key windows allow for the hard
    // limit in total.
    const remainingMs = Math.min(...keysets.map((keyset) => keyset.remainingMs()));
    const maxAgeS = Math.max(0, Math.min(MAX_AGE_S, Math.floor(remainingMs / 1000)));
    return json(200, { keys }, { 'Cache-Control': `public, max-age=${maxAgeS}` });
  });
}
