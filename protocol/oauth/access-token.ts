/** Access tokens (RFC 9068), each bound to one key of a client (RFC 9449 §6.1). */
import type { KeyObject } from 'node:crypto';
import { isClientId } from '../client-id.ts';
import { isSignedBy } from '../proof/signature.ts';
import { type OAuthRefusal, refuseOAuth } from './error.ts';
import { isJti, isTime, parseJwt, signEs256 } from './jwt.ts';
import { parseScope } from './scope.ts';

const TYP = 'at+jwt';
const ALG = 'ES256';

export interface AccessToken {
  readonly clientId: string;
  /** The one resource that it is for. */
  readonly audience: string;
  readonly scopes: readonly string[];
  readonly jti: string;
  /** Thumbprint of the client's key, without which the token is of no use. */
  readonly jkt: string;
  /** Epoch seconds. */
  readonly issuedAtS: number;
  readonly expiresAtS: number;
}

/** @param key private half of the platform's key `kid` */
export function signAccessToken(token: AccessToken, issuer: string, kid: string, key: KeyObject): string {
  const { clientId, audience, scopes, jti, jkt, issuedAtS, expiresAtS } = token;
  return signEs256(
    { alg: ALG, typ: TYP, kid },
    {
      iss: issuer,
      sub: clientId,
      client_id: clientId,
      aud: audience,
      scope: scopes.join(' '),
      jti,
      iat: issuedAtS,
      exp: expiresAtS,
      cnf: { jkt },
    },
    key,
  );
}

export interface TokenContext {
  readonly issuer: string;
  readonly nowMs: number;
}

/**
 * Checks form, signature, issuer and end (RFC 9068 §4). Whose key, which audience and which scope a request
 * needs is the caller's to check, and whether the token was revoked.
 *
 * @param publicKey finds the platform's key that `kid` names
 */
export async function verifyAccessToken(
  text: string,
  { issuer, nowMs }: TokenContext,
  publicKey: (kid: string) => Promise<KeyObject | undefined>,
): Promise<{ readonly ok: true; readonly token: AccessToken } | OAuthRefusal<'invalid_token'>> {
  const bad = (reason: string) => refuseOAuth('invalid_token', reason);
  const jwt = parseJwt(text);
  if (!jwt) return bad('token_form');
  const { alg, typ, kid } = jwt.header;
  if (alg !== ALG || typ !== TYP || typeof kid !== 'string') return bad('token_header');
  const key = await publicKey(kid);
  if (!key) return bad('token_kid');
  if (!isSignedBy({ token: text, alg: ALG }, key)) return bad('token_signature');
  const { iss, sub, client_id, aud, scope, jti, iat, exp, cnf } = jwt.claims;
  const jkt = (cnf as { jkt?: unknown } | undefined)?.jkt;
  const scopes = parseScope(scope);
  const isOurs =
    iss === issuer && isClientId(client_id) && sub === client_id && typeof aud === 'string' && isJti(jti);
  if (!isOurs || !scopes || !isTime(iat) || !isTime(exp) || typeof jkt !== 'string')
    return bad('token_claims');
  if (nowMs >= exp * 1000) return bad('token_expired');
  const token = { clientId: client_id, audience: aud, scopes, jti, jkt, issuedAtS: iat, expiresAtS: exp };
  return { ok: true, token };
}
