/**
 * DPoP proofs (RFC 9449 §4.3): a client signs each request with its key. Times are not compared with the
 * proof's `iat`: the nonce, which this Region issued, proves how fresh it is (RFC 9449 §8, §11.1).
 */
import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { isJsonObject } from '../json.ts';
import { BEYOND_TOKEN_MS, checkParsed, type PresentedNonce, parseNonce } from '../nonce.ts';
import { LEEWAY_S } from '../proof/claims.ts';
import type { HttpRequest } from '../proof/request.ts';
import { isSignedBy } from '../proof/signature.ts';
import { canonicalJwk, holdsSecret } from '../public-jwk.ts';
import { type OAuthRefusal, refuseOAuth } from './error.ts';
import {
  CLIENT_ALGORITHMS,
  type ClientAlgorithm,
  fits,
  isJti,
  isTime,
  type Jwt,
  parseJwt,
  usedOnceKey,
} from './jwt.ts';

/**
 * The client that every nonce for DPoP is made for. No client has a name of this form, so such a nonce is
 * valid in DPoP proofs only, and no other nonce is valid in them.
 */
export const DPOP_CLIENT = '@dpop';

export const dpopNonceLifeMs = (tokenLifeMs: number): number => tokenLifeMs + BEYOND_TOKEN_MS;

export interface DpopContext {
  /** The routed path: the resource with its parameters filled in. */
  readonly path: string;
  /** The Region's configured base URLs: its own and the entry's. No header changes them. */
  readonly baseUrls: readonly string[];
  readonly region: string;
  readonly nowMs: number;
  /** E, in milliseconds. */
  readonly clockErrorMs: number;
  /** Whether every proof must name the body (`fingerprint`). */
  readonly bodyBinding: boolean;
  /** The token that the request carries, which the proof must name (`ath`). */
  readonly token?: string | undefined;
}

/** @returns the MAC key of this Region and ledger that `kid` names, or undefined */
export type NonceKey = (kid: string) => Promise<KeyObject | undefined>;

/** The holder of a key vouches for the request. Only the ledger knows whether the proof was used before. */
export interface VerifiedDpop {
  readonly key: KeyObject;
  /** RFC 7638, SHA-256. */
  readonly thumbprint: string;
  readonly jti: string;
  /** Whether the proof names the body. */
  readonly bindsBody: boolean;
  /** What the ledger remembers: thumbprint and `jti`, for as long as the nonce lives. */
  readonly use: PresentedNonce;
}

export type DpopRefusal = OAuthRefusal<'invalid_dpop_proof' | 'use_dpop_nonce'>;

/** Checks, in this order: form, signature, claims, nonce. */
export async function verifyDpop(
  request: Pick<HttpRequest, 'method' | 'headers' | 'body'>,
  context: DpopContext,
  nonceKey: NonceKey,
): Promise<{ readonly ok: true; readonly dpop: VerifiedDpop } | DpopRefusal> {
  const bad = (reason: string) => refuseOAuth('invalid_dpop_proof', reason);
  const [text, ...more] = request.headers.get('dpop') ?? [];
  if (text === undefined) return refuseOAuth('invalid_dpop_proof', 'dpop_missing', MISSING);
  if (more.length > 0) return bad('dpop_count');
  const proof = parseJwt(text);
  if (!proof) return bad('dpop_form');
  if (proof.header.typ !== 'dpop+jwt') return bad('dpop_typ');
  const signer = await readSigner(proof);
  if (!signer) return bad('dpop_key');
  if (!isSignedBy({ token: proof.text, alg: signer.alg }, signer.key)) return bad('dpop_signature');
  keep(proof.headerText, signer);
  const fault = faultOf(proof.claims, request, context);
  if (fault !== undefined) return bad(fault);

  const { key, thumbprint } = signer;
  const nonce = await findNonce(proof.claims.nonce, context, nonceKey);
  if (!nonce) return refuseOAuth('use_dpop_nonce', 'dpop_nonce');
  const jti = proof.claims.jti as string;
  const use = { ...nonce, text: usedOnceKey('countersign/dpop/v1', thumbprint, jti) };
  return { ok: true, dpop: { key, thumbprint, jti, bindsBody: 'fingerprint' in proof.claims, use } };
}

const MISSING = 'The request needs a header DPoP: a proof by one of the keys of the client (RFC 9449).';

interface DpopSigner {
  readonly alg: ClientAlgorithm;
  readonly key: KeyObject;
  readonly thumbprint: string;
}

/** @returns undefined where the header names no public key of an algorithm that is taken */
async function readSigner({ header, headerText }: Jwt): Promise<DpopSigner | undefined> {
  const held = SIGNERS.get(headerText);
  if (held) return held;
  const { jwk } = header;
  const alg = CLIENT_ALGORITHMS.find((known) => known === header.alg);
  if (!alg || !isJsonObject(jwk) || holdsSecret(jwk)) return undefined;
  const canonical = canonicalJwk(jwk as JsonWebKey);
  const key = canonical && createPublicKey({ key: canonical, format: 'jwk' });
  if (!key || !fits(alg, key)) return undefined;
  return { alg, key, thumbprint: await calculateJwkThumbprint(canonical as JWK, 'sha256') };
}

/** By the text of the header, which all proofs of one key share: reading a key is as slow as verifying. */
const SIGNERS = new Map<string, DpopSigner>();
const MOST_SIGNERS = 1_000;
/** Characters. */
const LONGEST_KEPT = 1_024;

/** Only the header of a proof that verifies is kept. Anybody can make one: what they use is bounded. */
function keep(headerText: string, signer: DpopSigner): void {
  if (headerText.length > LONGEST_KEPT || SIGNERS.has(headerText)) return;
  if (SIGNERS.size >= MOST_SIGNERS) SIGNERS.clear();
  SIGNERS.set(headerText, signer);
}

/** @returns the claim that does not fit, or undefined */
function faultOf(
  claims: Jwt['claims'],
  { method, body }: Pick<HttpRequest, 'method' | 'body'>,
  { path, baseUrls, nowMs, bodyBinding, token }: DpopContext,
): string | undefined {
  const { jti, htm, htu, iat, nbf, exp, ath, fingerprint } = claims;
  const nowS = nowMs / 1000;
  if (!isJti(jti)) return 'dpop_jti';
  if (htm !== method) return 'dpop_htm';
  const target = typeof htu === 'string' ? normalised(htu) : undefined;
  if (!baseUrls.some((url) => normalised(url + path) === target)) return 'dpop_htu';
  if (!isTime(iat)) return 'dpop_iat';
  // No proof needs these two. One that has them means them (RFC 7519 §4.1.4, §4.1.5).
  if (exp !== undefined && !(isTime(exp) && exp + LEEWAY_S > nowS)) return 'dpop_exp';
  if (nbf !== undefined && !(isTime(nbf) && nbf <= nowS + LEEWAY_S)) return 'dpop_nbf';
  if (token !== undefined && ath !== sha256(token)) return 'dpop_ath';
  if (fingerprint === undefined ? bodyBinding : fingerprint !== sha256(body)) return 'dpop_fingerprint';
  return undefined;
}

/**
 * A URL without query and fragment, with scheme and host in lower case and without the scheme's own port (RFC
 * 9449 §4.3, RFC 3986 §6.2.2.1, §6.2.3). The path is compared as it is written.
 *
 * @returns undefined for what is no http URL
 */
function normalised(url: string): string | undefined {
  const [, scheme, authority, path] = /^(https?):\/\/([^/?#]+)([^?#]*)/i.exec(url) ?? [];
  if (scheme === undefined || authority === undefined) return undefined;
  const known = scheme.toLowerCase();
  return `${known}://${authority.toLowerCase().replace(known === 'https' ? /:443$/ : /:80$/, '')}${path}`;
}

const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('base64url');

async function findNonce(
  text: unknown,
  { region, nowMs, clockErrorMs }: DpopContext,
  nonceKey: NonceKey,
): Promise<Omit<PresentedNonce, 'text'> | undefined> {
  const nonce = parseNonce(text);
  const key = nonce && (await nonceKey(nonce.content.kid));
  return key && checkParsed(nonce, { key, clientId: DPOP_CLIENT, region, nowMs, clockErrorMs });
}
