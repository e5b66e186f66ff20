/**
 * Chooses the Region for a call: the first that has not failed lately. It also remembers how long a Region asked the client
 * to wait. If the machine's clock is set, both end early rather than last too long.
 */
import type { RegionInfo } from './discovery.ts';

/** How long a failed Region is avoided, in milliseconds, while there is another. */
const REST_MS = 30_000;

export class Regions {
  readonly #failedAtMs = new Map<string, number>();
  readonly #held = new Map<string, { readonly sinceMs: number; readonly forMs: number }>();
  readonly #now: () => number;
  readonly #preferredUrl: string;

  /** @param preferredUrl if it is a Region's base URL, that Region comes first */
  constructor(preferredUrl: string, now: () => number) {
    this.#preferredUrl = preferredUrl;
    this.#now = now;
  }

  /** @returns the first Region that has not failed lately; if all have, the one that failed longest ago */
  pick(regions: readonly RegionInfo[]): RegionInfo {
    const rank = ({ url }: RegionInfo) => (url === this.#preferredUrl ? 0 : 1);
    const ordered = regions.toSorted((a, b) => rank(a) - rank(b));
    return (
      ordered.find((region) => !this.#rests(region)) ??
      ordered.toSorted((a, b) => this.#failedAtMs.get(a.url)! - this.#failedAtMs.get(b.url)!)[0]!
    );
  }

  /** @returns whether any Region has not failed lately */
  anyHealthy(regions: readonly RegionInfo[]): boolean {
    return regions.some((region) => !this.#rests(region));
  }

  failed({ url }: RegionInfo): void {
    this.#failedAtMs.set(url, this.#now());
  }

  answered({ url }: RegionInfo): void {
    this.#failedAtMs.delete(url);
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
    const failedAtMs = this.#failedAtMs.get(url);
    return failedAtMs !== undefined && Math.abs(this.#now() - failedAtMs) < REST_MS;
  }
}
