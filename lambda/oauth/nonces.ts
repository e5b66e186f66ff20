/** The nonces of DPoP (RFC 9449 §8), which may be used again while they live. */
import type { KeyObject } from 'node:crypto';
import { DPOP_CLIENT } from '../../protocol/oauth/dpop.ts';
import { Unavailable } from '../adapters/call.ts';
import type { Nonces } from '../request/nonces.ts';

export class DpopNonces {
  readonly #nonces: Nonces;

  /** @param nonces whose life is `dpopNonceLifeMs` */
  constructor(nonces: Nonces) {
    this.#nonces = nonces;
  }

  /** @returns the headers of an answer with a nonce. An answer does not fail if no key can make one */
  async headers(): Promise<Record<string, string>> {
    try {
      const { nonces } = await this.#nonces.issue(DPOP_CLIENT);
      return { 'DPoP-Nonce': nonces[0], 'Cache-Control': 'no-store' };
    } catch (error) {
      if (error instanceof Unavailable) return {};
      throw error;
    }
  }

  /** @throws Unavailable */
  verificationKey(kid: string): Promise<KeyObject | undefined> {
    return this.#nonces.verificationKey(kid);
  }
}
