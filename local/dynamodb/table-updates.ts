/**
 * Changes of a table itself: the deletion protection of a replica, and its removal. A change keeps the table
 * busy in every Region, and a busy table refuses another change.
 */
import { DynamodbException, validation } from './exception.ts';

/** How long a table is busy after a change, and how long a removed replica remains. */
const BUSY_MS = 36_000;
const DELETING_MS = 120_000;

export interface TableUpdate {
  readonly DeletionProtectionEnabled?: boolean;
  readonly ReplicaUpdates?: readonly { readonly Delete?: { readonly RegionName: string } }[];
}

export class TableUpdates {
  readonly #name: string;
  readonly #protected = new Set<string>();
  /** By Region, when its replica is gone. */
  readonly #goneAtMs = new Map<string, number>();
  #busyUntilMs = 0;

  constructor(name: string) {
    this.#name = name;
  }

  isGone(region: string, nowMs: () => number): boolean {
    const goneAtMs = this.#goneAtMs.get(region);
    return goneAtMs !== undefined && goneAtMs <= nowMs();
  }

  /** @returns members of the table's description */
  describe(region: string, nowMs: number): object {
    const busy = nowMs < this.#busyUntilMs ? 'UPDATING' : 'ACTIVE';
    return {
      TableStatus: this.#goneAtMs.has(region) ? 'DELETING' : busy,
      DeletionProtectionEnabled: this.#protected.has(region),
    };
  }

  protect(region: string): void {
    this.#protected.add(region);
  }

  /**
   * @param others the Regions that the table replicates to
   * @param removed takes a Region whose replica is removed
   * @throws DynamodbException
   */
  update(
    region: string,
    others: readonly string[],
    { DeletionProtectionEnabled: protection, ReplicaUpdates }: TableUpdate,
    nowMs: number,
    removed: (region: string) => void,
  ): void {
    if (nowMs < this.#busyUntilMs || this.#goneAtMs.has(region))
      throw new DynamodbException(
        'ResourceInUseException',
        'The resource which you are attempting to change is in use.',
      );
    const target = ReplicaUpdates?.[0]?.Delete?.RegionName;
    if ((protection === undefined) === (target === undefined))
      throw validation('Here a table changes its deletion protection, or removes a replica');
    if (target === undefined) {
      if (protection) this.#protected.add(region);
      else this.#protected.delete(region);
    } else {
      if (!others.includes(target))
        throw validation(
          'Update global table operation failed because one or more replicas were not part of the global table. ' +
            `Please retry the request without these replicas: [${target}].`,
        );
      if (this.#protected.has(target))
        throw validation(
          `Cannot delete table ${this.#name} in region ${target} because it has deletion protection enabled. ` +
            'Disable deletion protection first.',
        );
      this.#goneAtMs.set(target, nowMs + DELETING_MS);
      removed(target);
    }
    if (others.length > 0) this.#busyUntilMs = nowMs + BUSY_MS;
  }
}
