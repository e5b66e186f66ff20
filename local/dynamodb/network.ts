/** Which Regions hear of each other. A witness is a Region too: it holds copies and answers nobody. */
export class Network {
  readonly #sides = new Map<string, number>();
  readonly #lost = new Set<string>();

  /** Regions of different groups do not hear of each other; one that no group names is alone. */
  partition(groups: readonly (readonly string[])[]): void {
    this.#sides.clear();
    for (const [side, group] of groups.entries()) for (const region of group) this.#sides.set(region, side);
  }

  heal(): void {
    this.#sides.clear();
  }

  /** The Region answers nobody and hears of nobody; what it holds stays. */
  lose(region: string): void {
    this.#lost.add(region);
  }

  bringBack(region: string): void {
    this.#lost.delete(region);
  }

  isLost(region: string): boolean {
    return this.#lost.has(region);
  }

  /** Whether the Region hears of any other. */
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
