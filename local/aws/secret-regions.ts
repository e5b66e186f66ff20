/**
 * The Regions' secrets, and which is a replica of which (AWS Secrets Manager, "Replicate secrets across
 * Regions"). A replica shows its primary as it was a replication lag ago. While a Region is lost, nothing
 * leaves it or reaches it.
 *
 * What AWS does not document is marked *assumed*, here and in docs/aws-truths.md, and is the stricter of what
 * it may do.
 */
import { AwsError } from './protocol.ts';
import { type Secret, SecretStore } from './secret-store.ts';

export interface SecretRegionsOptions {
  /** How late a Region sees a change of a secret of another Region, in milliseconds. @default 0 */
  readonly replicaLagMs?: ((region: string) => number) | undefined;
  /** Whether a Region's KMS key is enabled, and may be used for a replica. @default every key is */
  readonly isKeyUsable?: ((region: string) => boolean) | undefined;
  /** Whether two moves of labels within a lag stop the replication (`labelMoved`). @default true */
  readonly getsStuck?: boolean | undefined;
}

export interface ReplicaRegion {
  readonly region: string;
  readonly kmsKeyId: string | undefined;
}

export interface ReplicaStatus extends ReplicaRegion {
  readonly status: 'InSync' | 'InProgress' | 'Failed';
  readonly message: string | undefined;
}

/** The state of one replica, as its primary knows it. */
interface Link extends ReplicaRegion {
  readonly sinceMs: number;
  /** Why there is no replica. */
  readonly failed: string | undefined;
  /** Up to when the primary's writes arrived, where its replication is stuck. */
  readonly stuckMs?: number;
}

export class SecretRegions {
  readonly #stores: ReadonlyMap<string, SecretStore>;
  /** By primary Region and name. */
  readonly #links = new Map<string, readonly Link[]>();
  /** When a label was moved last, by primary Region and name. */
  readonly #movedAtMs = new Map<string, number>();
  readonly #lostAtMs = new Map<string, number>();
  readonly #nowMs: () => number;
  readonly #lagMs: (region: string) => number;
  readonly #isKeyUsable: (region: string) => boolean;
  readonly #getsStuck: boolean;

  constructor(
    regions: readonly string[],
    nowMs: () => number,
    { replicaLagMs = () => 0, isKeyUsable = () => true, getsStuck = true }: SecretRegionsOptions = {},
  ) {
    this.#stores = new Map(regions.map((region) => [region, new SecretStore(region, nowMs)]));
    this.#nowMs = nowMs;
    this.#lagMs = replicaLagMs;
    this.#isKeyUsable = isKeyUsable;
    this.#getsStuck = getsStuck;
  }

  in(region: string): SecretStore {
    const store = this.#stores.get(region);
    if (store) return store;
    throw new AwsError('InvalidParameterException', `${region} is not a Region of this platform`);
  }

  /** From now on, nothing is copied from this Region or to it. */
  lose(region: string): void {
    this.#lostAtMs.set(region, this.#nowMs());
  }

  /** Writes made in the meantime arrive now, if the secret is still a replica. */
  bringBack(region: string): void {
    this.#lostAtMs.delete(region);
  }

  /**
   * A replication that fails leaves no secret in the Region where none of its versions arrived. *Assumed*:
   * that includes the secret that it was to overwrite.
   *
   * @param force overwrites a secret of the same name. *Assumed*: not one that has replicas itself, nor a
   * replica of another secret
   * @throws AwsError InvalidRequestException where the secret is a replica; InvalidParameterException
   */
  replicate(from: string, id: string, targets: readonly ReplicaRegion[], force: boolean): void {
    const { name } = this.in(from).primary(id);
    for (const target of targets) {
      const store = this.in(target.region);
      if (target.region === from)
        throw new AwsError('InvalidParameterException', 'A secret cannot be replicated to its own Region.');
      const refused = this.#refusal(from, store, name, force);
      if (refused === undefined && this.#linked(from, name, target.region)) continue;
      const failed =
        refused ??
        (this.#isKeyUsable(target.region)
          ? undefined
          : 'The KMS key is disabled, not found, or not yours to use');
      if (refused === undefined && failed !== undefined) store.remove(name);
      const link = { ...target, sinceMs: this.#nowMs(), failed };
      this.#setLinks(from, name, [...this.#others(from, name, [target.region]), link]);
      if (failed === undefined) store.setReplica(name, this.#replicaOf(from, name, link, store));
    }
  }

  /** @returns those of the secret's replicas that are linked to it, and those that could not be made */
  status(region: string, name: string): ReplicaStatus[] {
    return this.#linksOf(region, name).flatMap((link): ReplicaStatus[] => {
      const { region: to, kmsKeyId, failed: message } = link;
      const { changedAtMs = 0 } =
        this.in(region)
          .all()
          .find((each) => each.name === name) ?? {};
      if (message !== undefined) return [{ region: to, kmsKeyId, status: 'Failed', message }];
      if (!this.#linked(region, name, to)) return [];
      const arrived = Math.max(link.sinceMs, changedAtMs) <= this.#seenMs(region, name, to);
      return [{ region: to, kmsKeyId, status: arrived ? 'InSync' : 'InProgress', message: undefined }];
    });
  }

  /**
   * @throws AwsError InvalidRequestException where it is no replica (*assumed*); ResourceNotFoundException
   */
  stop(region: string, id: string): Secret {
    const store = this.in(region);
    const { name } = store.find(id);
    if (!store.replica(name))
      throw new AwsError(
        'InvalidRequestException',
        'The secret is not a replica: it has no primary to stop.',
      );
    store.own(name);
    return store.find(name);
  }

  /**
   * Deletes the replicas. @throws AwsError InvalidParameterException where the secret has none there
   * (*assumed*)
   */
  removeReplicas(from: string, id: string, regions: readonly string[]): void {
    const { name } = this.in(from).primary(id);
    for (const region of regions) {
      if (!this.#linksOf(from, name).some((link) => link.region === region))
        throw new AwsError('InvalidParameterException', `The secret has no replica in ${region}.`);
      if (this.#linked(from, name, region)) this.in(region).remove(name);
    }
    this.#setLinks(from, name, this.#others(from, name, regions));
  }

  /**
   * Two moves of a label in quick succession, so that the second comes before a replica has the first, have
   * been seen to stop the replication for good. *Assumed*: the replica then stays as it was, and the
   * replication `InProgress`, until the replica is removed.
   */
  labelMoved(from: string, name: string): void {
    const movedAtMs = this.#movedAtMs.get(`${from} ${name}`) ?? Number.NEGATIVE_INFINITY;
    const links = this.#linksOf(from, name).map((link) => {
      const seenMs = this.#seenMs(from, name, link.region);
      const lost = [from, link.region].some((region) => this.#lostAtMs.has(region));
      return !this.#getsStuck || lost || movedAtMs <= seenMs ? link : { ...link, stuckMs: seenMs };
    });
    this.#setLinks(from, name, links);
    this.#movedAtMs.set(`${from} ${name}`, this.#nowMs());
  }

  #refusal(from: string, store: SecretStore, name: string, force: boolean): string | undefined {
    const replica = store.replica(name);
    if (replica?.primaryRegion === from) return undefined;
    const there = replica !== undefined || store.all().some((secret) => secret.name === name);
    if (there && !force) return 'Secret with this name already exists in this region';
    if (replica) return `The secret in this region is a replica of ${replica.primaryRegion}`;
    return this.status(store.region, name).some(({ status }) => status !== 'Failed')
      ? 'The secret in this region has replicas'
      : undefined;
  }

  #replicaOf(from: string, name: string, { sinceMs, kmsKeyId }: Link, to: SecretStore) {
    const before = to.all().find((secret) => secret.name === name);
    const source = this.in(from);
    return {
      primaryRegion: from,
      read: (): Secret | undefined => {
        const seenMs = this.#seenMs(from, name, to.region);
        if (seenMs < sinceMs) return before;
        const seen = source.at(name, seenMs);
        return seen && { ...seen, kmsKeyId, rotation: null };
      },
    };
  }

  /** Up to when the writes of a Region's secret have arrived in another. */
  #seenMs(from: string, name: string, to: string): number {
    const ends = [from, to].map((region) => this.#lostAtMs.get(region) ?? Number.POSITIVE_INFINITY);
    const stuckMs = this.#linksOf(from, name).find(({ region }) => region === to)?.stuckMs;
    return Math.min(Math.min(this.#nowMs(), ...ends) - this.#lagMs(to), stuckMs ?? Number.POSITIVE_INFINITY);
  }

  #linked = (from: string, name: string, to: string): boolean =>
    this.in(to).replica(name)?.primaryRegion === from;

  #linksOf(region: string, name: string): readonly Link[] {
    return this.#links.get(`${region} ${name}`) ?? [];
  }

  #others(region: string, name: string, regions: readonly string[]): Link[] {
    return this.#linksOf(region, name).filter((link) => !regions.includes(link.region));
  }

  #setLinks(region: string, name: string, links: readonly Link[]): void {
    this.#links.set(`${region} ${name}`, links);
  }
}
