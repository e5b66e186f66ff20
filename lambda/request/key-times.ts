/** From when a client's new key counts. */
import { betweenClocksMs } from '../../protocol/registration.ts';
import type { Consistency } from '../contract/serving-environment.ts';

/** An eventual table needs a moment until the other Regions know the key. */
const REPLICATION_S = 60;

/**
 * @returns epoch seconds: a time from which every Region that is not behind knows the key; where all know it
 * at once, one that has come in each, also in one whose clock is behind
 */
export const usableAtS = (consistency: Consistency, clockErrorMs: number, nowS: number): number =>
  consistency === 'eventual' ? nowS + REPLICATION_S : usableNowS(clockErrorMs, nowS);

/** @returns a time that has come in every Region, also in one whose clock is behind */
export const usableNowS = (clockErrorMs: number, nowS: number): number =>
  nowS - Math.ceil(betweenClocksMs(clockErrorMs) / 1000);
