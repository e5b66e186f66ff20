/** The default values of settings, shared by the config, the local platform, the bench and the tests. */
import type { KeyLags } from '../../protocol/key-windows.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const DEFAULTS = {
  nonceLifeMs: 300_000,
  clockErrorMs: 2_000,
  /** Hard limit on the age of a keyset's copy. */
  keysetMaxAgeMs: DAY_MS,
  clientKeyLifeMs: 90 * DAY_MS,
  signaturesPerMinute: 6_000,
  /** A Region that was unhealthy stays so until it has been good for this long. */
  holdDownMs: 180_000,
} as const;

/**
 * A change that the outbox has not handled by then is given up, and reported. That is before its stream
 * forgets it: of changes that a stream forgets, Lambda says nothing (docs/aws-truths.md, "Streams").
 */
export const LONGEST_CHANGE_MS = 23 * HOUR_MS;

/** The search for a table's stream ends by then. Its function ends a minute later. */
export const LONGEST_SEARCH_MS = 240_000;

/** Largest `clockErrorMs` that a stage may have. */
export const LONGEST_CLOCK_ERROR_MS = 60_000;

/** The inputs of a purpose's key windows, except the longest life of what the key signs. */
export const DEFAULT_LAGS: Omit<KeyLags, 'maxLifeMs'> = {
  replicationMs: HOUR_MS,
  verifierAgeMs: DEFAULTS.keysetMaxAgeMs,
  signerAgeMs: DEFAULTS.keysetMaxAgeMs,
  clockErrorMs: DEFAULTS.clockErrorMs,
  rotationTimeMs: HOUR_MS,
};
