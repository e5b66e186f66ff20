/**
 * Which Region to speak to: the first that has not failed lately; and when, where one told us to wait. A clock that is
 * set meanwhile ends both rather than making them last.
 */
import type { RegionInfo } from './discovery.ts';

/** A Region that failed is left alone for this long, while there is another. */
const REST_MS = 30_000;

export class Regions {
  readonly #failedAtMs = new Map<string, number>();
  readonly #held = new Map<string, { readonly sinceMs: number; readonly forMs: number }>();
  readonly #now: () => number;
  readonly #preferredUrl: string;

  /** @param preferredUrl goes first where it is a Region's own */
  constructor(preferredUrl: string, now: () => number) {
    this.#preferredUrl = preferredUrl;
    this.#now = now;
  }

  /** @returns the first one that rests no longer; where all do, the one that failed longest ago */
  pick(regions: readonly RegionInfo[]): RegionInfo {
    const rank = ({ url }: RegionInfo) => (url === this.#preferredUrl ? 0 : 1);
    const ordered = regions.toSorted((a, b) => rank(a) - rank(b));
    return (
      ordered.find((region) => !this.#rests(region)) ??
      ordered.toSorted((a, b) => this.#failedAtMs.get(a.url)! - this.#failedAtMs.get(b.url)!)[0]!
    );
  }

  /** @returns whether one is there that has not failed lately */
  anyHealthy(regions: readonly RegionInfo[]): boolean {
    return regions.some((region) => !this.#rests(region));
  }

  failed({ url }: RegionInfo): void {
    this.#failedAtMs.set(url, this.#now());
  }

  answered({ url }: RegionInfo): void {
    this.#failedAtMs.delete(url);
  }

  /** The client's quota there is spent. */
  hold(region: RegionInfo, forMs: number): void {
    if (forMs > this.heldForMs(region)) this.#held.set(region.url, { sinceMs: this.#now(), forMs });
  }

  /** @returns for how long to send nothing that is counted, in milliseconds */
  heldForMs({ url }: RegionInfo): number {
    const held = this.#held.get(url);
    return held ? Math.max(0, held.forMs - Math.abs(this.#now() - held.sinceMs)) : 0;
  }

  #rests({ url }: RegionInfo): boolean {
    const failedAtMs = this.#failedAtMs.get(url);
    return failedAtMs !== undefined && Math.abs(this.#now() - failedAtMs) < REST_MS;
  }
}
