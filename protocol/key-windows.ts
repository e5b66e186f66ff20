/**
 * How long a key waits between publishing, signing and removal, so that no valid signature is ever refused
 * (docs/key-life-cycle.md, "The windows"). All in milliseconds.
 */

export interface KeyLags {
  /** L: how late a replica may be. */
  readonly replicationMs: number;
  /** V: hard limit on the age of a verifier's copy. */
  readonly verifierAgeMs: number;
  /** S: hard limit on the age of a signer's copy. */
  readonly signerAgeMs: number;
  /** D: longest life of anything signed, verifier leeway included. */
  readonly maxLifeMs: number;
  /** E: clock error per machine. */
  readonly clockErrorMs: number;
  /** X: longest time from `createSecret` to `finishSecret`. */
  readonly rotationTimeMs: number;
}

export interface KeyWindows {
  /** From making a key to its `activates_at`. */
  readonly publishToSignMs: number;
  /** From a new key's `activates_at` to the old one's `retires_at`. */
  readonly signToRemoveMs: number;
  /** `finishSecret` refuses once less than this is left until `activates_at`. */
  readonly finishMarginMs: number;
  /** A rotation period must be longer than this. */
  readonly minRotationMs: number;
}

export function keyWindows(lags: KeyLags): KeyWindows {
  const { replicationMs, verifierAgeMs, signerAgeMs, maxLifeMs, clockErrorMs, rotationTimeMs } = lags;
  const finishMarginMs = replicationMs + verifierAgeMs + 2 * clockErrorMs;
  const publishToSignMs = rotationTimeMs + finishMarginMs;
  const signToRemoveMs = replicationMs + signerAgeMs + maxLifeMs + clockErrorMs;
  return { publishToSignMs, signToRemoveMs, finishMarginMs, minRotationMs: publishToSignMs + signToRemoveMs };
}
