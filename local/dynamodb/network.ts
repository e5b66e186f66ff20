/**
 * The network between Regions: which can reach each other. A witness counts as a Region that serves no
 * client.
 */
export class Network {
  readonly #sides = new Map<string, number>();
  readonly #lost = new Set<string>();

  /**
   * Splits the network. Regions of different groups cannot reach each other; a Region in no group is alone.
   */
  partition(groups: readonly (readonly string[])[]): void {
    this.#sides.clear();
    for (const [side, group] of groups.entries()) for (const region of group) this.#sides.set(region, side);
  }

  heal(): void {
    this.#sides.clear();
  }

  /** Cuts the Region off from clients and Regions. Its data stays. */
  lose(region: string): void {
    this.#lost.add(region);
  }

  bringBack(region: string): void {
    this.#lost.delete(region);
  }

  isLost(region: string): boolean {
    return this.#lost.has(region);
  }

  /** Whether the Region can reach any other. */
  hears(region: string): boolean {
    if (this.#lost.has(region)) return false;
    const side = this.#sides.get(region);
    return (
      this.#sides.size === 0 || [...this.#sides].some(([other, its]) => other !== region && its === side)
    );
  }

  reaches(from: string, to: string): boolean {
    if (this.#lost.has(from) || this.#lost.has(to)) return false;
    return from === to || this.#sides.size === 0 || this.#isOnOneSide(from, to);
  }

  #isOnOneSide(a: string, b: string): boolean {
    const side = this.#sides.get(a);
    return side !== undefined && side === this.#sides.get(b);
  }
}
