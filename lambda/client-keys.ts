/** What verifies a client's signatures: its API key, derived from the client root, or the public key it brought. */
import { importJWK } from 'jose';
import { deriveApiKey } from '../protocol/api-key.ts';
import type { ClientKey, ClientRecord } from '../protocol/client.ts';
import { type KeysetKey, keyBytes, verificationKey } from '../protocol/keyset.ts';
import type { KeyMaterial } from '../protocol/proof/signature.ts';
import type { KeysetCache } from './adapters/keyset-cache.ts';

export class ClientKeys {
  readonly #roots: KeysetCache;
  readonly #nowMs: () => number;
  // By the key object of a cached record, so that it goes when the record does.
  readonly #imported = new WeakMap<ClientKey, KeyMaterial>();

  constructor(roots: KeysetCache, nowMs: () => number) {
    this.#roots = roots;
    this.#nowMs = nowMs;
  }

  /** @returns the key, or undefined where the client root it comes from is gone @throws Unavailable */
  async material(client: ClientRecord, key: ClientKey): Promise<KeyMaterial | undefined> {
    // Each time: a root that was revoked takes its keys with it at once, whatever was made of it before.
    const root = key.rootKid === null ? undefined : await this.#root(key.rootKid);
    if (key.rootKid !== null && !root) return undefined;
    const held = this.#imported.get(key);
    if (held) return held;
    const material = root ? await apiKey(root, client, key) : await importJWK(key.jwk!, key.alg);
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

function apiKey(root: KeysetKey, { clientId, salt, profile }: ClientRecord, key: ClientKey) {
  const text = deriveApiKey({ root: keyBytes(root), salt, clientId, generation: Number(key.kid), profile });
  // Imported once: jose imports raw bytes anew at each verification.
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  return crypto.subtle.importKey('raw', Buffer.from(text, 'utf8'), algorithm, false, ['verify']);
}
