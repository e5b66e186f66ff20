/**
 * A registration's identity and its life in the registry, as transitions that the registry's conditional
 * writes carry out (docs/protocol.md, "Registering" and "Reading and deleting").
 */
import { hash } from 'node:crypto';
import { lengthPrefixed } from './bytes.ts';
import { canonicalJson } from './json.ts';
import { LONGEST_DPOP_NONCE_LIFE_MS } from './nonce.ts';

export interface Registration {
  /** 43 base64url characters. */
  readonly id: string;
  readonly clientId: string;
  readonly userId: string;
  readonly createdAtMs: number;
  /** The registered body, as sent. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** The record of a deletion: it holds the time, and no personal data. */
export interface Tombstone {
  readonly deletedAtMs: number;
}

export type RegistryRecord = Registration | Tombstone;

export const isTombstone = (record: RegistryRecord): record is Tombstone => 'deletedAtMs' in record;

/**
 * Hash of client and user: all Regions compute the same id, and no client can touch another's registrations.
 */
export function registrationId(clientId: string, userId: string): string {
  const bytes = lengthPrefixed('countersign/registration/v1', clientId, userId);
  return hash('sha256', bytes, 'base64url');
}

/** Strong entity tag (RFC 9110 §8.8.3): SHA-256 of the data's RFC 8785 form, quoted. */
export function entityTag(data: unknown): string {
  return `"${hash('sha256', canonicalJson(data), 'base64url')}"`;
}

/** How far two clocks may be apart: each may be wrong by E. */
export const betweenClocksMs = (clockErrorMs: number): number => 2 * clockErrorMs;

/**
 * A registration may replace a tombstone only if its nonce was issued after this instant. So a POST that was
 * held back until after the DELETE restores nothing.
 */
export const tombstoneClearsAtMs = (deletedAtMs: number, clockErrorMs: number): number =>
  deletedAtMs + betweenClocksMs(clockErrorMs);

/**
 * After this instant every nonce that the tombstone must stop has expired on every clock, so it may be
 * erased.
 */
export const erasableAtMs = (deletedAtMs: number, clockErrorMs: number): number =>
  tombstoneClearsAtMs(deletedAtMs, clockErrorMs) + LONGEST_DPOP_NONCE_LIFE_MS + betweenClocksMs(clockErrorMs);

/** @returns whole seconds, at least 1, after which a new nonce is issued after `clearsAtMs` */
export const secondsUntilClear = (clearsAtMs: number, nowMs: number): number =>
  Math.max(1, Math.floor((clearsAtMs - nowMs) / 1000) + 1);

const TOMBSTONE_LIFE_MS = 30 * 24 * 3600 * 1000;

/** @returns when a tombstone may go: 30 days after the deletion, in epoch seconds */
export const tombstoneTtlS = (deletedAtMs: number): number =>
  Math.ceil((deletedAtMs + TOMBSTONE_LIFE_MS) / 1000);

export type RegisterOutcome =
  | { readonly kind: 'stored' }
  | { readonly kind: 'replayed'; readonly registration: Registration }
  | { readonly kind: 'conflict' }
  /** The nonce is older than a deletion; one issued after `clearsAtMs` will do. */
  | { readonly kind: 'deleted'; readonly clearsAtMs: number };

/**
 * The outcome of registering, given the record in the registry.
 *
 * @param stored the record under the registration's key, if any
 * @param nonceIssuedMs when the consumed nonce was issued
 */
export function decideRegister(
  stored: RegistryRecord | undefined,
  registration: Registration,
  nonceIssuedMs: number,
  clockErrorMs: number,
): RegisterOutcome {
  if (stored === undefined) return { kind: 'stored' };
  if (isTombstone(stored)) {
    const clearsAtMs = tombstoneClearsAtMs(stored.deletedAtMs, clockErrorMs);
    return nonceIssuedMs > clearsAtMs ? { kind: 'stored' } : { kind: 'deleted', clearsAtMs };
  }
  return canonicalJson(stored.data) === canonicalJson(registration.data)
    ? { kind: 'replayed', registration: stored }
    : { kind: 'conflict' };
}

/**
 * Decides the item after a deletion: a tombstone, even if nothing was stored, and never an earlier one than
 * the existing one. A registration that was made after this deletion stays: then the deletion lands late,
 * after its caller gave up.
 *
 * @param nowMs when the deletion was made, by a clock that may be off by `clockErrorMs`
 */
export function decideDelete(
  stored: RegistryRecord | undefined,
  nowMs: number,
  clockErrorMs: number,
): RegistryRecord {
  if (stored && !isTombstone(stored) && stored.createdAtMs > latestDeletedMs(nowMs, clockErrorMs))
    return stored;
  const before = stored && isTombstone(stored) ? stored.deletedAtMs : nowMs;
  return { deletedAtMs: Math.max(before, nowMs) };
}

/** A deletion removes what was created up to this instant. */
export const latestDeletedMs = (deletedAtMs: number, clockErrorMs: number): number =>
  deletedAtMs + betweenClocksMs(clockErrorMs);
