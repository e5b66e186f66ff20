/** Actions of the rotation functions, for operators (docs/key-life-cycle.md, "What an operator may ask"). */
import type { KeyState } from '../../protocol/keyset.ts';
import type { KeyHome } from '../../protocol/published.ts';

/**
 * Lambda ends a rotation function that runs for longer, in milliseconds. A caller must wait longer than this.
 */
export const ROTATION_TIMEOUT_MS = 60_000;

export interface KeySummary {
  readonly kid: string;
  readonly alg: string;
  /** `revoked` where a Region refuses it: `regions` says which. */
  readonly state: KeyState;
  readonly activates_at: string;
  readonly retires_at: string | null;
  readonly vault_version: number | null;
}

/** The keys that the functions of a Region know. */
export interface RegionKeys {
  readonly region: string;
  /** Keys of its copy of the secret; null where it cannot be read. */
  readonly kids: readonly string[] | null;
  /**
   * Revoked kids in its `limits` table: they are refused even if the copy lists them as valid; null if it
   * cannot be read.
   */
  readonly revoked: readonly string[] | null;
}

/** A replica of the secret, as AWS reports it to the Region that makes keys. */
export interface ReplicaState {
  readonly region: string;
  /** `InSync`, `InProgress` or `Failed`. */
  readonly status: string;
  /** Why it failed. */
  readonly message: string | null;
}

/** A step of the last rotation that failed. */
export interface RotationFailure {
  readonly at: string;
  /** The step. */
  readonly action: string;
  readonly reason: string;
}

export interface KeysetSummary {
  readonly purpose: string;
  /** Null if AWSCURRENT is not a keyset: then `keys` is empty, and `unreadable` says why. */
  readonly seq: number | null;
  /**
   * The greatest `seq` that a reader may hold. If it is greater than `seq`, the secret was rolled back, or a
   * rotation did not finish.
   */
  readonly published_seq: number;
  /** The version with the label AWSCURRENT; null if no version has it. */
  readonly version_id: string | null;
  readonly unreadable: string | null;
  /**
   * The version to move AWSCURRENT back to: AWSPREVIOUS, if that has keys and AWSCURRENT has none, or if it
   * is the newer keyset that readers hold.
   */
  readonly fall_back: string | null;
  /** The version of a rotation that is not finished. */
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
  /** All Regions, the home Region first. */
  readonly regions: readonly RegionKeys[];
  /**
   * Every kid that a labelled version in any Region holds, every kid that a reader may still hold, and every
   * revoked kid: `keys.revoke` ends all of them.
   */
  readonly known_kids: readonly string[];
  /** The Region that makes keys, as the stack of the Region that answers was deployed (`keys.managedBy`). */
  readonly managed_by: string;
  /** The Region that makes keys since the last promotion; null if there was none. */
  readonly promoted_to: string | null;
  /** The Region of the primary, as the Region that answers sees it; null if it sees none. */
  readonly primary_region: string | null;
  /** The secret's replicas; empty where the Region that answers has a replica itself. */
  readonly replicas: readonly ReplicaState[];
  /**
   * Kids of the newest keyset that any Region remembers, which the copy of the Region that answers lacks:
   * they were made and did not arrive. None of them is revoked.
   */
  readonly missing_kids: readonly string[];
  /** When Secrets Manager rotates next; null where it has no schedule, as in a Region with a replica. */
  readonly next_rotation_at: string | null;
  /** Null where the last rotation succeeded, where there was none, or where its record cannot be read. */
  readonly last_failure: RotationFailure | null;
}

export interface RegionConfirmation {
  readonly region: string;
  /**
   * Its table holds every kid of `revoked`, and there is at least one: its verifiers refuse them within 10 s.
   */
  readonly confirmed: boolean;
}

export interface RevokedKeys {
  /** Null where it could not be replaced: confirmed Regions refuse the kids, and no new key signs. */
  readonly keyset: KeysetSummary | null;
  /** Why the keyset was not replaced. */
  readonly failure: string | null;
  /** Every kid that the Regions were asked to refuse, earlier ones included. */
  readonly revoked: readonly string[];
  readonly regions: readonly RegionConfirmation[];
  /**
   * The kids of `only_kids` that no version has, and no Region refused before or remembers: perhaps mistyped.
   */
  readonly unknown_kids: readonly string[];
  /** Versions and tables whose kids could not be read: a key that is nowhere else is not in `revoked`. */
  readonly unreadable: readonly string[];
}

export interface PromotedKeys {
  /** As the Region has it that was asked. */
  readonly keyset: KeysetSummary;
  /** The promotion, as the Regions remember it. */
  readonly home: KeyHome;
  /**
   * `confirmed`: no function makes a key in that Region from now on, unless it is `to`; and it refuses every
   * revoked kid. False where the Region remembers another promotion.
   */
  readonly regions: readonly RegionConfirmation[];
}

export interface KeysActions {
  'keys.list': { params: Record<string, never>; result: KeysetSummary };
  /** `force`: even if the previous new key does not sign yet. */
  'keys.rotate': { params: { force?: boolean }; result: KeysetSummary };
  /** `only_kids` spares every other key; default: all keys, also those that do not sign yet. */
  'keys.revoke': { params: { only_kids?: string[] }; result: RevokedKeys };
  /** Removes AWSPENDING from a version that never became current; `version_id`: from this version only. */
  'keys.unstick': { params: { version_id?: string }; result: KeysetSummary };
  /**
   * From now on only the Region `to` makes keys. No secret changes. Every Region refuses every revoked kid,
   * too. `home`: of another function's answer, to confirm the same promotion in a Region that it did not
   * reach.
   */
  'keys.promote': { params: { to: string; home?: KeyHome }; result: PromotedKeys };
}

export type KeysAction = keyof KeysActions;

/** The actions that keys-watch may call: none makes, revokes or spares a key. */
export const WATCH_ACTIONS = ['keys.list', 'keys.unstick'] as const satisfies readonly KeysAction[];
export type WatchAction = (typeof WATCH_ACTIONS)[number];

/** The findings of keys-watch on keysets: the `reason` of its log line. */
export type WatchFinding =
  | 'leftover_pending_removed'
  | 'rotation_overdue'
  | 'rolled_back'
  | 'revoked_key_accepted'
  | 'replica_lacks_next_key'
  | 'replica_unreadable'
  | 'no_keys';

/** Its findings on the tables that all Regions share. */
export type TableFinding = 'replica_cut_off' | 'replica_inaccessible';
