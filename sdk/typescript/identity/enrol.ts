/**
 * Registers a new key by the platform's identity token (RFC 7591 with RFC 9449). The key is made here and
 * never leaves this process: it cannot be exported, and nothing writes it anywhere.
 */
import { base64url, calculateJwkThumbprint, exportJWK, type JWK, SignJWT } from 'jose';
import { isClientId } from '../../../protocol/client-id.ts';
import { abortable } from '../abort.ts';
import { createSigner, type Signer } from '../credential.ts';
import { CountersignError, EnrolmentError } from '../errors.ts';
import { type Answer, type Request, requestIdOf, unexpectedAnswer } from '../http.ts';
import type { ReadyAt } from '../keys.ts';
import type { IdentitySource } from './source.ts';

export interface EnrolOptions {
  readonly source: IdentitySource;
  readonly exchange: (request: Request, signals: readonly AbortSignal[]) => Promise<Answer>;
  /** Each ends it when it aborts. */
  readonly signals: readonly AbortSignal[];
}

export interface EnrolledSigner {
  readonly signer: Signer;
  readonly endsAtMs: number;
}

/** @throws CountersignError, or the reason of a signal that aborts */
export async function enrol(
  { source, exchange, signals }: EnrolOptions,
  { issuer, url, nowS }: ReadyAt,
): Promise<EnrolledSigner> {
  const pair = (await crypto.subtle.generateKey(ES256, false, ['sign', 'verify'])) as CryptoKeyPair;
  const { kty, crv, x, y } = await exportJWK(pair.publicKey);
  const jwk = { kty, crv, x, y } as JWK;
  const kid = await calculateJwkThumbprint(jwk);
  const token = await identityToken(source, `${issuer}/keys/${kid}`, signals);
  const path = '/v1/oauth/register';
  const body = new TextEncoder().encode(
    JSON.stringify({
      jwks: { keys: [{ ...jwk, alg: 'ES256' }] },
      token_endpoint_auth_method: 'private_key_jwt',
    }),
  );

  const ask = async (nonce: string | null): Promise<Answer> => {
    const proof = await new SignJWT({
      jti: base64url.encode(crypto.getRandomValues(new Uint8Array(16))),
      htm: 'POST',
      htu: url + path,
      ath: await sha256(new TextEncoder().encode(token)),
      fingerprint: await sha256(body),
      ...(nonce !== null && { nonce }),
    })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
      .setIssuedAt(Math.floor(nowS))
      .sign(pair.privateKey);
    const headers = { Authorization: `DPoP ${token}`, DPoP: proof, 'Content-Type': 'application/json' };
    return exchange({ method: 'POST', url: url + path, headers, body }, signals);
  };
  // The first answer brings the nonce: a Region issues it to whoever asks.
  const first = await ask(null);
  const answer = errorOf(first) === 'use_dpop_nonce' ? await ask(first.headers.get('DPoP-Nonce')) : first;
  const { clientId, endsAtMs } = readEnrolled(answer, kid);
  return { signer: createSigner({ clientId, privateKey: pair.privateKey, kid }), endsAtMs };
}

const ES256 = { name: 'ECDSA', namedCurve: 'P-256' };

/** Whatever a platform says stays out of the message: it may quote the token. */
async function identityToken(
  source: IdentitySource,
  audience: string,
  signals: readonly AbortSignal[],
): Promise<string> {
  const ended = new AbortController();
  try {
    const token = await abortable(Promise.resolve(source({ audience, signal: ended.signal })), signals);
    if (typeof token === 'string' && token !== '') return token;
    throw new TypeError('no token');
  } catch (error) {
    for (const signal of signals) signal.throwIfAborted();
    if (error instanceof CountersignError) throw error;
    throw new EnrolmentError({ message: 'the platform gives this workload no identity token', cause: error });
  } finally {
    ended.abort();
  }
}

function readEnrolled(answer: Answer, kid: string): { readonly clientId: string; readonly endsAtMs: number } {
  const { status, json, origin } = answer;
  if (status !== 201) {
    const error = errorOf(answer);
    if (error === undefined) throw unexpectedAnswer(answer);
    const message = `${origin} does not enrol this workload: ${MEANINGS[error] ?? error}`;
    throw new EnrolmentError({ message, status, error, requestId: requestIdOf(answer.headers) });
  }
  const { client_id, jwks } = (json ?? {}) as { client_id?: unknown; jwks?: { keys?: unknown } };
  const keys = Array.isArray(jwks?.keys) ? (jwks.keys as { kid?: unknown; exp?: unknown }[]) : [];
  const exp = keys.find((key) => key?.kid === kid)?.exp;
  if (!isClientId(client_id) || typeof exp !== 'number') throw unexpectedAnswer(answer);
  return { clientId: client_id, endsAtMs: exp * 1000 };
}

const MEANINGS: Readonly<Record<string, string>> = {
  invalid_token: 'no policy takes its identity token',
  access_denied: 'an operator disabled its client',
  temporarily_unavailable: 'a part of the service cannot be reached',
};

/** @returns `error` of an OAuth error (RFC 6749 §5.2), or undefined */
function errorOf({ status, json }: Answer): string | undefined {
  const { error } = (json ?? {}) as { error?: unknown };
  return status >= 400 && typeof error === 'string' && /^[a-z_]{1,64}$/.test(error) ? error : undefined;
}

const sha256 = async (data: Uint8Array): Promise<string> =>
  base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', data as BufferSource)));
