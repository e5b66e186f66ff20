/**
 * The way in by an access token with a DPoP proof, for the routes that take a proof as well (docs/oauth.md,
 * "A call with a token"). Nothing is used up before every check holds.
 */
import { randomUUID } from 'node:crypto';
import { verifyAccessToken } from '../../protocol/oauth/access-token.ts';
import type { VerifiedDpop } from '../../protocol/oauth/dpop.ts';
import { CLIENT_ALGORITHMS } from '../../protocol/oauth/jwt.ts';
import { READ_SCOPE, WRITE_SCOPE } from '../../protocol/oauth/scope.ts';
import { type Refusal, refuse } from '../../protocol/problem.ts';
import { readRequest } from '../../protocol/proof/request.ts';
import type { DenyList } from '../adapters/deny-list.ts';
import { type Answer, problem } from '../http/answer.ts';
import type { RoutedRequest } from '../http/event.ts';
import type { HttpContext, LogFields } from '../http/handler.ts';
import type { ClientLookups } from '../request/client-cache.ts';
import { type Admitted, type Extras, expiryNotice, type OtherWayIn } from '../request/proof-gate.ts';
import { type FoundClient, findClient, stateFault } from './clients.ts';
import { checkDpop, type DpopGate } from './dpop-gate.ts';
import type { DpopNonces } from './nonces.ts';
import type { publicKeys } from './token-keys.ts';

export interface TokenAccessOptions {
  readonly dpop: DpopGate;
  readonly clients: ClientLookups;
  readonly publicKey: ReturnType<typeof publicKeys>;
  readonly denyList: DenyList;
  /** Also the audience of the tokens that are taken. */
  readonly issuer: string;
}

type Headers = Pick<RoutedRequest, 'headers'>;

const hasToken = ({ headers }: Headers): boolean =>
  (headers.get('authorization') ?? []).some((value) => /^dpop /i.test(value));

/** Every answer to a call with a token, or with a proof alone, carries a nonce. */
export const dpopContext = (http: HttpContext, nonces: DpopNonces): HttpContext => ({
  ...http,
  headers: async (request) => (hasToken(request) || request.headers.has('dpop') ? nonces.headers() : {}),
});

interface Caller extends FoundClient {
  readonly ok: true;
  readonly proof: VerifiedDpop;
}
type Refused = Refusal & { readonly found?: FoundClient };

export function tokenAccess({ dpop, clients, publicKey, denyList, issuer }: TokenAccessOptions): OtherWayIn {
  const { http, ledger } = dpop;
  return {
    takes: hasToken,

    async read(request, fields, work) {
      const nowMs = http.nowMs();
      const caller = await check(request, READ_SCOPE, nowMs, fields);
      if (!caller.ok) return refusing(request, caller.found, nowMs)(caller);
      const { client, key, proof } = caller;
      const answerRefusal = refusing(request, caller, nowMs);
      // A write uses its proof up with the rest of its checks.
      if (!(await ledger.consume({ nonce: proof.use, jti: proof.jti, w: randomUUID() })))
        return answerRefusal(refuse('use_nonce', 'used'));
      return work(admitted({ operation: 'read' as const, client, key }, answerRefusal, nowMs));
    },

    async write(operation, request, fields, work) {
      const nowMs = http.nowMs();
      const caller = await check(request, WRITE_SCOPE, nowMs, fields);
      if (!caller.ok) return refusing(request, caller.found, nowMs)(caller);
      const { client, key, proof } = caller;
      const verified = { operation, client, key, jti: proof.jti, nonce: proof.use };
      return work(admitted(verified, refusing(request, caller, nowMs), nowMs));
    },
  };

  /** In this order: form, signature, nonce, token, binding, client, audience, scope, deny list. */
  async function check(
    request: RoutedRequest,
    scope: string,
    nowMs: number,
    fields: LogFields,
  ): Promise<Caller | Refused> {
    const read = readRequest(request, 'dpop');
    if (!read.ok) return read;
    const proved = await checkDpop(dpop, request, read.token);
    if (!proved.ok)
      return refuse(proved.error === 'use_dpop_nonce' ? 'use_nonce' : 'invalid_proof', proved.reason);
    const { dpop: proof } = proved;
    // Only a proof that names the body vouches for its bytes.
    if (request.bodyInDoubt && !proof.bindsBody) return refuse('malformed_request', 'body_in_doubt');
    const verified = await verifyAccessToken(read.token, { issuer, nowMs }, publicKey);
    if (!verified.ok)
      return refuse(verified.reason === 'token_expired' ? 'token_revoked' : 'invalid_proof', verified.reason);
    const { token } = verified;
    if (token.jkt !== proof.thumbprint) return refuse('invalid_proof', 'token_binding');
    const found = await findClient(clients, token.clientId, token.jkt);
    if (!found) return refuse('token_revoked', 'client_key_unknown');
    fields.client_id = token.clientId;
    const fault = stateFault(found, nowMs);
    if (fault) return { ...refuse(fault === 'client_key' ? 'key_expired' : fault, fault), found };
    if (token.audience !== issuer) return { ...refuse('invalid_proof', 'token_audience'), found };
    if (!token.scopes.includes(scope))
      return { ...refuse('not_allowed', 'scope', `The token lacks the scope ${scope}.`), found };
    if (await denyList.has(token.jti)) return { ...refuse('token_revoked', 'token_revoked'), found };
    return { ok: true, ...found, proof };
  }

  function refusing(request: RoutedRequest, found: FoundClient | undefined, nowMs: number) {
    return async (refusal: Refusal, extras: Extras = {}): Promise<Answer> => {
      const { code, reason, errors, detail } = asAnswered(refusal);
      const challenge = challengeOf({ code, reason });
      const headers = {
        ...(found && expiryNotice(found, nowMs)),
        ...(challenge !== undefined && {
          'WWW-Authenticate': `DPoP error="${challenge}", algs="${CLIENT_ALGORITHMS.join(' ')}"`,
        }),
        ...extras.headers,
      };
      const { requestId } = request;
      return problem(code, {
        ...{ requestId, errorDocsUrl: http.errorDocsUrl, nowMs, reason, headers },
        ...(errors && { errors }),
        ...(detail && { detail }),
      });
    };
  }
}

const admitted = <Verified extends FoundClient>(
  verified: Verified,
  answerRefusal: Admitted<Verified>['answerRefusal'],
  nowMs: number,
): Admitted<Verified> => ({ verified, answerRefusal, headers: async () => expiryNotice(verified, nowMs) });

const DELETED = 'The user was deleted a moment ago; try again.';

/**
 * The rules of proofs answer `use_nonce` in two cases where the nonce is not at fault here. A standard client
 * would sign again at once.
 */
function asAnswered(refusal: Refusal): Refusal {
  if (refusal.code !== 'use_nonce') return refusal;
  if (refusal.reason === 'used') return refuse('invalid_proof', 'dpop_used');
  return refusal.reason === 'deleted' ? refuse('unavailable', 'deleted', DELETED) : refusal;
}

/** @returns the error of RFC 9449 §7.1 and RFC 6750 §3.1; undefined where the code needs none */
function challengeOf({ code, reason }: Pick<Refusal, 'code' | 'reason'>): string | undefined {
  if (code === 'use_nonce') return 'use_dpop_nonce';
  if (code === 'invalid_proof') return reason.startsWith('token_') ? 'invalid_token' : 'invalid_dpop_proof';
  if (code === 'token_revoked' || code === 'key_expired') return 'invalid_token';
  return code === 'not_allowed' ? 'insufficient_scope' : undefined;
}
