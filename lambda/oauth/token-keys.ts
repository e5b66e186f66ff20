/** Keys as Node signs and verifies with them: the platform's, of access tokens, and those of clients. */
import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import type { ClientKey } from '../../protocol/client.ts';
import { type KeysetKey, verificationKey } from '../../protocol/keyset.ts';
import type { KeysetCache } from '../request/keyset-cache.ts';

type Key = Pick<KeysetKey | ClientKey, 'jwk'>;

/** By the key object, which a refresh replaces: each copy of a keyset or client imports a key once. */
function importer(create: (input: { key: JsonWebKey; format: 'jwk' }) => KeyObject) {
  const held = new WeakMap<Key, KeyObject>();
  return (key: Key): KeyObject => {
    const known = held.get(key) ?? create({ key: key.jwk as JsonWebKey, format: 'jwk' });
    held.set(key, known);
    return known;
  };
}

/** @returns a function that imports the private half of a key */
export const privateKeys = (): ((key: KeysetKey) => KeyObject) => importer(createPrivateKey);

/** @returns a function that imports the public key that a client brought */
export const clientPublicKeys = (): ((key: ClientKey) => KeyObject) => importer(createPublicKey);

/** @returns a function that finds the public half of the key that a `kid` names. It throws Unavailable */
export function publicKeys(
  keyset: KeysetCache,
  nowMs: () => number,
): (kid: string) => Promise<KeyObject | undefined> {
  const publicKey = importer(createPublicKey);
  return async (kid) => {
    const key =
      verificationKey(await keyset.current(), kid, nowMs()) ??
      verificationKey(await keyset.refreshed(), kid, nowMs());
    return key && publicKey(key);
  };
}
