/**
 * A copy of something in a store, with its age: it serves while it is refreshed, and while that fails, up to
 * a limit.
 */
import { Unavailable } from '../adapters/call.ts';

interface CopyOptions<T> {
  readonly part: string;
  /** @param held the copy so far */
  readonly read: (held: T | undefined) => Promise<T>;
  readonly refreshMs: number;
  /**
   * Least time between two reads that no request waits for: forged kids and a failing store cause no load.
   */
  readonly cooldownMs: number;
  readonly maxAgeMs: number;
  readonly nowMs: () => number;
  readonly failed: (error: unknown) => void;
}

export class Copy<T> {
  readonly #options: CopyOptions<T>;
  #held: T | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #refreshing: Promise<void> | undefined;

  constructor(options: CopyOptions<T>) {
    this.#options = options;
  }

  /** @throws Unavailable */
  async current(): Promise<T> {
    const { part, refreshMs } = this.#options;
    if (this.#held === undefined || this.remainingMs() < 0) {
      const readAtMs = this.#readAtMs;
      const isJoined = this.#refreshing !== undefined;
      await this.#refresh();
      // A read that Lambda froze under way succeeds when the function thaws, and is old by then.
      if (isJoined && this.#readAtMs !== readAtMs && this.remainingMs() < 0) await this.#refresh();
      if (this.#held === undefined || this.remainingMs() < 0) throw new Unavailable(part);
    } else if (this.#ageMs() > refreshMs) void this.refreshUnlessTried();
    return this.#held;
  }

  refreshUnlessTried(cooldownMs = this.#options.cooldownMs): Promise<void> | undefined {
    const sinceMs = Math.abs(this.#options.nowMs() - this.#triedAtMs);
    return sinceMs < cooldownMs ? this.#refreshing : this.#refresh();
  }

  remainingMs(): number {
    return this.#options.maxAgeMs - this.#ageMs();
  }

  /** Wall time at use: an instance may have slept for hours, and its clock may have been set back. */
  #ageMs(): number {
    return Math.abs(this.#options.nowMs() - this.#readAtMs);
  }

  /** One read at a time. A failed read is logged, and the copy stays. */
  #refresh(): Promise<void> {
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #read(): Promise<void> {
    const { read, nowMs, failed } = this.#options;
    const startedMs = nowMs();
    this.#triedAtMs = startedMs;
    try {
      this.#held = await read(this.#held);
      this.#readAtMs = startedMs;
    } catch (error) {
      failed(error);
    }
  }
}
