/** Readers of events miss nothing, for any order of calls, failures and crashes that a scheduler produces. */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { ALL_CLIENTS, type Events } from '../../lambda/adapters/events.ts';
import type { Fate } from './calls.ts';
import { CLIENTS, type Plan, run, type Variant, violationOf } from './events.ts';

/** Calls of the table in total. */
const OPERATIONS =
  process.env.COUNTERSIGN_MODEL === 'deep' ? 1_000_000 : process.env.CI === 'true' ? 100_000 : 10_000;
let operations = 0;
afterAll(() => console.log(`${operations.toLocaleString('en')} calls of the table of events scheduled`));

const fate = fc.oneof(
  { weight: 20, arbitrary: fc.constant<Fate>('answered') },
  { weight: 1, arbitrary: fc.constantFrom<Fate>('throttled', 'lost', 'late', 'ended') },
);
const plan = fc.record({
  shards: fc.array(
    fc.array(fc.record({ client: fc.constantFrom(...CLIENTS), user: fc.nat(2) }), {
      minLength: 1,
      maxLength: 5,
    }),
    { minLength: 1, maxLength: 4 },
  ),
  crashes: fc.nat(2),
  readers: fc.array(
    fc.record({
      order: fc.constantFrom(ALL_CLIENTS, ...CLIENTS),
      polls: fc.nat(12),
      limit: fc.integer({ min: 1, max: 6 }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  waits: fc.array(fc.constantFrom(100, 2_000, 6_000, 60_000), { maxLength: 8, size: 'max' }),
  fates: fc.infiniteStream(fate),
});

const property = (variant?: Variant) =>
  fc.asyncProperty(fc.scheduler(), plan, async (s, { fates, ...rest }) => {
    const given: Plan = { ...rest, fates: () => fates.next().value };
    const history = await run(s, given, variant);
    operations += history.operations;
    const violation = violationOf(history);
    if (violation !== undefined) throw new Error(violation);
  });

it('every reader reads every event, in the order of its record', async () => {
  const enough = operations + OPERATIONS;
  while (operations < enough) await fc.assert(property(), { numRuns: 20 });
});

describe('a naive variant is found:', () => {
  const find = async (variant: Variant) => {
    const found = await fc.check(property(variant), { seed: 20_261_128, numRuns: 3_000, endOnFailure: true });
    return String(found.errorInstance);
  };

  it('a reader that goes on behind a hole', async () => {
    const reader = (events: Events) => async (input: { client: string; after: number; limit: number }) => {
      const items = await events.query(input.client, input.after, input.limit);
      const page = items.flatMap(({ seq, cursorMs, event }) =>
        event ? [{ seq, cursorMs, ...event, clientId: event.data.client_id }] : [],
      );
      const last = items.at(-1);
      return { events: page, next: last?.seq ?? input.after, nextMs: last?.cursorMs, passed: false };
    };
    expect(await find({ reader })).toMatch(/missed number/);
  });

  it('a reader that passes a hole after a while, without closing it', async () => {
    const events = (real: Events): Events => {
      const closed = new Map<
        string,
        { seq: number; writtenAtMs: number; cursorMs: number; event: undefined }[]
      >();
      return {
        ...real,
        async close(order, seq, nowMs) {
          closed.set(order, [
            ...(closed.get(order) ?? []),
            { seq, writtenAtMs: nowMs, cursorMs: nowMs, event: undefined },
          ]);
        },
        async query(order, after, limit) {
          const items = await real.query(order, after, limit);
          const more = (closed.get(order) ?? []).filter(
            ({ seq }) => seq > after && !items.some((item) => item.seq === seq),
          );
          return [...items, ...more].sort((a, b) => a.seq - b.seq);
        },
      };
    };
    expect(await find({ events })).toMatch(/missed number/);
  });

  it('an outbox that does not take another number where its own is closed', async () => {
    const events = (real: Events): Events => ({
      ...real,
      async put(...args) {
        await real.put(...args);
        return true;
      },
    });
    expect(await find({ events })).toMatch(/lacks the event|missed number|before an earlier/);
  });
});

it('one seed is one history, step by step', async () => {
  const traces = async (seed: number) => {
    const seen: (readonly string[])[] = [];
    const traced = fc.asyncProperty(fc.scheduler(), plan, async (s, { fates, ...rest }) => {
      seen.push((await run(s, { ...rest, fates: () => fates.next().value })).trace);
    });
    await fc.assert(traced, { seed, numRuns: 10 });
    return seen;
  };
  const first = await traces(20_261_128);
  expect(await traces(20_261_128)).toEqual(first);
  expect(first.flat().length).toBeGreaterThan(300);
});
