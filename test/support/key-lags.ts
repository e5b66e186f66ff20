/** Each lag has a digit of its own, so a sum of them shows which lags it has, and how often. */
import type { KeyLags } from '../../protocol/key-windows.ts';

export const LAGS: KeyLags = {
  replicationMs: 1,
  verifierAgeMs: 10,
  signerAgeMs: 100,
  maxLifeMs: 1_000,
  clockErrorMs: 10_000,
  rotationTimeMs: 100_000,
};
