/**
 * Chooses the Region for a call: the first that has not failed lately. It also remembers how long a Region
 * asked the client to wait. If the machine's clock is set, both end early rather than last too long.
 */
import type { RegionInfo } from './discovery.ts';

/**
 * How long a failed Region is avoided, in milliseconds, while there is another: a random time up to twice
 * this, so that the clients of a Region that is back do not all return at once.
 */
const REST_MS = 30_000;

interface Failed {
  readonly atMs: number;
  readonly restMs: number;
}

export class Regions {
  /** The Regions that have not answered since they failed. */
  readonly #failed = new Map<string, Failed>();
  readonly #held = new Map<string, { readonly sinceMs: number; readonly forMs: number }>();
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #preferredUrl: string;

  /**
   * @param preferredUrl if it is a Region's base URL, that Region comes first
   * @param random a number in [0, 1)
   */
  constructor(preferredUrl: string, now: () => number, random: () => number) {
    this.#preferredUrl = preferredUrl;
    this.#now = now;
    this.#random = random;
  }

  /**
   * Where a Region's rest is over, one call tries it, and the others go on elsewhere until it has answered.
   *
   * @returns the first Region that has not failed lately; if all have, the one that failed longest ago
   */
  pick(regions: readonly RegionInfo[]): RegionInfo {
    const rank = ({ url }: RegionInfo) => (url === this.#preferredUrl ? 0 : 1);
    const ordered = regions.toSorted((a, b) => rank(a) - rank(b));
    const chosen =
      ordered.find((region) => !this.#rests(region)) ??
      ordered.toSorted((a, b) => this.#failed.get(a.url)!.atMs - this.#failed.get(b.url)!.atMs)[0]!;
    if (this.#failed.has(chosen.url)) this.failed(chosen);
    return chosen;
  }

  /** @returns whether any Region has not failed lately */
  anyHealthy(regions: readonly RegionInfo[]): boolean {
    return regions.some((region) => !this.#rests(region));
  }

  failed({ url }: RegionInfo): void {
    this.#failed.set(url, { atMs: this.#now(), restMs: REST_MS * (1 + this.#random()) });
  }

  answered({ url }: RegionInfo): void {
    this.#failed.delete(url);
  }

  /** Notes that the client's quota in the Region is spent, for `forMs` milliseconds. */
  hold(region: RegionInfo, forMs: number): void {
    if (forMs > this.heldForMs(region)) this.#held.set(region.url, { sinceMs: this.#now(), forMs });
  }

  /** @returns how long to send no request that counts against the quota, in milliseconds */
  heldForMs({ url }: RegionInfo): number {
    const held = this.#held.get(url);
    return held ? Math.max(0, held.forMs - Math.abs(this.#now() - held.sinceMs)) : 0;
  }

  #rests({ url }: RegionInfo): boolean {
    const failed = this.#failed.get(url);
    return failed !== undefined && Math.abs(this.#now() - failed.atMs) < failed.restMs;
  }
}
