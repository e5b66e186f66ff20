/** Faults that drills cause in a running platform (docs/drills.md). */
import { setTimeout as delay } from 'node:timers/promises';
import type { AwsCall } from './aws/endpoint.ts';
import { AwsError } from './aws/protocol.ts';
import { WITNESS } from './aws/regions.ts';
import type { SecretRegions } from './aws/secret-regions.ts';
import type { Dynamodb } from './dynamodb/dynamodb.ts';
import type { RegionHost } from './region-host.ts';
import type { RunningVault } from './vault/start.ts';

/** Throttling of a Region's tables. */
export interface Throttle {
  /** Part of the calls that are refused, from 0 to 1. */
  readonly rate: number;
  /** How long each call waits first, in milliseconds. */
  readonly delayMs: number;
}

export interface Faults {
  readonly regions: readonly string[];
  /**
   * Kills the Region, and cuts its tables and secrets off from clients and from the other Regions. Its data
   * stays.
   */
  loseRegion(region: string): Promise<void>;
  bringBackRegion(region: string): Promise<void>;
  /**
   * Cuts each of these Regions off from every other one; if that is all of them, from the witness too. Empty:
   * heals the network.
   */
  partition(alone: readonly string[]): void;
  throttle(region: string, throttle: Throttle): void;
  /**
   * Makes `registry` and `clients` of another generation, which serve nobody, as a deployment of the home
   * stack does.
   */
  makeTables(generation: number): Promise<void>;
  /** Takes them into use, as deployments of the Regions' stacks do, one after the other. */
  useTables(generation: number): Promise<void>;
  /** @throws Error where the Vault is not this platform's own */
  loseVault(lost: boolean): void;
  /** @returns the error that a call of AWS gets */
  of(call: AwsCall): Promise<AwsError | undefined>;
}

export interface FaultsOptions extends Pick<Faults, 'makeTables' | 'useTables'> {
  readonly hosts: readonly RegionHost[];
  readonly store: Dynamodb;
  readonly secrets: SecretRegions;
  readonly vault: RunningVault;
}

export function createFaults({ hosts, store, secrets, vault, makeTables, useTables }: FaultsOptions): Faults {
  const { network } = store;
  const regions = hosts.map(({ name }) => name);
  const hostOf = (region: string) => hosts.find(({ name }) => name === region)!;
  const throttles = new Map<string, Throttle>();
  return {
    regions,
    async loseRegion(region) {
      network.lose(region);
      secrets.lose(region);
      await hostOf(region).kill();
    },
    async bringBackRegion(region) {
      network.bringBack(region);
      secrets.bringBack(region);
      await hostOf(region).start();
    },
    partition(alone) {
      const others = regions.filter((region) => !alone.includes(region));
      if (alone.length === 0) network.heal();
      else if (others.length === 0) network.partition([...alone, WITNESS].map((each) => [each]));
      else network.partition([...alone.map((each) => [each]), [...others, WITNESS]]);
    },
    makeTables,
    useTables,
    throttle: (region, throttle) => throttles.set(region, throttle),
    loseVault(lost) {
      if (!vault.setLost) throw new Error('only the embedded Vault can be lost');
      vault.setLost(lost);
    },
    async of({ region, service }) {
      if (network.isLost(region))
        return new AwsError('ServiceUnavailableException', `Region ${region} is lost`, 503);
      const throttle = service === 'dynamodb' ? throttles.get(region) : undefined;
      if (!throttle) return undefined;
      if (throttle.delayMs > 0) await delay(throttle.delayMs);
      if (Math.random() >= throttle.rate) return undefined;
      return new AwsError('ProvisionedThroughputExceededException', 'This table is throttled');
    },
  };
}
