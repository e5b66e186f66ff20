/**
 * Signatures of Standard Webhooks 1.0.0: `v1` is HMAC-SHA256 with a secret that both sides have, `v1a` is
 * Ed25519. Only WebCrypto is used, so this also runs where there is no Node.
 */

import { base64url, type JWK } from 'jose';

export type SignatureVersion = 'v1' | 'v1a';

export interface Signature {
  readonly version: SignatureVersion;
  readonly bytes: Uint8Array;
}

/** A key for signatures of one version. */
export interface SignatureKey {
  readonly version: SignatureVersion;
  readonly key: CryptoKey;
}

/** A sender makes a signature for each key that overlaps. Each costs a verification, so few are looked at. */
const MOST_SIGNATURES = 8;
/** DER of an Ed25519 private key, before its 32 bytes. */
const PRIVATE_KEY_PREFIX = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/** @returns the bytes that are signed: `<id>.<timestamp>.<body>` */
export function signedContent(id: string, timestampS: number, body: Uint8Array): Uint8Array {
  const head = new TextEncoder().encode(`${id}.${timestampS}.`);
  const content = new Uint8Array(head.length + body.length);
  content.set(head);
  content.set(body, head.length);
  return content;
}

/** A key as text: its version, and what it may do. */
interface KeyForm {
  readonly version: SignatureVersion;
  readonly usages: readonly KeyUsage[];
  /** @returns whether a key may have this many bytes */
  readonly fits: (bytes: number) => boolean;
}

const FORMS: Readonly<Record<string, KeyForm>> = {
  // The specification's bounds for a secret.
  whsec: { version: 'v1', usages: ['sign', 'verify'], fits: (bytes) => bytes >= 24 && bytes <= 64 },
  whpk: { version: 'v1a', usages: ['verify'], fits: (bytes) => bytes === 32 },
  // Of 64 bytes the last 32 are the public key.
  whsk: { version: 'v1a', usages: ['sign'], fits: (bytes) => bytes === 32 || bytes === 64 },
};

/**
 * @param text `whsec_…`, a secret; `whpk_…`, a public key; or `whsk_…`, a private key
 * @returns imports the key; undefined where the text has another form
 */
export function readKey(text: string): (() => Promise<SignatureKey>) | undefined {
  const [, name, encoded] = /^(whsec|whpk|whsk)_(.+)$/.exec(text) ?? [];
  const form = FORMS[name ?? ''];
  const bytes = decodeBase64(encoded ?? '');
  if (!form || !bytes || !form.fits(bytes.length)) return undefined;
  const { version, usages } = form;
  return async () => ({
    version,
    key:
      name === 'whsk'
        ? await crypto.subtle.importKey('pkcs8', privateKeyDer(bytes), 'Ed25519', false, usages)
        : await crypto.subtle.importKey('raw', bytes, ALGORITHMS[version], false, usages),
  });
}

/** @param jwk a private Ed25519 key */
export async function readPrivateJwk(jwk: JWK): Promise<SignatureKey> {
  const { kty, crv, x, d } = jwk;
  const key = await crypto.subtle.importKey('jwk', { kty, crv, x, d } as JsonWebKey, 'Ed25519', false, [
    'sign',
  ]);
  return { version: 'v1a', key };
}

/** @param jwk an Ed25519 key, public or private @returns `whpk_…`, its public half */
export const publicKeyText = ({ x }: JWK): string => `whpk_${encodeBase64(base64url.decode(x as string))}`;

const ALGORITHMS = { v1: { name: 'HMAC', hash: 'SHA-256' }, v1a: { name: 'Ed25519' } } as const;

/** @returns an Ed25519 private key as WebCrypto takes it (RFC 8410, section 7) */
const privateKeyDer = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  Uint8Array.from([...PRIVATE_KEY_PREFIX, ...bytes.subarray(0, 32)]);

/** @returns the signature as it stands in `webhook-signature` */
export async function sign({ version, key }: SignatureKey, content: Uint8Array): Promise<string> {
  const bytes = await crypto.subtle.sign(key.algorithm.name, key, content as BufferSource);
  return `${version},${encodeBase64(new Uint8Array(bytes))}`;
}

/** Whether one of the signatures is by the key. WebCrypto compares an HMAC in constant time. */
export async function verifies(
  { version, key }: SignatureKey,
  content: Uint8Array,
  signatures: readonly Signature[],
): Promise<boolean> {
  for (const { version: ofSignature, bytes } of signatures) {
    if (ofSignature !== version) continue;
    const { name } = key.algorithm;
    if (await crypto.subtle.verify(name, key, bytes as BufferSource, content as BufferSource)) return true;
  }
  return false;
}

/** @returns the signatures of a header, without those of another version or form */
export function readSignatures(header: string): Signature[] {
  return header
    .split(' ', MOST_SIGNATURES)
    .map((text) => text.split(','))
    .flatMap(([version, encoded, ...more]) => {
      const bytes = encoded ? decodeBase64(encoded) : undefined;
      const known = version === 'v1' || version === 'v1a';
      return known && bytes && more.length === 0 ? [{ version, bytes }] : [];
    });
}

const encodeBase64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));

/** @returns the bytes; undefined where the text is not canonical base64 with its padding (RFC 4648 §4) */
function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  let bytes: string;
  try {
    bytes = atob(text);
  } catch {
    return undefined;
  }
  return btoa(bytes) === text ? Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)) : undefined;
}
