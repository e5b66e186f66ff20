/**
 * No valid signature is refused: over random lags, ages, skews and crash points, and over years of simulated
 * time.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeyLags } from '../../../protocol/key-windows.ts';
import { keyWindows } from '../../../protocol/key-windows.ts';
import { DAY, HOUR, LAGS, MINUTE } from './parts.ts';
import {
  type Outcome,
  type SimulatedReader,
  type SimulatedRotation,
  type Simulation,
  simulate,
} from './simulation.ts';

const STEP = MINUTE / 2;
const steps = (min: number, max: number) => fc.integer({ min, max }).map((n) => n * STEP);

const lags: fc.Arbitrary<KeyLags> = fc.record({
  replicationMs: steps(1, 10),
  verifierAgeMs: steps(0, 20),
  signerAgeMs: steps(0, 20),
  maxLifeMs: steps(1, 20),
  clockErrorMs: steps(0, 6),
  rotationTimeMs: steps(0, 10),
});

/** Reads at every opportunity, never, or rarely once the next version is published. */
const reading = fc.constantFrom<SimulatedReader['reads']>(
  () => true,
  () => false,
  (now, publishedAt) => now % (7 * STEP) === 0 || now < publishedAt,
);
const reader = (clockErrorMs: number): fc.Arbitrary<SimulatedReader> =>
  fc.record({ skewMs: fc.constantFrom(-clockErrorMs, 0, clockErrorMs), reads: reading });

const simulation: fc.Arbitrary<Simulation> = lags.chain((each) => {
  const { clockErrorMs, replicationMs, rotationTimeMs } = each;
  const { minRotationMs } = keyWindows(each);
  const rotation: fc.Arbitrary<SimulatedRotation> = fc.record({
    atMs: fc.integer({ min: 0, max: Math.ceil((2 * minRotationMs) / STEP) }).map((n) => n * STEP),
    // In time, and late.
    delaysMs: fc.array(fc.constantFrom(0, 0, 0, STEP, rotationTimeMs, 2 * rotationTimeMs), { maxLength: 4 }),
    crashesAfter: fc.constantFrom(undefined, undefined, undefined, undefined, undefined, 1, 2, 3),
  });
  const readers = fc.tuple(reader(clockErrorMs), reader(clockErrorMs));
  return fc.record({
    lags: fc.constant(each),
    stepMs: fc.constant(STEP),
    endMs: fc.constant(3 * minRotationMs),
    rotations: fc.array(rotation, { minLength: 1, maxLength: 4 }),
    rotatorSkewMs: fc.oneof(
      fc.constantFrom(-clockErrorMs, clockErrorMs).map((skew) => () => skew),
      fc
        .infiniteStream(fc.constantFrom(-clockErrorMs, clockErrorMs))
        .map((skews) => () => skews.next().value),
    ),
    replicaLagMs: fc.constantFrom(0, replicationMs),
    signers: readers,
    verifiers: readers,
  });
});

const kept = ({ refused, keyless }: Outcome) =>
  expect({ refused, keyless }).toEqual({ refused: [], keyless: 0 });

describe('no valid signature is refused', () => {
  it('for any lag up to L, ages up to V and S, clock errors up to E, late, crashed and overlapping rotations', async () => {
    let signedByNew = 0;
    await fc.assert(
      fc.asyncProperty(simulation, async (each) => {
        const outcome = await simulate(each);
        kept(outcome);
        signedByNew += outcome.signed.length - 1;
      }),
      { numRuns: 40 },
    );
    expect(signedByNew).toBeGreaterThan(5);
  });

  /** The same with realistic durations, by a schedule. */
  const scheduled = (each: KeyLags, periodMs: number, endMs: number, stepMs: number): Simulation => ({
    lags: each,
    stepMs,
    endMs,
    rotations: Array.from({ length: Math.floor(endMs / periodMs) }, (_, i) => ({
      atMs: i * periodMs,
      // One is interrupted and one ends too late; the next follows a period later.
      crashesAfter: i === 2 ? 2 : undefined,
      delaysMs: [0, 0, 0, i === 4 ? 2 * stepMs : 0],
    })),
    rotatorSkewMs: () => -each.clockErrorMs,
    replicaLagMs: each.replicationMs,
    signers: [
      { skewMs: each.clockErrorMs, reads: () => true },
      { skewMs: -each.clockErrorMs, reads: () => false },
    ],
    verifiers: [
      { skewMs: -each.clockErrorMs, reads: () => false },
      { skewMs: each.clockErrorMs, reads: (now) => now % (3 * HOUR) === 0 },
    ],
  });

  it('in a year of monthly rotations of the nonce key, two of which fail', async () => {
    const outcome = await simulate(scheduled(LAGS, 30 * DAY, 366 * DAY, 4 * HOUR));
    kept(outcome);
    // The first key, and those of ten rotations.
    expect(outcome.signed).toHaveLength(11);
    expect(outcome.failed).toHaveLength(1);
  });

  it('in three years of client roots, whose keys live for 90 days', async () => {
    const roots = { ...LAGS, maxLifeMs: 90 * DAY };
    const outcome = await simulate(scheduled(roots, 180 * DAY, 3 * 366 * DAY, 12 * HOUR));
    kept(outcome);
    expect(outcome.signed).toHaveLength(5);
  });
});

describe('the simulation finds', () => {
  const tight: KeyLags = {
    replicationMs: 4 * STEP,
    verifierAgeMs: 10 * STEP,
    signerAgeMs: 6 * STEP,
    maxLifeMs: 4 * STEP,
    clockErrorMs: 4 * STEP,
    rotationTimeMs: 6 * STEP,
  };
  const E = tight.clockErrorMs;
  /**
   * The worst case within the bounds: a slow clock makes the key, it is published late, and a fast clock
   * signs with it.
   */
  const worst: Simulation = {
    lags: tight,
    stepMs: STEP,
    endMs: 2 * keyWindows(tight).minRotationMs,
    rotations: [{ atMs: 0, delaysMs: [0, 0, 0, tight.rotationTimeMs] }],
    rotatorSkewMs: () => -E,
    replicaLagMs: tight.replicationMs,
    signers: [
      { skewMs: E, reads: () => true },
      { skewMs: E, reads: () => false },
    ],
    verifiers: [
      { skewMs: -E, reads: () => false },
      // Reads until the replica is about to change, then never again.
      { skewMs: -E, reads: (now, publishedAt) => now < publishedAt + tight.replicationMs },
    ],
  };

  it('nothing without a planted fault', async () => {
    const outcome = await simulate(worst);
    kept(outcome);
    expect(outcome.signed).toHaveLength(2);
  });

  it.each<[string, Partial<KeyLags>]>([
    ['a publish wait that is skipped', { replicationMs: 0, verifierAgeMs: 0, clockErrorMs: 0 }],
    ['one E instead of two', { clockErrorMs: E / 2 }],
    ['a publish wait without L', { replicationMs: 0 }],
    ['a publish wait without V', { verifierAgeMs: 0 }],
  ])('%s', async (_, wrong) => {
    const { refused } = await simulate({ ...worst, rotatorLags: { ...tight, ...wrong } });
    expect(refused.length).toBeGreaterThan(0);
  });

  it('a rotator without X: a slow rotation never completes', async () => {
    const forgotten = { ...worst, rotatorLags: { ...tight, rotationTimeMs: 0 }, watches: false };
    const { signed, failed } = await simulate(forgotten);
    expect(signed).toHaveLength(1);
    expect(failed[0]).toContain('would sign too early');
  });

  it('a live key that is dropped', async () => {
    const spoil: NonNullable<Simulation['spoil']> = (keyset) => ({ ...keyset, keys: keyset.keys.slice(-1) });
    expect((await simulate({ ...worst, spoil })).refused.length).toBeGreaterThan(0);
  });

  it('a copy that is used beyond its hard limit', async () => {
    expect((await simulate({ ...worst, maxAgeFactor: 3 })).refused.length).toBeGreaterThan(0);
  });

  it('a leftover AWSPENDING that nobody removes: no new key is made', async () => {
    const crashed = { atMs: 0, delaysMs: [], crashesAfter: 1 };
    const later = { atMs: 3 * tight.rotationTimeMs, delaysMs: [] };
    const again = { ...worst, rotations: [crashed, later] };
    expect((await simulate(again)).signed).toHaveLength(2);
    const { signed, failed } = await simulate({ ...again, watches: false });
    expect(signed).toHaveLength(1);
    expect(failed).toEqual([expect.stringContaining("isn't complete")]);
  });
});
