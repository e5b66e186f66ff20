/** Actions of the rotation functions, by which operators look after a purpose's keys (docs/key-life-cycle.md). */
import type { KeyState } from '../../protocol/keyset.ts';

export interface KeySummary {
  readonly kid: string;
  readonly alg: string;
  readonly state: KeyState;
  readonly activates_at: string;
  readonly retires_at: string | null;
  readonly vault_version: number | null;
}

export interface KeysetSummary {
  readonly purpose: string;
  readonly seq: number;
  readonly version_id: string;
  /** A version that a rotation has begun and not finished. */
  readonly pending: string | null;
  /** When a version or a label of the secret last changed. */
  readonly changed_at: string;
  readonly keys: readonly KeySummary[];
  readonly revoked: readonly string[];
  /** In milliseconds; `finish`: the longest time that a rotation may take. */
  readonly windows: {
    readonly finish: number;
    readonly publish_to_sign: number;
    readonly sign_to_remove: number;
  };
  /** What each other Region's replica holds; null where it cannot be read. */
  readonly regions: readonly { readonly region: string; readonly kids: readonly string[] | null }[];
}

/** Whether a Region's verifiers will refuse the kids. */
export interface RegionConfirmation {
  readonly region: string;
  readonly confirmed: boolean;
}

export interface RevokedKeys {
  /** Null where it could not be replaced: the kids are refused where confirmed, and no new key signs. */
  readonly keyset: KeysetSummary | null;
  /** Why the keyset was not replaced. */
  readonly failure: string | null;
  /** Every kid that is revoked now, earlier ones included. */
  readonly revoked: readonly string[];
  readonly regions: readonly RegionConfirmation[];
}

export interface KeysActions {
  'keys.list': { params: Record<string, never>; result: KeysetSummary };
  'keys.rotate': { params: Record<string, never>; result: KeysetSummary };
  /** `only_kids` spares every other key; default: all, those not active yet included. */
  'keys.revoke': { params: { only_kids?: string[] }; result: RevokedKeys };
  /** Takes AWSPENDING from a version that never became current; `version_id`: from that one alone. */
  'keys.unstick': { params: { version_id?: string }; result: KeysetSummary };
}

export type KeysAction = keyof KeysActions;

/** What the alias of keys-watch serves: nothing that makes, revokes or spares a key. */
export const WATCH_ACTIONS = ['keys.list', 'keys.unstick'] as const satisfies readonly KeysAction[];
export type WatchAction = (typeof WATCH_ACTIONS)[number];

/** What keys-watch reports, by its log line's `reason`. */
export type Finding =
  | 'leftover_pending_removed'
  | 'rotation_overdue'
  | 'replica_lacks_next_key'
  | 'replica_unreadable'
  | 'no_keys';
