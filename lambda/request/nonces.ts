/** Issues nonces for this Region and this ledger, and finds the key that one was issued with. */
import type { KeyObject } from 'node:crypto';
import { type KeysetKey, keyBytes, verificationKey } from '../../protocol/keyset.ts';
import { deriveNonceKey, mintNonce } from '../../protocol/nonce.ts';
import { Unavailable } from '../adapters/unavailable.ts';
import type { KeysetCache } from './keyset-cache.ts';

export interface NoncesOptions {
  readonly keyset: KeysetCache;
  readonly region: string;
  /** The table that used nonces are written to: it is part of the key. */
  readonly ledgerTable: string;
  readonly lifeMs: number;
  readonly nowMs: () => number;
}

export class Nonces {
  readonly #options: NoncesOptions;
  // By the key object, which a refresh replaces: a key is derived once per copy of the keyset.
  readonly #derived = new WeakMap<KeysetKey, KeyObject>();

  constructor(options: NoncesOptions) {
    this.#options = options;
  }

  /** @throws Unavailable where no key is held that may sign */
  async issue(clientId: string, count = 1): Promise<{ nonces: string[]; lifeMs: number }> {
    const { keyset, region, nowMs } = this.#options;
    const issuedMs = nowMs();
    const key = await keyset.signingKey(issuedMs);
    if (!key) throw new Unavailable('keyset nonce');
    // Beyond either its key verifies nothing, whatever it says of itself.
    const keyLeftMs = (key.retires_at ?? Number.POSITIVE_INFINITY) - issuedMs;
    const lifeMs = Math.min(this.#options.lifeMs, key.max_life, keyLeftMs);
    const content = { kid: key.kid, key: this.#derive(key), region, issuedMs, lifeMs, clientId };
    return { nonces: Array.from({ length: count }, () => mintNonce(content)), lifeMs };
  }

  /** @returns the MAC key that `kid` names, or undefined @throws Unavailable */
  async verificationKey(kid: string): Promise<KeyObject | undefined> {
    const { keyset, nowMs } = this.#options;
    const key =
      verificationKey(await keyset.current(), kid, nowMs()) ??
      verificationKey(await keyset.refreshed(), kid, nowMs());
    return key && this.#derive(key);
  }

  #derive(key: KeysetKey): KeyObject {
    let derived = this.#derived.get(key);
    if (!derived) {
      derived = deriveNonceKey(keyBytes(key), this.#options.region, this.#options.ledgerTable);
      this.#derived.set(key, derived);
    }
    return derived;
  }
}
