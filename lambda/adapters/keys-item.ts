/**
 * The item of a Region's `limits` table that holds what the Region knows of a purpose's keys: revoked kids,
 * published keysets and the last failure. It is one item, so that a rotation function needs rights on no
 * other.
 */
import { keysItemKey } from '../contract/limits.ts';
import type { Purpose } from '../contract/purposes.ts';

/** Outlives every keyset that could still hold a revoked kid. */
const KEPT_S = 5 * 365 * 24 * 3600;

export const keysItem = (table: string, purpose: Purpose) => ({
  TableName: table,
  Key: { pk: { S: keysItemKey(purpose) } },
});

export const keysItemTtlS = (nowMs: number): string => String(Math.ceil(nowMs / 1000) + KEPT_S);
