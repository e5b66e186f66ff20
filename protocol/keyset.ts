/**
 * A keyset: the platform's keys of one purpose. The clock alone decides which key signs and which keys
 * verify, so no step has to happen at the right moment (docs/key-life-cycle.md, "A timeline"). Times are
 * epoch milliseconds.
 */
import { randomBytes } from 'node:crypto';
import type { JWK } from 'jose';
import { decodeBase64url } from './bytes.ts';
import { isJsonObject } from './json.ts';
import { isOfKind, type KeyAlgorithm } from './key-material.ts';

/**
 * The format that this release writes. Readers take the members they know of a newer one. Writers refuse a
 * newer one: they would drop the other members.
 */
export const FORMAT_VERSION = 1;

export interface KeysetKey {
  /** 4 bytes in base64url. */
  readonly kid: string;
  readonly alg: KeyAlgorithm;
  readonly jwk: JWK;
  readonly activates_at: number;
  /** Null for the newest. */
  readonly retires_at: number | null;
  /**
   * Longest life, in milliseconds, of what it signs, a verifier's leeway included. Fixed when the key is
   * made.
   */
  readonly max_life: number;
  /** Its key and version in Vault; null for a key that Vault did not make. */
  readonly vault: { readonly key: string; readonly version: number } | null;
}

export interface Keyset {
  /** The version of the format; a secret without it has 1. */
  readonly version: number;
  /** Counts versions: a copy with a lower number never replaces one with a higher. */
  readonly seq: number;
  /** The secret's version that this one was made from. */
  readonly based_on: string | null;
  /** Kids that neither sign nor verify at any time. */
  readonly revoked: readonly string[];
  /** Fingerprints of revoked keys, so that none comes back under another kid. Readers do not use them. */
  readonly fingerprints: readonly string[];
  readonly keys: readonly KeysetKey[];
}

/**
 * Reads a secret's text. A stack creates the secret with `{"keys":[]}`, a keyset without keys.
 *
 * @param alg the algorithm that each key must have; default: the one that the key names
 * @throws SyntaxError where it is not a keyset; the message names the member and holds no value
 */
export function parseKeyset(text: string, alg?: KeyAlgorithm): Keyset {
  const value = parseObject(text);
  const { version = 1, seq = 0, based_on = null, revoked = [], fingerprints = [], keys } = value;
  if (!Number.isSafeInteger(version) || (version as number) < 1)
    throw new SyntaxError('keyset: version is not a positive integer');
  if (!Number.isSafeInteger(seq)) throw new SyntaxError('keyset: seq is not an integer');
  if (based_on !== null && typeof based_on !== 'string') throw new SyntaxError('keyset: based_on is no text');
  if (!Array.isArray(revoked) || !revoked.every((kid) => typeof kid === 'string'))
    throw new SyntaxError('keyset: revoked is not a list of kids');
  if (!Array.isArray(fingerprints) || !fingerprints.every((each) => typeof each === 'string'))
    throw new SyntaxError('keyset: fingerprints is not a list of texts');
  if (!Array.isArray(keys)) throw new SyntaxError('keyset: keys is not a list');
  const read = keys.map((key) => readKey(key, alg));
  if (new Set(read.map((key) => key.kid)).size !== read.length)
    throw new SyntaxError('keyset: a kid occurs twice');
  return { version: version as number, seq: seq as number, based_on, revoked, fingerprints, keys: read };
}

/**
 * @returns the key to sign with at `nowMs`: the latest active one, else the earliest; undefined where there
 * is none
 */
export function signingKey(keyset: Keyset, nowMs: number): KeysetKey | undefined {
  let active: KeysetKey | undefined;
  let earliest: KeysetKey | undefined;
  for (const key of verificationKeys(keyset, nowMs)) {
    if (key.activates_at <= nowMs && (!active || key.activates_at > active.activates_at)) active = key;
    if (!earliest || key.activates_at < earliest.activates_at) earliest = key;
  }
  return active ?? earliest;
}

/**
 * @returns the keys that verify at `nowMs`: neither retired nor revoked, and also those that do not sign yet
 */
export function verificationKeys(keyset: Keyset, nowMs: number): KeysetKey[] {
  return keyset.keys.filter(
    (key) => (key.retires_at === null || key.retires_at > nowMs) && !keyset.revoked.includes(key.kid),
  );
}

/** @returns the verifying key that `kid` names, or undefined */
export function verificationKey(keyset: Keyset, kid: string, nowMs: number): KeysetKey | undefined {
  return verificationKeys(keyset, nowMs).find((key) => key.kid === kid);
}

/**
 * The state of a key: `next` is published and verifies, `current` signs, `previous` verifies what it signed.
 */
export type KeyState = 'next' | 'current' | 'previous' | 'retired' | 'revoked';

/** @returns the state at `nowMs` of a key of the keyset */
export function keyState(keyset: Keyset, key: KeysetKey, nowMs: number): KeyState {
  if (keyset.revoked.includes(key.kid)) return 'revoked';
  if (key.retires_at !== null && key.retires_at <= nowMs) return 'retired';
  if (signingKey(keyset, nowMs)?.kid === key.kid) return 'current';
  return key.activates_at > nowMs ? 'next' : 'previous';
}

/** @returns the copy to keep of two: the one with the higher `seq`, the candidate where they are equal */
export const newerKeyset = (held: Keyset | undefined, candidate: Keyset): Keyset =>
  held && held.seq > candidate.seq ? held : candidate;

/**
 * A verifier refuses everything that its key does not outlive; so nothing is made to live longer than its key
 * verifies.
 *
 * @returns `lifeMs`, or less: the life of what is signed with the key at `nowMs`
 */
export function lifeWithin(key: KeysetKey, lifeMs: number, nowMs: number): number {
  const keyLeftMs = (key.retires_at ?? Number.POSITIVE_INFINITY) - nowMs;
  return Math.min(lifeMs, key.max_life, keyLeftMs);
}

/** @returns what anybody may know of a keyset: member by member, so that no other member gets out */
export const publicHalf = ({ version, seq, revoked, keys }: Keyset): Keyset => ({
  ...{ version, seq, based_on: null, revoked, fingerprints: [] },
  keys: keys.map(({ kid, alg, jwk: { kty, crv, x, y }, activates_at, retires_at, max_life }) => ({
    ...{ kid, alg, activates_at, retires_at, max_life, vault: null },
    jwk: { kty, crv, x, ...(y !== undefined && { y }) } as JWK,
  })),
});

/** @returns a symmetric key's bytes */
export function keyBytes(key: KeysetKey): Buffer {
  return Buffer.from(key.jwk.k as string, 'base64url');
}

/** @returns a kid that no key and no revoked key of the keyset has */
export function freshKid({ keys, revoked }: Pick<Keyset, 'keys' | 'revoked'>): string {
  for (;;) {
    const kid = randomBytes(4).toString('base64url');
    if (!revoked.includes(kid) && !keys.some((key) => key.kid === kid)) return kid;
  }
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // V8's message quotes the text, which holds keys.
    throw new SyntaxError('keyset: not JSON');
  }
  if (!isJsonObject(value)) throw new SyntaxError('keyset: not an object');
  return value;
}

function readKey(key: unknown, expected?: KeyAlgorithm): KeysetKey {
  if (!isJsonObject(key)) throw new SyntaxError('keyset: a key is not an object');
  const { kid, alg, jwk, activates_at, retires_at, max_life, vault = null } = key;
  if (typeof kid !== 'string' || decodeBase64url(kid)?.length !== 4)
    throw new SyntaxError('keyset: a kid is not 4 bytes of base64url');
  if (!isAlgorithm(alg)) throw new SyntaxError(`keyset: alg of ${kid} is not known`);
  if (expected !== undefined && alg !== expected)
    throw new SyntaxError(`keyset: alg of ${kid} is ${alg}, not ${expected}`);
  if (!isJsonObject(jwk)) throw new SyntaxError(`keyset: jwk of ${kid} is not an object`);
  if (!isOfKind(jwk, alg)) throw new SyntaxError(`keyset: jwk of ${kid} is no whole ${alg} key`);
  if (!Number.isFinite(activates_at)) throw new SyntaxError(`keyset: activates_at of ${kid} is no time`);
  if (retires_at !== null && !Number.isFinite(retires_at))
    throw new SyntaxError(`keyset: retires_at of ${kid} is no time`);
  if (!Number.isFinite(max_life) || (max_life as number) <= 0)
    throw new SyntaxError(`keyset: max_life of ${kid} is no duration`);
  return { kid, alg, jwk, activates_at, retires_at, max_life, vault } as KeysetKey;
}

const isAlgorithm = (alg: unknown): alg is KeyAlgorithm =>
  alg === 'HKDF-SHA-256' || alg === 'ES256' || alg === 'Ed25519';
