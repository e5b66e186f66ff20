/** Issues nonces for this Region and this ledger, and finds the key of a nonce. */
import type { KeyObject } from 'node:crypto';
import { type KeysetKey, keyBytes, lifeWithin, verificationKey } from '../../protocol/keyset.ts';
import { deriveNonceKey, mintNonce } from '../../protocol/nonce.ts';
import { Unavailable } from '../adapters/call.ts';
import type { KeysetCache } from './keyset-cache.ts';

export interface NoncesOptions {
  readonly keyset: KeysetCache;
  readonly region: string;
  /** The table of used nonces: its name is part of the key's derivation. */
  readonly ledgerTable: string;
  readonly nonceLifeMs: number;
  readonly nowMs: () => number;
}

export interface Issued {
  readonly nonces: readonly [string, ...string[]];
  readonly nonceLifeMs: number;
}

export class Nonces {
  readonly #options: NoncesOptions;
  // By the key object, which a refresh replaces: each copy of the keyset derives a key once.
  readonly #derived = new WeakMap<KeysetKey, KeyObject>();

  constructor(options: NoncesOptions) {
    this.#options = options;
  }

  /** @throws Unavailable where no key may sign */
  async issue(clientId: string, count = 1): Promise<Issued> {
    const { keyset, region, nowMs } = this.#options;
    const issuedMs = nowMs();
    const key = await keyset.signingKey(issuedMs);
    if (!key) throw new Unavailable('keyset nonce');
    const nonceLifeMs = lifeWithin(key, this.#options.nonceLifeMs, issuedMs);
    const content = { kid: key.kid, key: this.#derive(key), region, issuedMs, lifeMs: nonceLifeMs, clientId };
    const mint = () => mintNonce(content);
    return { nonces: [mint(), ...Array.from({ length: count - 1 }, mint)], nonceLifeMs };
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
