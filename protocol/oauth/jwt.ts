/** JSON Web Tokens as OAuth uses them: compact JWS alone, of one spelling (RFC 7515 §3.1, RFC 8725 §3). */
import { createHash, type KeyObject, sign } from 'node:crypto';
import { decodeBase64url, lengthPrefixed } from '../bytes.ts';
import { isJsonObject, parseJson } from '../json.ts';
import { isSignedBy } from '../proof/signature.ts';

/** The algorithms of clients. `EdDSA` stands for Ed25519 in libraries that know only that name. */
export const CLIENT_ALGORITHMS = ['ES256', 'Ed25519', 'EdDSA'] as const;
export type ClientAlgorithm = (typeof CLIENT_ALGORITHMS)[number];

/** A token in its form. Nothing in it is trusted. */
export interface Jwt {
  readonly text: string;
  /** As it is spelled in the token. */
  readonly headerText: string;
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
}

// Members that no check names are ignored, so they may have any depth: the token's size bounds it.
const JWT_JSON = { maxDepth: Number.POSITIVE_INFINITY, refuseProto: false };

/**
 * @returns undefined where the text is no compact JWS of one spelling whose header and claims are objects, or
 * where it has an extension that must be understood (`crit`): none is
 */
export function parseJwt(text: string): Jwt | undefined {
  const parts = text.split('.');
  if (parts.length !== 3) return undefined;
  const [headerText, claimsText, signatureText] = parts as [string, string, string];
  const header = jsonObject(headerText);
  const claims = jsonObject(claimsText);
  if (!header || !claims || !decodeBase64url(signatureText) || 'crit' in header) return undefined;
  return { text, headerText, header, claims };
}

function jsonObject(part: string): Record<string, unknown> | undefined {
  const bytes = decodeBase64url(part);
  const value = bytes && parseJson(bytes, JWT_JSON)?.value;
  return isJsonObject(value) ? value : undefined;
}

/** Whether a key of a client has signed it. A key has one algorithm, whatever the header says. */
export function isJwtSignedBy({ text, header }: Jwt, key: KeyObject): boolean {
  const alg = CLIENT_ALGORITHMS.find((known) => known === header.alg);
  return alg !== undefined && fits(alg, key) && isSignedBy({ token: text, alg }, key);
}

/** Whether a public key is one of the algorithm. */
export const fits = (
  alg: ClientAlgorithm,
  { asymmetricKeyType, asymmetricKeyDetails }: KeyObject,
): boolean =>
  alg === 'ES256'
    ? asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1'
    : asymmetricKeyType === 'ed25519';

/** @param key private, of P-256 @returns a compact JWS with ES256 (RFC 7518 §3.4) */
export function signEs256(header: object, claims: object, key: KeyObject): string {
  const [head, body] = [header, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  );
  const input = `${head}.${body}`;
  const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

/** Whether a claim is a NumericDate (RFC 7519 §2), in seconds. */
export const isTime = (value: unknown): value is number => Number.isFinite(value);

/** The longest `jti` that is taken. */
const LONGEST_JTI = 512;

export const isJti = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= LONGEST_JTI;

/**
 * What the ledger remembers of a token that may be used once. The label of its kind keeps it apart from
 * nonces and from other kinds.
 */
export const usedOnceKey = (label: string, ...parts: readonly string[]): string =>
  createHash('sha256')
    .update(lengthPrefixed(label, ...parts))
    .digest('base64url');
