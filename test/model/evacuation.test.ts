/**
 * An evacuated Region stays out for a simulated year. It returns only on command, and only when it is good.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alarmCheck, alarmData, type DataPoint, isForgotten } from '../../local/dns/health-check.ts';
import { type EvacuationFlag, evacuationMetric } from '../../protocol/evacuation.ts';
import { CameBack, type Event, liveThrough, NAMES, type Step, type Variant } from './evacuation.ts';

const YEAR_MS = 365 * 24 * 3_600_000;
const region = fc.constantFrom(...NAMES);
const calls = fc.constantFrom(2, 2, 2, 1, 0);
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('evacuate' as const), region, calls }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('return-region' as const), region, calls }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom('lose', 'return', 'return', 'lose-table', 'break', 'mend', 'restart'),
      region,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('metrics', 'alarms'), arrive: fc.boolean() }) },
);
const WEEK = 7 * 24 * 60;
const step: fc.Arbitrary<Step> = fc.record({
  event,
  minutes: fc.integer({ min: 0, max: 12 }),
  silentMinutes: fc.oneof(
    fc.constant(0),
    fc.integer({ min: 1, max: 60 }),
    fc.integer({ min: 60, max: 3 * WEEK }),
  ),
});
/** A year or more: the last step may take any time. */
const year = fc.array(step, { minLength: 8, maxLength: 40 }).map((steps) => {
  const minutes = steps.reduce((sum, each) => sum + each.minutes + each.silentMinutes, 0);
  const rest = Math.max(0, YEAR_MS / 60_000 - minutes);
  const [last] = steps.slice(-1);
  return [...steps.slice(0, -1), { ...last!, silentMinutes: last!.silentMinutes + rest }];
});

let evacuations = 0;
const property = (variant: Variant) =>
  fc.asyncProperty(year, async (steps) => {
    const { ms, evacuated } = await liveThrough(steps, variant);
    expect(ms).toBeGreaterThanOrEqual(YEAR_MS);
    evacuations += evacuated;
  });

describe('an evacuated Region', () => {
  it('stays out for a year, whatever restarts or is lost, even the keeper; it returns only on command and when good', async () => {
    await fc.assert(property({ metric: 'flag', without: 'LastKnownStatus' }), { numRuns: 150 });
    expect(evacuations).toBeGreaterThan(50);
  });

  it.each([
    ['a metric that stops, healthy without data', { metric: 'once', without: 'Healthy' }],
    ['a metric that goes on, healthy without data', { metric: 'flag', without: 'Healthy' }],
  ] as const)('comes back with the naive variant %s, and the same test finds it', async (_, variant) => {
    const found = await fc.check(property(variant), { numRuns: 300 });
    expect(found.failed).toBe(true);
    expect(found.errorInstance).toBeInstanceOf(CameBack);
  });

  it('stays out in each minute of a year with an unreliable keeper, and comes back on command', () => {
    const random = fc.sample(fc.integer({ min: 1, max: 3_000 }), { numRuns: 2_000, seed: 20_261_127 });
    let points: DataPoint[] = [];
    let flag: EvacuationFlag = { stands: true, sinceMs: 0 };
    let notEvacuated = true;
    let up = true;
    let next = random[0]!;
    let spells = 0;
    const minute = (i: number) => {
      const nowMs = i * 60_000;
      if (i >= next) {
        up = !up;
        next = i + random[++spells % random.length]!;
      }
      const value = evacuationMetric(flag, nowMs);
      points = points.filter((point) => !isForgotten(point, nowMs, 60_000));
      if (up && value !== undefined) points.push({ atMs: nowMs, value });
      notEvacuated = alarmCheck(notEvacuated, alarmData(points, nowMs, 60_000), 'LastKnownStatus');
    };
    let i = 0;
    for (; i < 365 * 24 * 60; i++) {
      minute(i);
      if (notEvacuated) throw new Error(`back in minute ${i}`);
    }
    expect(spells).toBeGreaterThan(200);
    up = true;
    next = Number.POSITIVE_INFINITY;
    flag = { stands: false, returnedMs: i * 60_000 };
    minute(i);
    expect(notEvacuated).toBe(true);
    // After ten minutes nothing is published any more, and that changes nothing.
    for (let j = 1; j < 60; j++) minute(i + j);
    expect([notEvacuated, points]).toEqual([true, []]);
  });
});
