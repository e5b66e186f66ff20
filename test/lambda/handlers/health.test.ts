/**
 * Health with its hold-down, and the refusals of an evacuated Region: the real handlers over a store without
 * a network.
 */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { Unavailable } from '../../../lambda/adapters/call.ts';
import { createEvacuations } from '../../../lambda/adapters/evacuations.ts';
import { createGoodness } from '../../../lambda/adapters/goodness.ts';
import { createWriteStop } from '../../../lambda/adapters/write-stop.ts';
import { healthHandler } from '../../../lambda/handlers/health.ts';
import type { HttpHandler } from '../../../lambda/http/handler.ts';
import { writesCheck } from '../../../lambda/request/writes.ts';
import { type Carry, dynamodbClientOn } from '../../../local/dynamodb/client.ts';
import { Dynamodb } from '../../../local/dynamodb/dynamodb.ts';
import { toEvent } from '../../support/regions.ts';

const T0 = Date.UTC(2026, 10, 23, 12);
const S = 1_000;
const HOLD_DOWN_MS = 180 * S;
const TABLE = 'countersign-test-limits-1';
const HERE = 'eu-west-1';

/** One Region: its `limits` table, and the state that a look finds. */
function world(holdDownMs = HOLD_DOWN_MS) {
  const clock = { nowMs: T0 };
  const is = { good: true, limits: true, slow: false };
  const writes: string[] = [];
  const store = new Dynamodb({ regions: [HERE], modeOf: () => 'regional', nowMs: () => clock.nowMs });
  store.ask(HERE, 'CreateTable', {
    TableName: TABLE,
    KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
    AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
  });
  const carry: Carry = async ({ region, operation, input }, db) => {
    if (!is.limits) throw new Error('down');
    if (operation === 'UpdateItem') writes.push(operation);
    return db.ask(region, operation, input);
  };
  const dynamodb = dynamodbClientOn(store, HERE, carry);
  const evacuations = createEvacuations(dynamodb, TABLE);
  const writeStop = createWriteStop(dynamodb, TABLE);
  const probe = async () => {
    if (is.slow) return new Promise<never>(() => {});
    if (!is.good) throw new Unavailable('ledger');
  };
  const instance = (): (() => Promise<{ status: number; json: Record<string, unknown> }>) => {
    const handler: HttpHandler = healthHandler({
      http: {
        region: HERE,
        errorDocsUrl: 'https://x.example/errors',
        nowMs: () => clock.nowMs,
        log: () => {},
      },
      ledger: { probe } as never,
      registry: { probe: async () => {} } as never,
      keysets: [],
      evacuations,
      writeStop,
      goodness: createGoodness(dynamodb, TABLE),
      holdDownMs,
    });
    return async () => {
      const { statusCode, body } = await handler(toEvent({ method: 'GET', path: '/v1/health' }));
      return { status: statusCode, json: JSON.parse(body) };
    };
  };
  return { clock, is, writes, evacuations, writeStop, dynamodb, instance };
}

let w: ReturnType<typeof world>;
beforeEach(() => {
  w = world();
});
/** Sends a request every five seconds. @returns the statuses */
async function ask(
  look: () => Promise<{ status: number }>,
  times: number,
  everyMs = 5 * S,
): Promise<number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < times; i++) {
    w.clock.nowMs += everyMs;
    statuses.push((await look()).status);
  }
  return statuses;
}

it('a stop of writes is said, and does not make the Region unhealthy', async () => {
  const look = w.instance();
  expect((await look()).json).not.toHaveProperty('writes');
  await w.writeStop.stop(w.clock.nowMs);
  w.clock.nowMs += 5 * S;
  expect(await look()).toMatchObject({ status: 200, json: { status: 'pass', writes: 'stopped' } });
  w.is.good = false;
  await ask(look, 2);
  expect((await look()).json).toMatchObject({ status: 'fail', writes: 'stopped' });
  await w.writeStop.resume();
  w.clock.nowMs += 5 * S;
  expect((await look()).json).not.toHaveProperty('writes');
});

describe('the hold-down', () => {
  it('a Region without earlier requests serves at once: it has not been unhealthy', async () => {
    expect(await ask(w.instance(), 1)).toEqual([200]);
  });

  it('one look that cannot read limits moves no traffic: the instance remembers its answer', async () => {
    const look = w.instance();
    expect(await ask(look, 2)).toEqual([200, 200]);
    w.is.limits = false;
    expect(await ask(look, 2)).toEqual([200, 503]);
  });

  it('a bad first look starts a hold-down once the Region is good', async () => {
    w.is.good = false;
    const look = w.instance();
    expect(await ask(look, 1)).toEqual([503]);
    w.is.good = true;
    expect((await ask(look, 30)).includes(200)).toBe(false);
  });

  it('a Region that was red stays red until it has been good for three minutes, on every instance', async () => {
    const look = w.instance();
    await ask(look, 2);
    w.is.good = false;
    expect(await ask(look, 2)).toEqual([200, 503]);
    w.is.good = true;
    const other = w.instance();
    const statuses = [...(await ask(look, 3)), ...(await ask(other, 30))];
    expect(statuses).toEqual(statuses.map(() => 503));
    expect((await w.instance()()).json).toMatchObject({
      status: 'fail',
      checks: { ledger: 'pass', registry: 'pass', keys: 'pass' },
      notes: ['hold-down'],
    });
    expect(await ask(look, 12)).toContain(200);
    const { status, json } = await w.instance()();
    expect([status, json.notes]).toEqual([200, undefined]);
  });

  it('one bad look of an instance that has just started moves no traffic; a second one does', async () => {
    await ask(w.instance(), 2);
    w.is.good = false;
    expect(await ask(w.instance(), 3)).toEqual([200, 503, 503]);
  });

  it('more than a minute of silence restarts it: nobody knows the state in between', async () => {
    await ask(w.instance(), 50);
    // The last note may be 15 seconds old.
    w.clock.nowMs += 40 * S;
    expect(await ask(w.instance(), 1)).toEqual([200]);
    w.clock.nowMs += 60 * S;
    expect(await ask(w.instance(), 1)).toEqual([503]);
  });

  it('a table that was down counts as silence, too', async () => {
    const look = w.instance();
    await ask(look, 2);
    w.is.limits = false;
    expect((await ask(look, 14)).at(-1)).toBe(503);
    expect((await w.instance()()).json).toMatchObject({ notes: ['limits'] });
    w.is.limits = true;
    expect(await ask(w.instance(), 1)).toEqual([503]);
  });

  it('a part that never answers counts as failed, and the answer does not wait for it', async () => {
    await ask(w.instance(), 2);
    w.is.slow = true;
    const look = w.instance();
    expect(await ask(look, 2)).toEqual([200, 503]);
    expect((await look()).json).toMatchObject({ checks: { ledger: 'fail', registry: 'pass' } });
  });

  it('causes four writes a minute, however many instances and requests there are', async () => {
    const looks = Array.from({ length: 20 }, () => w.instance());
    for (let i = 0; i < 60; i++) {
      w.clock.nowMs += S;
      await Promise.all(looks.map((look) => look()));
    }
    expect(w.writes.length).toBeGreaterThanOrEqual(4);
    // Instances that read the same state at once all try to write; one of them wins.
    expect(w.writes.length).toBeLessThanOrEqual(5 * looks.length);
    const alone = world();
    w = alone;
    await ask(alone.instance(), 60, S);
    expect(alone.writes.length).toBeLessThanOrEqual(5);
    alone.is.good = false;
    alone.writes.length = 0;
    await ask(alone.instance(), 60, S);
    expect(alone.writes.length).toBeLessThanOrEqual(5);
  });

  it('does not exist without checkers, and then nothing is stored', async () => {
    w = world(0);
    const look = w.instance();
    await ask(look, 2);
    w.clock.nowMs += 3_600 * S;
    expect(await ask(look, 1)).toEqual([200]);
    expect(w.writes).toEqual([]);
  });

  it('whatever happens to instances and to the table: no 200 within three minutes after a settled 503', async () => {
    const step = fc.record({
      instance: fc.nat({ max: 2 }),
      ms: fc.constantFrom(5 * S, 7 * S, 11 * S, 20 * S),
      good: fc.boolean(),
      runs: fc.integer({ min: 1, max: 12 }),
      restart: fc.boolean(),
      limits: fc.oneof(
        { weight: 5, arbitrary: fc.constant(true) },
        { weight: 1, arbitrary: fc.constant(false) },
      ),
    });
    let reds = 0;
    let greens = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        w = world();
        const looks = [w.instance(), w.instance(), w.instance()];
        const NEVER = Number.NEGATIVE_INFINITY;
        let redMs = NEVER;
        /** While the table is down, only the instance that answers can know. */
        const ownRedMs = [NEVER, NEVER, NEVER];
        for (const { instance, ms, good, runs, restart, limits } of steps) {
          w.is.good = good;
          w.is.limits = limits;
          if (restart) {
            looks[instance] = w.instance();
            ownRedMs[instance] = NEVER;
          }
          for (let i = 0; i < runs; i++) {
            w.clock.nowMs += ms;
            const { status, json } = await looks[instance]!();
            if (status === 503 && !((json.notes ?? []) as string[]).includes('hold-down')) {
              ownRedMs[instance] = w.clock.nowMs;
              if (limits) redMs = w.clock.nowMs;
              reds += 1;
            }
            if (status !== 200) continue;
            greens += 1;
            const goodMs = w.clock.nowMs - Math.max(ownRedMs[instance]!, limits ? redMs : NEVER);
            if (goodMs < HOLD_DOWN_MS) throw new Error(`back after ${goodMs} ms`);
          }
        }
      }),
      { numRuns: 150 },
    );
    expect([reds > 100, greens > 100]).toEqual([true, true]);
  });
});

describe('an evacuated Region', () => {
  it('is red within two looks, says why, and after its return stays red for the hold-down', async () => {
    const look = w.instance();
    await ask(look, 2);
    await w.evacuations.evacuate(HERE, w.clock.nowMs);
    expect(await ask(look, 2)).toEqual([200, 503]);
    expect((await look()).json).toMatchObject({ notes: ['evacuated'], checks: { ledger: 'pass' } });
    w.clock.nowMs += 365 * 24 * 3_600 * S;
    expect(await ask(look, 1)).toEqual([503]);
    await w.evacuations.return(HERE, w.clock.nowMs);
    expect((await ask(look, 30)).includes(200)).toBe(false);
    expect((await ask(look, 20)).at(-1)).toBe(200);
  });

  it('has a flag without an end: only the return gives it one', async () => {
    const item = async () => {
      const { Item } = (await w.dynamodb.send({
        constructor: { name: 'GetItemCommand' },
        input: { TableName: TABLE, Key: { pk: { S: `evacuated#${HERE}` } } },
      } as never)) as unknown as { Item: object };
      return Item;
    };
    await w.evacuations.evacuate(HERE, T0);
    expect(await item()).toEqual({ pk: { S: `evacuated#${HERE}` }, since: { N: String(T0) } });
    await w.evacuations.return(HERE, T0 + S);
    expect(Object.keys(await item()).sort()).toEqual(['pk', 'returned_at', 'ttl']);
    // A flag that is set again has no end any more.
    await w.evacuations.evacuate(HERE, T0 + 2 * S);
    expect(await item()).toEqual({ pk: { S: `evacuated#${HERE}` }, since: { N: String(T0 + 2 * S) } });
    expect(await w.evacuations.evacuate(HERE, T0 + 3 * S)).toEqual({ stands: true, sinceMs: T0 + 2 * S });
  });

  it('is known to an instance within ten seconds; an instance that cannot know accepts no write', async () => {
    const check = writesCheck({
      evacuations: w.evacuations,
      stop: { read: async () => undefined },
      region: HERE,
      nowMs: () => w.clock.nowMs,
      log: () => {},
    });
    expect(await check()).toBeUndefined();
    await w.evacuations.evacuate(HERE, w.clock.nowMs);
    w.clock.nowMs += 10_001;
    expect(await check()).toBe('evacuated');
    w.is.limits = false;
    w.clock.nowMs += 10_001;
    await expect(check()).rejects.toThrow(Unavailable);
  });
});
