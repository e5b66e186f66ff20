/** `GET /.well-known/countersign`: all that a client needs to configure itself. */
import { MAX_NONCE_COUNT } from '../../protocol/nonce-request.ts';
import { PROOF_LIFE_S } from '../../protocol/proof/claims.ts';
import { PROOF_ALGORITHMS } from '../../protocol/proof/form.ts';
import { MAX_BODY_BYTES } from '../../protocol/proof/request.ts';
import { json } from '../http/answer.ts';
import { type HttpContext, type HttpHandler, httpHandler } from '../http/handler.ts';

export interface DiscoveryOptions {
  readonly http: HttpContext;
  readonly issuer: string;
  readonly entryUrl: string;
  /** In the order that clients should prefer. */
  readonly regions: readonly { readonly name: string; readonly url: string }[];
  readonly nonceLifeMs: number;
  readonly schema: object;
}

export function discoveryHandler(options: DiscoveryOptions): HttpHandler {
  const document = {
    issuer: options.issuer,
    regions: options.regions,
    proof_algorithms: PROOF_ALGORITHMS,
    proof_max_life: PROOF_LIFE_S,
    nonce_life: Math.floor(options.nonceLifeMs / 1000),
    max_body_bytes: MAX_BODY_BYTES,
    max_nonce_count: MAX_NONCE_COUNT,
    jwks_uri: `${options.entryUrl}/.well-known/jwks.json`,
    registration_schema: options.schema,
  };
  return httpHandler(options.http, async () =>
    json(200, document, { 'Cache-Control': 'public, max-age=60' }),
  );
}
