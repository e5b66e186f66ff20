/** Delivery to many endpoints for a long time, on a virtual clock: what one costs the others. */
import { expect, it } from 'vitest';
import { HORIZON_MS } from '../../../lambda/callbacks/schedule.ts';
import { newEndpoint, T0, type World, world } from '../../support/delivery.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** A callback to an endpoint that answers takes this long; one to a dead endpoint, ten seconds. */
const ANSWER_MS = 50;
const ENDPOINTS = 50;

interface Run {
  readonly everyMs: number;
  readonly forMs: number;
  readonly withDead: boolean;
}

/** @returns for each endpoint that answers, the longest time from an event to its delivery */
async function run({
  everyMs,
  forMs,
  withDead,
}: Run): Promise<{ longest: number[]; made: World; left: number }> {
  const emitted = new Map<string, number>();
  const longest = new Array<number>(ENDPOINTS).fill(0);
  const dead = withDead ? 0 : -1;
  const made = world({
    async send({ url, headers }, time) {
      const n = Number(/ep_(\d+)/.exec(url)![1]);
      await time.sleep(n === dead ? 10_000 : ANSWER_MS);
      if (n === dead) return { error: 'timeout' };
      const id = headers['webhook-id']!;
      longest[n] = Math.max(longest[n]!, time.nowMs - emitted.get(id)!);
      emitted.delete(id);
      return { status: 200, retryAfter: undefined };
    },
  });
  for (let n = 0; n < ENDPOINTS; n++) await made.endpoints.create(newEndpoint(`ep_${n}`));
  made.startSchedule();
  let count = 0;
  for (let atMs = 0; atMs < forMs; atMs += everyMs) {
    await made.time.run(T0 + atMs);
    const n = count % ENDPOINTS;
    const id = `evt_${count++}`;
    if (n !== dead) emitted.set(id, made.time.nowMs);
    await made.emit(`client-${n}`, id);
  }
  await made.time.run(T0 + forMs + MINUTE_MS);
  return { longest: withDead ? longest.slice(1) : longest, made, left: emitted.size };
}

it.each([
  ['10,000 events a minute for ten minutes', { everyMs: 6, forMs: 10 * MINUTE_MS }],
  ['ten events a minute for three days', { everyMs: 6_000, forMs: HORIZON_MS }],
])('%s: a dead endpoint of fifty delays no other', async (_, load) => {
  const without = await run({ ...load, withDead: false });
  const { longest, made, left } = await run({ ...load, withDead: true });
  expect([without.left, left]).toEqual([0, 0]);
  expect(Math.max(...longest)).toBeLessThanOrEqual(Math.max(...without.longest));
  expect(Math.max(...longest)).toBeLessThanOrEqual(3 * ANSWER_MS);
  expect((await made.endpoint('ep_0')).failingSinceMs).not.toBeNull();
});

it('a consumer that is down for a day gets every event at least once, and acts once', async () => {
  const acted: string[] = [];
  let received = 0;
  const made = world({
    async send({ headers }, time) {
      await time.sleep(ANSWER_MS);
      if (time.nowMs > T0 + DAY_MS && time.nowMs < T0 + 2 * DAY_MS) return { error: 'connection' };
      received += 1;
      const id = headers['webhook-id']!;
      if (!acted.includes(id)) acted.push(id);
      // The answer to every tenth is lost.
      return received % 10 === 0 ? { error: 'timeout' } : { status: 200, retryAfter: undefined };
    },
  });
  await made.endpoints.create(newEndpoint('ep_a'));
  made.startSchedule();
  const COUNT = 3_000;
  for (let i = 0; i < COUNT; i++) {
    await made.time.run(T0 + (i * 3 * DAY_MS) / COUNT);
    await made.emit('client-a', `evt_${i}`);
  }
  await made.time.run(T0 + 6 * DAY_MS);
  expect([...acted].sort()).toEqual(Array.from({ length: COUNT }, (_, i) => `evt_${i}`).sort());
  expect((await made.endpoint('ep_a')).state).toBe('active');
  expect(await made.dead('ep_a')).toEqual([]);
});
