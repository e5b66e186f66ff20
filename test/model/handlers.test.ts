/** The promises of the real handlers, for any order of their store calls that a scheduler produces. */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { readNonce } from '../../protocol/nonce.ts';
import type { Fate } from './calls.ts';
import { type Answered, type History, type Mode, type Plan, REGIONS, run } from './handlers.ts';

/** Store calls in total. `npm run model` runs ten times as many as `npm test`. */
const OPERATIONS =
  process.env.COUNTERSIGN_MODEL === 'deep' ? 1_000_000 : process.env.CI === 'true' ? 100_000 : 10_000;
let operations = 0;
afterAll(() => console.log(`${operations.toLocaleString('en')} store calls scheduled`));

const region = fc.constantFrom(...REGIONS);
const proof = fc.record({
  kind: fc.oneof(
    { weight: 4, arbitrary: fc.constant('register' as const) },
    { weight: 1, arbitrary: fc.constant('delete' as const) },
  ),
  region,
  user: fc.constantFrom('ada', 'bob'),
  email: fc.constantFrom('x@example.com', 'y@example.com'),
});
const disturbance = fc.oneof(
  fc.constant({ kind: 'replicate' as const }),
  fc.constant({ kind: 'partition' as const }),
  fc.constant({ kind: 'heal' as const }),
  fc.record({ kind: fc.constantFrom('lose' as const, 'return' as const), region }),
  fc.record({ kind: fc.constant('time' as const), ms: fc.constantFrom(1_000, 30_000, 400_000) }),
);
const fate: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 14, arbitrary: fc.constant('answered' as const) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('throttled' as const, 'lost' as const, 'late' as const, 'ended' as const),
  },
);
const plan = (mode: Mode) =>
  fc.array(proof, { minLength: 1, maxLength: 4 }).chain((proofs) =>
    fc.record({
      mode: fc.constant(mode),
      skew: fc.record({
        a: fc.integer({ min: -2_000, max: 2_000 }),
        b: fc.integer({ min: -2_000, max: 2_000 }),
      }),
      proofs: fc.constant(proofs),
      deliveries: fc.array(fc.record({ proof: fc.nat(proofs.length - 1), region, instance: fc.nat(1) }), {
        minLength: 2,
        maxLength: 8,
      }),
      disturbances: fc.array(disturbance, { maxLength: 4 }),
      fates: fc.infiniteStream(fate),
    }),
  );

/**
 * Runs plans until enough store calls were made. fast-check prints the seed and the shortest plan of a
 * failure.
 */
async function check(mode: Mode, holds: (history: History, plan: Plan) => void): Promise<void> {
  const property = fc.asyncProperty(fc.scheduler(), plan(mode), async (s, { fates, ...rest }) => {
    const given: Plan = { ...rest, fates: () => fates.next().value as Fate };
    const history = await run(s, given);
    operations += history.operations;
    holds(history, given);
  });
  const enough = operations + OPERATIONS / 2;
  while (operations < enough) await fc.assert(property, { numRuns: 50 });
}

/** This answer's nonce was used up, whatever the outcome. */
const consumed = ({ status, code, headers }: Answered): boolean =>
  status === 201 || status === 204 || status === 409 || (code === 'use_nonce' && 'Retry-After' in headers);

function atMostOnce({ answers, used, nonces }: History, { proofs }: Plan): void {
  for (const [i, nonce] of nonces.entries()) {
    const mine = answers.filter((answer) => answer.proof === i);
    expect(mine.filter(consumed).length, `proof ${i} was accepted`).toBeLessThanOrEqual(1);
    for (const answer of mine.filter(consumed)) expect(answer.region).toBe(proofs[i]!.region);
    const rows = REGIONS.filter((name) => used[name].includes(nonce));
    expect(
      rows.every((name) => name === readNonce(nonce)!.region),
      'where the nonce was used',
    ).toBe(true);
  }
  expect(answers.filter(({ status }) => status === 500)).toEqual([]);
}

describe('one seed', () => {
  /** Both Regions write one registration at about the same time. */
  const CONTESTED: Plan = {
    mode: 'strong',
    skew: { a: 0, b: 0 },
    proofs: REGIONS.flatMap((region) =>
      (['register', 'delete', 'register'] as const).map((kind, i) => ({
        ...{ kind, region, user: 'ada', email: `${region}${i}@example.com` },
      })),
    ),
    deliveries: [0, 1, 2, 3, 4, 5].map((proof) => ({ proof, region: proof < 3 ? 'a' : 'b', instance: 0 })),
    disturbances: [],
    fates: () => 'answered',
  };

  /** What does not depend on the keys and ids, which are new each time. */
  async function replayed(seed: number): Promise<{ trace: readonly string[] }[]> {
    const seen: { trace: readonly string[] }[] = [];
    const property = fc.asyncProperty(fc.scheduler(), async (s) => {
      const { answers, registry, trace } = await run(s, CONTESTED);
      seen.push({ ...{ answers: answers.map(({ headers: _, ...answer }) => answer), registry, trace } });
    });
    await fc.assert(property, { seed, numRuns: 30 });
    return seen;
  }

  it('is one history, step by step, also where writes of two Regions conflict and wait', async () => {
    const first = await replayed(20_261_128);
    expect(await replayed(20_261_128)).toEqual(first);
    const waits = first.flatMap(({ trace }) => trace.filter((label) => label.startsWith('a wait of up to')));
    expect(waits.length).toBeGreaterThan(10);
    expect((await replayed(7)).map(({ trace }) => trace)).not.toEqual(first.map(({ trace }) => trace));
  });
});

describe('strong mode', () => {
  it('accepts no proof twice, loses no acknowledged change, and undoes no deletion', async () => {
    await check('strong', (history, given) => {
      atMostOnce(history, given);
      const { answers, registry } = history;
      expect(registry.a).toEqual(registry.b);
      for (const user of ['ada', 'bob']) {
        const of = answers.filter(({ proof }) => given.proofs[proof]!.user === user);
        const registered = of.filter(({ status }) => status === 201);
        // Every nonce is older than every deletion here: after an acknowledged deletion nothing returns.
        if (of.some(({ status }) => status === 204)) expect(registry.a[user]).toBe('deleted');
        else if (registered.length > 0 && !given.proofs.some(({ kind }) => kind === 'delete'))
          expect(registry.a[user]).toBe(registered[0]!.email);
        const deletes = given.proofs.some(({ kind, user: its }) => kind === 'delete' && its === user);
        // All clients with a 201 or 200 for this user have the same registration.
        if (!deletes) expect(new Set(registered.map(({ email }) => email)).size).toBeLessThanOrEqual(1);
      }
    });
  });
});

describe('eventual mode', () => {
  it('accepts no proof twice, and the Regions agree after all replication', async () => {
    await check('eventual', (history, given) => {
      atMostOnce(history, given);
      expect(history.registry.a).toEqual(history.registry.b);
    });
  });
});
