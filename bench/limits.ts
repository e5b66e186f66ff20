/**
 * The physical limit of a figure: the sum of what a registration cannot be without, measured in the same run.
 */

import type { Child } from './processes/child.ts';

/** Microseconds of processor time of one. */
export interface Unavoidable {
  /** A server that reads a request and answers. */
  readonly bare: number;
  /** The check of a proof's signature, by algorithm. */
  readonly HS256: number;
  readonly ES256: number;
  readonly Ed25519: number;
  /** The HMAC of a nonce. */
  readonly nonce: number;
  /** The SHA-256 of a body. */
  readonly fingerprint: number;
}

/** The check of the nonce that is used, and a fresh one. */
const NONCES = 2;

/** Of a registration whose store is in memory. */
export const limitOf = (alg: 'HS256' | 'ES256' | 'Ed25519', cost: Unavoidable): number =>
  cost.bare + cost[alg] + NONCES * cost.nonce + cost.fingerprint;

export type Primitives = Omit<Unavoidable, 'bare'>;

/** Calls of each in a round: enough for the clock of processor time. */
const CALLS = 1_000;

/** @param child processes/primitives.ts, on the core of what is compared */
export const askPrimitives = (child: Child): Promise<Primitives> => child.ask('costs', CALLS);
