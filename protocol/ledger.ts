/**
 * Check 10 (ledger): the transition that the one conditional put into the table of used nonces carries out.
 */
import type { NonceContent } from './nonce.ts';

export interface LedgerRecord {
  /**
   * A random token of the invocation that wrote the row: a retry after an unclear answer recognises its own
   * write, and no other.
   */
  readonly w: string;
}

/** Rows outlive their nonce by this much. TTL may delete later, never earlier. */
const MARGIN_MS = 15 * 60 * 1000;

/** @returns whether the invocation with token `w` consumes the nonce, given the nonce's row */
export const consumes = (stored: LedgerRecord | undefined, w: string): boolean =>
  stored === undefined || stored.w === w;

/** @returns when the row may be deleted: 15 minutes after the nonce's life, in epoch seconds */
export const ledgerTtlS = (nonce: Pick<NonceContent, 'issuedMs' | 'lifeMs'>): number =>
  Math.ceil((nonce.issuedMs + nonce.lifeMs + MARGIN_MS) / 1000);
