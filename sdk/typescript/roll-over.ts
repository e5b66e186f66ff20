/** Asks the platform for the client's next key (docs/protocol.md, "Key roll-over"). */
import { calculateJwkThumbprint, compactDecrypt, exportJWK, SignJWT } from 'jose';
import type { Caller } from './caller.ts';
import { type Credential, createSigner, type Signer } from './credential.ts';
import { CountersignError, safe } from './errors.ts';
import { type Answer, unexpectedAnswer } from './http.ts';
import type { Keys, RotatedKey } from './keys.ts';
import type { Log } from './log.ts';

export interface RollOverOptions {
  readonly caller: Pick<Caller, 'call'>;
  readonly keys: Keys;
  readonly onKeyRotated: ((key: RotatedKey) => unknown) | undefined;
  readonly log: Log;
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
  log,
  now,
}: RollOverOptions): (signer: Signer, expiresAtMs: number | undefined) => void {
  let warned = false;
  let notBeforeMs = Number.NEGATIVE_INFINITY;
  /** The platform may know it already, and would refuse another: it is offered again. */
  let pair: Promise<CryptoKeyPair> | undefined;

  async function run(current: Signer): Promise<void> {
    if (current.profile === 'key-pair') pair ??= makePair(current.alg);
    const next = pair ? await keyPair(caller, current, await pair) : await apiKey(caller, current);
    // First the callback: a key that is in use must not be lost where this process ends.
    await onKeyRotated?.(next);
    keys.follow(createSigner(next.credential), next.usableAt.getTime());
    pair = undefined;
    log('info', 'key rotated', { kid: next.kid, expiresAt: next.expiresAt.toISOString() });
  }

  return (signer, expiresAtMs) => {
    const { profile } = signer;
    if (!onKeyRotated && !warned && expiresAtMs !== undefined) {
      warned = true;
      const next =
        profile === 'basic' ? 'an operator makes the next one' : 'set onKeyRotated to keep the next one';
      log('warn', `the key ends; ${next}`, { expiresAt: new Date(expiresAtMs).toISOString() });
    }
    // The private half of a new pair is here alone: somebody must keep it.
    if (profile === 'basic' || (profile === 'key-pair' && !onKeyRotated)) return;
    if (!keys.asksWith(signer) || now() < notBeforeMs) return;
    notBeforeMs = now() + COOLDOWN_MS;
    run(signer).catch((error: unknown) => {
      // The application's own error is named, and its text is not: it may quote the key.
      const why = error instanceof CountersignError ? error.message : safe(nameOf(error));
      log('warn', `the next key is not in use: ${why}`);
    });
  };
}

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : typeof error);

type CallerOf = Pick<Caller, 'call'>;

const CALL = { method: 'POST', path: '/v1/keys', route: '/v1/keys' } as const;

async function apiKey(caller: CallerOf, current: Signer): Promise<RotatedKey> {
  const { data } = await caller.call({
    ...CALL,
    signer: current,
    body: new TextEncoder().encode('{}'),
    read: (answer) => readNextKey(answer, true),
  });
  const { kid, jwe, ...times } = data;
  const key = await current.derive(rollOverInfo(current.clientId, kid));
  const { plaintext } = await compactDecrypt(jwe, key, {
    keyManagementAlgorithms: ['dir'],
    contentEncryptionAlgorithms: ['A256GCM'],
  });
  return { ...times, kid, credential: { apiKey: new TextDecoder().decode(plaintext) } };
}

function makePair(alg: Signer['alg']): Promise<CryptoKeyPair> {
  const algorithm = alg === 'ES256' ? { name: 'ECDSA', namedCurve: 'P-256' } : { name: 'Ed25519' };
  return crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<CryptoKeyPair>;
}

async function keyPair(
  caller: CallerOf,
  current: Signer,
  { privateKey, publicKey }: CryptoKeyPair,
): Promise<RotatedKey> {
  const { kty, crv, x, y } = await exportJWK(publicKey);
  const jwk = { kty: kty!, crv: crv!, x: x!, ...(y !== undefined && { y }), alg: current.alg };
  const kid = await calculateJwkThumbprint(jwk);
  const old = await current.kid();
  const { clientId } = current;
  const { data } = await caller.call({
    ...CALL,
    signer: current,
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
  const { usableAt, expiresAt } = data;
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

function readNextKey(answer: Answer, sealed: boolean): NextKey {
  const { kid, usable_at, expires_at, api_key_jwe } = (answer.json ?? {}) as Record<string, unknown>;
  const [usableAt, expiresAt] = [usable_at, expires_at].map((time) => new Date(String(time)));
  const complete =
    typeof kid === 'string' &&
    /^([1-9]\d{0,8}|[\w-]{43})$/.test(kid) &&
    ![usableAt!, expiresAt!].some((time) => Number.isNaN(time.getTime())) &&
    (!sealed || typeof api_key_jwe === 'string');
  if (!complete) throw unexpectedAnswer(answer);
  return { kid, usableAt: usableAt!, expiresAt: expiresAt!, jwe: sealed ? (api_key_jwe as string) : '' };
}

/** LP(x) of each part: 2-byte big-endian length, then the UTF-8 bytes. */
function rollOverInfo(clientId: string, kid: string): Uint8Array {
  const parts = ['countersign/key-roll-over/v1', clientId, kid].map((text) => new TextEncoder().encode(text));
  return new Uint8Array(parts.flatMap((bytes) => [bytes.length >> 8, bytes.length & 0xff, ...bytes]));
}
