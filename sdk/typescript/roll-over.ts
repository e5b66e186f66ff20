/** Asks the platform for the client's next key (docs/protocol.md, "Key roll-over"). */
import { calculateJwkThumbprint, compactDecrypt, exportJWK, SignJWT } from 'jose';
import type { Caller } from './caller.ts';
import { type Credential, createSigner, type Signer } from './credential.ts';
import { UnexpectedAnswerError } from './errors.ts';
import type { Answer } from './http.ts';
import type { Keys, RotatedKey } from './keys.ts';

export interface RollOverOptions {
  readonly caller: Pick<Caller, 'call'>;
  readonly keys: Keys;
  readonly onKeyRotated: ((key: RotatedKey) => void | Promise<void>) | undefined;
  readonly now: () => number;
}

/** After a failure the next try waits for this long. */
const COOLDOWN_MS = 3_600_000;

/**
 * @returns a function for each answer that names the end of the key that signed: it gets the next key in the
 * background, once
 */
export function createRollOver({
  caller,
  keys,
  onKeyRotated,
  now,
}: RollOverOptions): (signer: Signer) => void {
  let notBeforeMs = Number.NEGATIVE_INFINITY;

  async function run(current: Signer): Promise<void> {
    const next =
      current.profile === 'api-key' ? await apiKey(caller, current) : await keyPair(caller, current);
    // First the callback: a key that is in use must not be lost where this process ends.
    await onKeyRotated?.(next);
    keys.follow(createSigner(next.credential), next.usableAt.getTime());
  }

  return (signer) => {
    const { profile } = signer;
    // The private half of a new pair is here alone: somebody must keep it.
    if (profile === 'basic' || (profile === 'key-pair' && !onKeyRotated)) return;
    if (!keys.asksWith(signer) || now() < notBeforeMs) return;
    notBeforeMs = now() + COOLDOWN_MS;
    run(signer).catch(() => {});
  };
}

type CallerOf = Pick<Caller, 'call'>;

async function apiKey(caller: CallerOf, current: Signer): Promise<RotatedKey> {
  const { kid, jwe, ...times } = await caller.call({
    ...{ method: 'POST', path: '/v1/keys', signer: current },
    body: new TextEncoder().encode('{}'),
    read: (answer) => readNextKey(answer, true),
  });
  const key = await current.derive(rollOverInfo(current.clientId, kid));
  const { plaintext } = await compactDecrypt(jwe, key, {
    keyManagementAlgorithms: ['dir'],
    contentEncryptionAlgorithms: ['A256GCM'],
  });
  return { ...times, kid, credential: { apiKey: new TextDecoder().decode(plaintext) } };
}

async function keyPair(caller: CallerOf, current: Signer): Promise<RotatedKey> {
  const alg = current.alg === 'EdDSA' ? 'Ed25519' : current.alg;
  const algorithm = alg === 'ES256' ? { name: 'ECDSA', namedCurve: 'P-256' } : { name: 'Ed25519' };
  const { privateKey, publicKey } = (await crypto.subtle.generateKey(algorithm, true, [
    'sign',
    'verify',
  ])) as CryptoKeyPair;
  const { kty, crv, x, y } = await exportJWK(publicKey);
  const jwk = { kty: kty!, crv: crv!, x: x!, ...(y !== undefined && { y }), alg: current.alg };
  const kid = await calculateJwkThumbprint(jwk);
  const old = await current.kid();
  const { clientId } = current;
  const read = await caller.call({
    ...{ method: 'POST', path: '/v1/keys', signer: current },
    body: async ({ issuer, nonce, nowS }) => {
      const possession = await new SignJWT({ nonce, old })
        .setProtectedHeader({ alg: current.alg, typ: 'countersign-possession+jwt' })
        .setIssuer(clientId)
        .setAudience(issuer)
        .setIssuedAt(Math.floor(nowS))
        .sign(privateKey);
      return new TextEncoder().encode(JSON.stringify({ jwk, possession }));
    },
    read: (answer) => readNextKey(answer, false),
  });
  const { usableAt, expiresAt } = read;
  const credential: Credential = {
    clientId,
    privateKey: { ...(await exportJWK(privateKey)), alg: current.alg },
    kid,
  };
  return { credential, kid, usableAt, expiresAt };
}

interface NextKey {
  readonly kid: string;
  readonly usableAt: Date;
  readonly expiresAt: Date;
  /** Empty for a public key. */
  readonly jwe: string;
}

function readNextKey({ asked, status, json }: Answer, sealed: boolean): NextKey {
  const { kid, usable_at, expires_at, api_key_jwe } = (json ?? {}) as Record<string, unknown>;
  const [usableAt, expiresAt] = [usable_at, expires_at].map((time) => new Date(String(time)));
  const complete =
    typeof kid === 'string' &&
    /^([1-9]\d{0,8}|[\w-]{43})$/.test(kid) &&
    ![usableAt!, expiresAt!].some((time) => Number.isNaN(time.getTime())) &&
    (!sealed || typeof api_key_jwe === 'string');
  if (!complete) throw new UnexpectedAnswerError(asked, status);
  return { kid, usableAt: usableAt!, expiresAt: expiresAt!, jwe: sealed ? (api_key_jwe as string) : '' };
}

/** LP(x) of each part: 2-byte big-endian length, then the UTF-8 bytes. */
function rollOverInfo(clientId: string, kid: string): Uint8Array {
  const parts = ['countersign/key-roll-over/v1', clientId, kid].map((text) => new TextEncoder().encode(text));
  return new Uint8Array(parts.flatMap((bytes) => [bytes.length >> 8, bytes.length & 0xff, ...bytes]));
}
