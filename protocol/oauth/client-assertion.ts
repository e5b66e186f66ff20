/** How a client authenticates: a JWT by its own key, for this issuer, used once (RFC 7523 §3). */
import type { KeyObject } from 'node:crypto';
import { isClientId } from '../client-id.ts';
import { LEEWAY_S } from '../proof/claims.ts';
import { type OAuthRefusal, refuseOAuth } from './error.ts';
import { isJti, isJwtSignedBy, isTime, type Jwt, parseJwt, usedOnceKey } from './jwt.ts';

export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** Longest life that an assertion may have left, in seconds. */
export const ASSERTION_LIFE_S = 300;

/** An assertion whose claims hold. Its signature is not verified yet. */
export interface ClientAssertion {
  readonly jwt: Jwt;
  /** The client that it claims to be of. */
  readonly clientId: string;
  readonly jti: string | undefined;
  /** What the ledger remembers, for as long as the assertion could be used. */
  readonly use: UsedOnce;
}

/** What may be used once. */
export interface UsedOnce {
  readonly text: string;
  readonly issuedMs: number;
  readonly lifeMs: number;
}

export interface AssertionContext {
  readonly issuer: string;
  readonly nowMs: number;
}

/** Standard clients name no key (`kid`), so the caller knows which keys may have signed it. */
export function readAssertion(
  text: string,
  { issuer, nowMs }: AssertionContext,
): { readonly ok: true; readonly assertion: ClientAssertion } | OAuthRefusal<'invalid_client'> {
  const bad = (reason: string) => refuseOAuth('invalid_client', reason);
  const jwt = parseJwt(text);
  if (!jwt) return bad('assertion_form');
  const { typ } = jwt.header;
  if (typ !== undefined && typ !== 'JWT' && typ !== 'client-authentication+jwt') return bad('assertion_typ');
  const { iss, sub, aud, exp, nbf, iat, jti } = jwt.claims;
  if (!isClientId(iss) || sub !== iss) return bad('assertion_iss');
  // The issuer alone: an assertion for a list of servers could be passed on by one of them.
  if (aud !== issuer) return bad('assertion_aud');
  const nowS = nowMs / 1000;
  if (!isTime(exp) || exp + LEEWAY_S <= nowS || exp > nowS + ASSERTION_LIFE_S + LEEWAY_S)
    return bad('assertion_exp');
  if (nbf !== undefined && !(isTime(nbf) && nbf <= nowS + LEEWAY_S)) return bad('assertion_nbf');
  if (iat !== undefined && !(isTime(iat) && iat <= nowS + LEEWAY_S)) return bad('assertion_iat');
  if (jti !== undefined && !isJti(jti)) return bad('assertion_jti');

  // Never a hash of the whole: an ECDSA signature has a twin.
  const [kind, value] = jti === undefined ? ['input', text.slice(0, text.lastIndexOf('.'))] : ['jti', jti];
  const use = {
    text: usedOnceKey(`countersign/client-assertion/${kind}/v1`, iss, value),
    issuedMs: nowMs,
    lifeMs: (exp + LEEWAY_S) * 1000 - nowMs,
  };
  return { ok: true, assertion: { jwt, clientId: iss, jti, use } };
}

/** Whether the key has signed the assertion. */
export const isAssertedBy = ({ jwt }: ClientAssertion, key: KeyObject): boolean => isJwtSignedBy(jwt, key);
