/**
 * The arithmetic of leases, over one counter and any number of instances, on a clock that the test controls.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  blockSize,
  counterTtlS,
  granted,
  grants,
  isSpent,
  refused,
  type Share,
  secondsLeft,
  shareAt,
  spend,
  WINDOW_MS,
  windowAt,
} from '../../protocol/quota.ts';

const T0 = 29_926_800 * WINDOW_MS;

/** Instances that lease and spend as scripted, and counters by window. */
function fleet(instances: number, limit: number) {
  const counters = new Map<number, number>();
  const shares: (Share | undefined)[] = Array(instances).fill(undefined);
  const accepted = new Map<number, number>();
  let leases = 0;
  return {
    counters,
    accepted,
    get leases() {
      return leases;
    },
    /** @returns whether one request is accepted, while `waiting` other requests wait at this instance */
    ask(instance: number, nowMs: number, waiting = 1): boolean {
      let share = shareAt(shares[instance], nowMs);
      while (share.left === 0 && !isSpent(share, limit)) {
        const n = blockSize(share, limit, waiting, nowMs);
        const leased = counters.get(share.window) ?? 0;
        leases += 1;
        if (grants(leased, n, limit)) {
          counters.set(share.window, leased + n);
          share = granted(share, n, leased + n, nowMs);
        } else share = refused(share, n, limit);
      }
      const ok = share.left > 0;
      shares[instance] = ok ? spend(share) : share;
      if (ok) accepted.set(share.window, (accepted.get(share.window) ?? 0) + 1);
      return ok;
    },
  };
}

describe('windows', () => {
  it('are fixed minutes, and state the seconds until they end', () => {
    expect(windowAt(T0)).toBe(29_926_800);
    expect(windowAt(T0 - 1)).toBe(29_926_799);
    expect(secondsLeft(windowAt(T0), T0)).toBe(60);
    expect(secondsLeft(windowAt(T0), T0 + 58_999)).toBe(2);
    expect(secondsLeft(windowAt(T0), T0 + 59_999)).toBe(1);
  });

  it('keep their counter for 15 minutes longer', () => {
    expect(counterTtlS(windowAt(T0))).toBe((T0 + WINDOW_MS) / 1000 + 900);
  });
});

describe('leases', () => {
  it('never add up to more than the limit in any window, whatever the timing', () => {
    const ask = fc.record({
      instance: fc.nat(5),
      waiting: fc.integer({ min: 1, max: 40 }),
      stepMs: fc.oneof(fc.constant(0), fc.nat(50), fc.nat(40_000)),
    });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.array(ask, { minLength: 50, maxLength: 400 }),
        (limit, asks) => {
          const all = fleet(6, limit);
          let nowMs = T0;
          for (const { instance, waiting, stepMs } of asks) {
            nowMs += stepMs;
            all.ask(instance, nowMs, waiting);
          }
          for (const [window, leased] of all.counters) {
            expect(leased).toBeLessThanOrEqual(limit);
            expect(all.accepted.get(window) ?? 0).toBeLessThanOrEqual(leased);
          }
        },
      ),
    );
  });

  it('use the whole limit if every instance keeps asking', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 8 }), (limit, instances) => {
        const all = fleet(instances, limit);
        const accepted = Array.from({ length: limit * (instances + 2) }, (_, i) =>
          all.ask(i % instances, T0 + i),
        );
        expect(accepted.filter(Boolean)).toHaveLength(limit);
      }),
    );
  });

  it('leave nothing unused: the last permit goes to the first who asks', () => {
    const all = fleet(3, 10);
    const accepted = Array.from({ length: 30 }, (_, i) => all.ask(i % 3, T0, 10));
    expect(accepted.filter(Boolean)).toHaveLength(10);
  });

  it('leave few permits unused if one instance reaches the limit while the others are idle', () => {
    const all = fleet(5, 1000);
    let accepted = 0;
    while (all.ask(accepted % 5, T0)) accepted += 1;
    expect(accepted).toBeGreaterThanOrEqual(950);
  });

  it('end with their window: permits of the last one do not count in the next', () => {
    const all = fleet(1, 100);
    for (let i = 0; i < 50; i++) all.ask(0, T0 + 59_000);
    const inHand = all.counters.get(windowAt(T0))! - 50;
    expect(inHand).toBeGreaterThan(0);
    for (let i = 0; i < 200; i++) all.ask(0, T0 + WINDOW_MS);
    expect(all.accepted.get(windowAt(T0) + 1)).toBe(100);
  });

  it('are of one permit if the instance is slow, so that none is left unused', () => {
    const all = fleet(1, 1000);
    for (let i = 0; i < 5; i++) expect(all.ask(0, T0 + i * 10_000)).toBe(true);
    expect(all.leases).toBe(5);
    expect(all.counters.get(windowAt(T0))).toBe(5);
  });

  it('cost few writes on a busy instance, and no instance holds more than five seconds of its pace', () => {
    const all = fleet(1, 6000);
    for (let i = 0; i < 6000; i++) {
      expect(all.ask(0, T0 + i * 10)).toBe(true);
      const inHand = all.counters.get(windowAt(T0))! - (i + 1);
      expect(inHand).toBeLessThanOrEqual(500);
    }
    expect(all.leases / 6000).toBeLessThan(0.02);
  });

  it('shrink towards the end of the window: nobody needs five seconds of permits for its last second', () => {
    const share: Share = { window: windowAt(T0), left: 0, leased: 0, block: 100, leasedAtMs: T0 + 58_000 };
    expect(blockSize(share, 6000, 1, T0 + 59_000)).toBe(100);
    expect(blockSize(share, 6000, 1, T0 + 59_500)).toBe(33);
  });
});
