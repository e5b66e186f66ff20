/**
 * A clock that follows the machine's, but does not count pauses. A process can be paused by garbage
 * collection or by other processes on the same processor. Lags in milliseconds do not mean such pauses.
 */
const MOST_MS = 4;

export interface SteadyClock {
  readonly nowMs: () => number;
  /** Waits on this clock. */
  wait(ms: number): Promise<void>;
  stop(): void;
}

export function startSteadyClock(): SteadyClock {
  let nowMs = Date.now();
  let before = performance.now();
  const waiting = new Set<{ readonly untilMs: number; readonly resolve: () => void }>();
  const timer = setInterval(() => {
    const real = performance.now();
    nowMs += Math.min(real - before, MOST_MS);
    before = real;
    for (const each of waiting)
      if (each.untilMs <= nowMs) {
        waiting.delete(each);
        each.resolve();
      }
  }, 1);
  return {
    nowMs: () => nowMs,
    wait: (ms) => new Promise((resolve) => void waiting.add({ untilMs: nowMs + ms, resolve })),
    stop: () => clearInterval(timer),
  };
}
