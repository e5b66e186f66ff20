/** The promises of a reader of streams, for any order of events that a scheduler produces. */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { EventSourceMapping, type ListedShard } from '../../local/aws/event-source-mapping.ts';
import type { Fate } from './calls.ts';
import { type Mode, type Outcome, type Plan, REGIONS, run, violationOf } from './streams.ts';

/** Calls in total, of the store and of its streams. */
const OPERATIONS =
  process.env.COUNTERSIGN_MODEL === 'deep' ? 1_000_000 : process.env.CI === 'true' ? 100_000 : 10_000;
let operations = 0;
afterAll(() => console.log(`${operations.toLocaleString('en')} calls of tables and streams scheduled`));

const region = fc.constantFrom(...REGIONS);
const write = fc.record({
  kind: fc.constantFrom('register' as const, 'delete' as const),
  region,
  user: fc.constantFrom('ada', 'bob', 'eve'),
});
const disturbance = fc.oneof(
  fc.record({ kind: fc.constantFrom('partition' as const, 'heal' as const, 'replicate' as const) }),
  fc.record({ kind: fc.constant('deliver' as const), pick: fc.nat(9), combined: fc.boolean() }),
  fc.record({ kind: fc.constantFrom('lose' as const, 'return' as const, 'restart' as const), region }),
  fc.record({
    ...{ kind: fc.constant('split' as const), region, pick: fc.nat(9) },
    children: fc.integer({ min: 1, max: 3 }),
  }),
  // An iterator expires; a shard is closed.
  fc.record({ kind: fc.constant('time' as const), ms: fc.constantFrom(1_000, 1_000_000, 15_000_000) }),
);
const mostly = <T>(weight: number, usual: T, ...others: T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });
const plan = (mode: Mode) =>
  fc.record({
    mode: fc.constant(mode),
    shards: fc.integer({ min: 1, max: 3 }),
    batchSize: fc.integer({ min: 1, max: 5 }),
    writes: fc.array(write, { minLength: 1, maxLength: 20, size: 'max' }),
    disturbances: fc.array(disturbance, { maxLength: 12, size: 'max' }),
    polls: fc.nat(40),
    picks: fc.infiniteStream(fc.nat(999)),
    fates: fc.infiniteStream(mostly<Fate>(24, 'answered', 'throttled', 'lost', 'late', 'ended')),
    outcomes: fc.infiniteStream(mostly<Outcome>(5, 'handled', 'reported', 'thrown', 'hangs')),
  });

/** A history is right for a reader. */
function property(mode: Mode, Reader: typeof EventSourceMapping) {
  return fc.asyncProperty(fc.scheduler(), plan(mode), async (s, { picks, fates, outcomes, ...rest }) => {
    const given: Plan = {
      ...rest,
      picks: () => picks.next().value,
      fates: () => fates.next().value,
      outcomes: () => outcomes.next().value,
    };
    const history = await run(s, given, Reader);
    operations += history.operations;
    const violation = violationOf(history, mode);
    if (violation !== undefined) throw new Error(violation);
  });
}

describe.each(['strong', 'eventual'] as const)('in %s mode', (mode) => {
  it('every acknowledged change is handled at least once, in the order of its item', async () => {
    const enough = operations + OPERATIONS / 2;
    while (operations < enough) await fc.assert(property(mode, EventSourceMapping), { numRuns: 20 });
  });

  const seed = 20_261_128;

  it('a reader that takes children before their parents is found', async () => {
    class ChildrenAtOnce extends EventSourceMapping {
      protected override mayStart(): boolean {
        return true;
      }
    }
    const found = await fc.check(property(mode, ChildrenAtOnce), {
      seed,
      numRuns: 1_000,
      endOnFailure: true,
    });
    expect(String(found.errorInstance)).toMatch(/handled a change of \S+ before an earlier one/);
  });

  it('a reader that takes a parent for expired because one list lacks it is found', async () => {
    class OneList extends EventSourceMapping {
      protected override mayStart(shard: ListedShard, listed: ReadonlySet<string>): boolean {
        return super.mayStart(shard, listed, listed);
      }
    }
    const found = await fc.check(property(mode, OneList), { seed, numRuns: 5_000, endOnFailure: true });
    expect(String(found.errorInstance)).toMatch(/handled a change of \S+ before an earlier one/);
  });

  it('a reader that starts again at LATEST is found', async () => {
    class LatestAtRestart extends EventSourceMapping {
      #restarted = false;
      override restart(): void {
        this.#restarted = true;
        super.restart();
      }
      protected override positionAfter(sequenceNumber: string | undefined): object {
        return this.#restarted ? { ShardIteratorType: 'LATEST' } : super.positionAfter(sequenceNumber);
      }
    }
    const found = await fc.check(property(mode, LatestAtRestart), {
      seed,
      numRuns: 1_000,
      endOnFailure: true,
    });
    expect(String(found.errorInstance)).toMatch(/missed the last change|missed the change|before an earlier/);
  });
});

it('one seed is one history, step by step', async () => {
  const traces = async (seed: number) => {
    const seen: (readonly string[])[] = [];
    const traced = fc.asyncProperty(fc.scheduler(), plan('eventual'), async (s, drawn) => {
      const { picks, fates, outcomes } = drawn;
      const given: Plan = {
        ...drawn,
        picks: () => picks.next().value,
        fates: () => fates.next().value,
        outcomes: () => outcomes.next().value,
      };
      seen.push((await run(s, given, EventSourceMapping)).trace);
    });
    await fc.assert(traced, { seed, numRuns: 20 });
    return seen;
  };
  const first = await traces(20_261_128);
  expect(await traces(20_261_128)).toEqual(first);
  expect(first.flat().length).toBeGreaterThan(1_000);
  expect(await traces(7)).not.toEqual(first);
});
