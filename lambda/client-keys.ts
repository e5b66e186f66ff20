/** What verifies a client's signatures: its API key, derived from the client root, or the public key it brought. */
import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { deriveApiKey } from '../protocol/api-key.ts';
import type { ClientKey, ClientRecord } from '../protocol/client.ts';
import { type KeysetKey, keyBytes, verificationKey } from '../protocol/keyset.ts';
import type { KeysetCache } from './adapters/keyset-cache.ts';

export class ClientKeys {
  readonly #roots: KeysetCache;
  readonly #nowMs: () => number;
  // By the key object of a cached record, so that it goes when the record does.
  readonly #imported = new WeakMap<ClientKey, KeyObject>();

  constructor(roots: KeysetCache, nowMs: () => number) {
    this.#roots = roots;
    this.#nowMs = nowMs;
  }

  /** @returns the key, or undefined where the client root it comes from is gone @throws Unavailable */
  async material(client: ClientRecord, key: ClientKey): Promise<KeyObject | undefined> {
    // Each time: a root that was revoked takes its keys with it at once, whatever was made of it before.
    const root = key.rootKid === null ? undefined : await this.#root(key.rootKid);
    if (key.rootKid !== null && !root) return undefined;
    const held = this.#imported.get(key);
    if (held) return held;
    const material = root
      ? apiKey(root, client, key)
      : createPublicKey({ key: key.jwk as JsonWebKey, format: 'jwk' });
    this.#imported.set(key, material);
    return material;
  }

  async #root(kid: string): Promise<KeysetKey | undefined> {
    const now = this.#nowMs();
    return (
      verificationKey(await this.#roots.current(), kid, now) ??
      verificationKey(await this.#roots.refreshed(), kid, now)
    );
  }
}

function apiKey(root: KeysetKey, { clientId, salt, profile }: ClientRecord, { kid }: ClientKey): KeyObject {
  const text = deriveApiKey({ root: keyBytes(root), salt, clientId, generation: Number(kid), profile });
  return createSecretKey(text, 'utf8');
}
