/** Turns of delivery on a virtual clock. */
import { expect, it } from 'vitest';
import { HORIZON_MS, nextAttemptMs } from '../../../lambda/callbacks/schedule.ts';
import type { Callback, Sent } from '../../../lambda/callbacks/send.ts';
import { LEASE_MS, MOST_RETRIES, PARALLEL } from '../../../lambda/callbacks/turn.ts';
import { newEndpoint, T0, type VirtualTime, type World, world } from '../../support/delivery.ts';

const ID = 'ep_a';
const CLIENT = 'client-a';
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const ok: Sent = { status: 204, retryAfter: undefined };
const failed = (status = 500, retryAfter?: string): Sent => ({ status, retryAfter });

/** One endpoint, its schedule, and what it was sent. */
async function one(answer: (callback: Callback, time: VirtualTime) => Sent | Promise<Sent>, changes = {}) {
  const sent: { id: string; atMs: number }[] = [];
  const made = world({
    async send(callback, time) {
      sent.push({ id: callback.headers['webhook-id']!, atMs: time.nowMs });
      return answer(callback, time);
    },
  });
  await made.endpoints.create(newEndpoint(ID, changes));
  made.startSchedule();
  return { ...made, sent };
}

const emitMany = async (made: World, count: number) => {
  for (let i = 0; i < count; i++) await made.emit(CLIENT);
};

it('sends each event once, in one turn, and moves the cursor', async () => {
  const made = await one(() => ok);
  await emitMany(made, 3);
  await made.time.run(T0 + 10 * MINUTE_MS);
  expect(made.sent.map(({ id }) => id)).toEqual(['evt_0', 'evt_1', 'evt_2']);
  expect(await made.endpoint(ID)).toMatchObject({ cursor: 3, cursorAtMs: T0, lease: null });
});

it('the steps of retries are those of the page, with jitter, and end after three days', () => {
  const step = (attempts: number, random: number) =>
    nextAttemptMs({ attempts, firstAtMs: T0, nowMs: T0 }, random)! - T0;
  const minutes = [1 / 12, 5, 30, 120, 300, 600, 720, 720];
  expect(minutes.map((_, i) => step(i + 1, 0.5) / MINUTE_MS)).toEqual(minutes);
  expect([step(2, 0), step(2, 1)]).toEqual([270_000, 330_000]);
  const at = (nowMs: number) => nextAttemptMs({ attempts: 9, firstAtMs: T0, nowMs }, 0.5);
  expect([at(T0 + HORIZON_MS - 1), at(T0 + HORIZON_MS)]).toEqual([T0 + HORIZON_MS, undefined]);
});

it.each([
  ['120', 120_000],
  ['3', 5_000],
  [new Date(T0 + 3_600_000).toUTCString(), 3_600_000],
  ['soon', 5_000],
  ['-5', 5_000],
  ['99999999', HORIZON_MS],
])('Retry-After %j waits %i ms', (retryAfter, ms) => {
  expect(nextAttemptMs({ attempts: 1, firstAtMs: T0, nowMs: T0, retryAfter }, 0.5)).toBe(T0 + ms);
});

it('an event that failed is tried on the schedule until it is delivered; others are not held up', async () => {
  let until = T0 + 3 * HOUR_MS;
  const made = await one(({ headers }, { nowMs }) =>
    headers['webhook-id'] === 'evt_0' && nowMs < until ? failed() : ok,
  );
  await emitMany(made, 3);
  await made.time.run(T0 + DAY_MS);
  const attempts = made.sent.filter(({ id }) => id === 'evt_0').map(({ atMs }) => (atMs - T0) / MINUTE_MS);
  expect(made.sent.slice(0, 3).every(({ atMs }) => atMs === T0)).toBe(true);
  expect(attempts.map(Math.round)).toEqual([0, 0, 6, 36, 156, 456]);
  expect(await made.endpoints.retries(ID)).toEqual([]);
  expect((await made.endpoint(ID)).failingSinceMs).toBeNull();
  until = 0;
});

it('an endpoint that asks for time gets it: nothing at all is sent until then', async () => {
  const made = await one((_, { nowMs }) => (nowMs < T0 + 5_000 ? failed(429, '600') : ok));
  await made.emit(CLIENT);
  await made.time.run(T0 + MINUTE_MS);
  await emitMany(made, 5);
  await made.time.run(T0 + 9 * MINUTE_MS);
  expect(made.sent).toHaveLength(1);
  await made.time.run(T0 + 12 * MINUTE_MS);
  expect(made.sent.map(({ id }) => id)).toEqual([
    'evt_0',
    'evt_0',
    'evt_1',
    'evt_2',
    'evt_3',
    'evt_4',
    'evt_5',
  ]);
});

it('what answers Retry-After for one event alone gets the others between its attempts', async () => {
  const made = await one(({ headers }) => (headers['webhook-id'] === 'evt_0' ? failed(503, '60') : ok));
  await made.emit(CLIENT);
  for (let minute = 1; minute <= 200; minute++) {
    await made.time.run(T0 + minute * MINUTE_MS);
    await made.emit(CLIENT);
  }
  await made.time.run(T0 + DAY_MS);
  const waited = made.sent
    .filter(({ id }) => id !== 'evt_0')
    .map(({ id, atMs }) => atMs - T0 - Number(id.slice(4)) * MINUTE_MS);
  expect(waited).toHaveLength(200);
  expect(Math.max(...waited)).toBeLessThanOrEqual(MINUTE_MS);
});

it('the longest of several Retry-After holds, for what is left of a page and of the retries, too', async () => {
  const waits = ['30', '600', '60'];
  const made = await one(({ headers }, { nowMs }) =>
    nowMs < T0 + 5_000 ? failed(503, waits[Number(headers['webhook-id']!.slice(4)) % 3]) : ok,
  );
  await emitMany(made, 40);
  await made.time.run(T0 + 9 * MINUTE_MS);
  expect(made.sent).toHaveLength(PARALLEL);
  await made.time.run(T0 + 12 * MINUTE_MS);
  expect(new Set(made.sent.map(({ id }) => id)).size).toBe(40);
});

it('a round of retries ends with the first chunk that asks for time', async () => {
  let answer = failed();
  const made = await one(() => answer);
  await emitMany(made, 60);
  await made.time.run(T0 + 1_000);
  const before = made.sent.length;
  answer = failed(503, '600');
  await made.time.run(T0 + 9 * MINUTE_MS);
  expect(made.sent.length - before).toBe(PARALLEL);
});

it('410 ends the endpoint, and its undelivered events are dead letters', async () => {
  const made = await one(() => failed(410));
  await emitMany(made, 2);
  await made.time.run(T0 + 2 * MINUTE_MS);
  expect((await made.endpoint(ID)).state).toBe('gone');
  const tried = new Set(made.sent.map(({ id }) => id));
  expect(new Set((await made.dead(ID)).map(({ event }) => event))).toEqual(tried);
  const before = made.sent.length;
  await made.emit(CLIENT);
  await made.time.run(T0 + DAY_MS);
  expect(made.sent).toHaveLength(before);
  expect(made.log.map(({ reason }) => reason)).toContain('endpoint_gone');
});

it('at 100 retries the circuit opens: the cursor stands, and one event a step is tried', async () => {
  const made = await one(() => failed());
  await emitMany(made, 250);
  await made.time.run(T0 + MINUTE_MS);
  const retries = await made.endpoints.retries(ID);
  expect(retries).toHaveLength(MOST_RETRIES);
  expect(await made.endpoint(ID)).toMatchObject({ cursor: MOST_RETRIES });
  const before = made.sent.length;
  await made.time.run(T0 + 20 * HOUR_MS);
  // 5 min, 30 min, 2 h, 5 h and 10 h after the first probe.
  expect(made.sent.length - before).toBe(5);
  expect(await made.endpoint(ID)).toMatchObject({ cursor: MOST_RETRIES });
});

it('when an endpoint is back, its circuit closes, and all that waits is delivered at once', async () => {
  const made = await one((_, { nowMs }) => (nowMs < T0 + DAY_MS ? failed() : ok));
  await emitMany(made, 250);
  await made.time.run(T0 + 2 * DAY_MS);
  const delivered = made.sent.filter(({ atMs }) => atMs >= T0 + DAY_MS);
  expect(new Set(delivered.map(({ id }) => id)).size).toBe(250);
  expect(delivered).toHaveLength(250);
  expect(delivered.at(-1)!.atMs - delivered[0]!.atMs).toBeLessThan(MINUTE_MS);
});

it('after three days of failure the endpoint is disabled, with an error, and its retries are dead', async () => {
  const made = await one(() => failed());
  await emitMany(made, 120);
  await made.time.run(T0 + HORIZON_MS - MINUTE_MS);
  expect((await made.endpoint(ID)).state).toBe('active');
  await made.time.run(T0 + HORIZON_MS + 3 * MINUTE_MS);
  expect(await made.endpoint(ID)).toMatchObject({ state: 'disabled', cursor: MOST_RETRIES });
  expect(await made.endpoints.retries(ID)).toEqual([]);
  const dead = await made.dead(ID);
  expect(dead).toHaveLength(MOST_RETRIES);
  expect(dead[0]).toMatchObject({ lastStatus: 500, lastError: null, type: 'registration.created' });
  expect(made.log).toContainEqual(
    expect.objectContaining({ level: 'ERROR', message: 'callback', reason: 'endpoint_disabled', target: ID }),
  );
});

it('an endpoint that takes some events stays active; those it never takes are dead after three days', async () => {
  const made = await one(({ headers }) => (headers['webhook-id'] === 'evt_0' ? failed() : ok));
  await made.emit(CLIENT);
  for (let day = 0; day < 4; day++) {
    await made.time.run(T0 + day * DAY_MS + HOUR_MS);
    await made.emit(CLIENT);
  }
  await made.time.run(T0 + 4 * DAY_MS);
  expect((await made.endpoint(ID)).state).toBe('active');
  expect((await made.dead(ID)).map(({ event }) => event)).toEqual(['evt_0']);
});

it('an endpoint that is disabled and enabled again gets what waited, at once; nothing of it is dead', async () => {
  let isDown = true;
  const made = await one(() => (isDown ? failed() : ok));
  await emitMany(made, 30);
  await made.time.run(T0 + HOUR_MS);
  await made.endpoints.change(await made.endpoint(ID), { state: 'disabled', ping: null });
  void made.deliver.turn(ID);
  await made.time.run(T0 + 2 * HOUR_MS);
  isDown = false;
  const before = made.sent.length;
  const ping = { askedAtMs: made.time.nowMs, attempts: 0, nextAtMs: made.time.nowMs };
  await made.endpoints.change(await made.endpoint(ID), { state: 'pending', ping, failingSinceMs: null });
  await made.time.run(T0 + 2 * HOUR_MS + 2 * MINUTE_MS);
  expect(made.sent.length - before).toBe(31);
  expect([await made.endpoints.retries(ID), await made.dead(ID)]).toEqual([[], []]);
  expect(made.log).toEqual([]);
});

it('what an endpoint that stays disabled did not take is dead three days after its first attempt', async () => {
  const made = await one(() => failed());
  await emitMany(made, 3);
  await made.time.run(T0 + HOUR_MS);
  await made.endpoints.change(await made.endpoint(ID), { state: 'disabled', ping: null });
  await made.time.run(T0 + HORIZON_MS - MINUTE_MS);
  expect(await made.endpoints.retries(ID)).toHaveLength(3);
  await made.time.run(T0 + HORIZON_MS + 2 * MINUTE_MS);
  expect([await made.endpoints.retries(ID), (await made.dead(ID)).length]).toEqual([[], 3]);
});

it('a ping that is answered makes all retries due: few come back as fast as a hundred', async () => {
  let isDown = true;
  const made = await one(() => (isDown ? failed() : ok));
  await emitMany(made, 3);
  await made.time.run(T0 + 10 * HOUR_MS);
  isDown = false;
  const before = made.sent.length;
  const ping = { askedAtMs: made.time.nowMs, attempts: 0, nextAtMs: made.time.nowMs };
  await made.endpoints.change(await made.endpoint(ID), { ping });
  await made.time.run(T0 + 10 * HOUR_MS + 2 * MINUTE_MS);
  expect(made.sent.slice(before).map(({ id }) => id)).toEqual([
    `evt_ping_a_${ping.askedAtMs}`,
    ...['evt_0', 'evt_1', 'evt_2'],
  ]);
});

it('what a slow endpoint does not take in the turn that closes its circuit comes in the next ones', async () => {
  let isDown = true;
  const made = await one(async (_, time) => {
    if (isDown) return failed();
    await time.sleep(8_000);
    return ok;
  });
  for (let i = 0; i < MOST_RETRIES; i++) {
    await made.emit(CLIENT);
    await made.time.run(T0 + i * 5 * MINUTE_MS);
  }
  // Some have failed five times, and have their next step in the evening.
  await made.time.run(T0 + 9 * HOUR_MS);
  isDown = false;
  const before = made.sent.length;
  await made.time.run(T0 + 12 * HOUR_MS);
  const back = made.sent.slice(before);
  expect(new Set(back.map(({ id }) => id)).size).toBe(MOST_RETRIES);
  expect(back.at(-1)!.atMs - back[0]!.atMs).toBeLessThan(5 * MINUTE_MS);
});

it('an endpoint is active only after a signed ping, and gets what happened meanwhile', async () => {
  const ping = { askedAtMs: T0, attempts: 0, nextAtMs: T0 };
  const made = await one(() => ok, { state: 'pending', ping });
  await made.emit(CLIENT);
  await made.time.run(T0 + MINUTE_MS);
  expect(made.sent.map(({ id }) => id)).toEqual([`evt_ping_a_${T0}`, 'evt_0']);
  expect(await made.endpoint(ID)).toMatchObject({ state: 'active', ping: null, pinged: { status: 204 } });
});

it('a ping that fails is tried again, and no event is sent before one succeeds', async () => {
  const ping = { askedAtMs: T0, attempts: 0, nextAtMs: T0 };
  const made = await one(() => ({ error: 'tls' }), { state: 'pending', ping });
  await made.emit(CLIENT);
  await made.time.run(T0 + 4 * DAY_MS);
  expect(new Set(made.sent.map(({ id }) => id))).toEqual(new Set([`evt_ping_a_${T0}`]));
  expect(await made.endpoint(ID)).toMatchObject({
    state: 'disabled',
    pinged: { status: null, error: 'tls' },
  });
});

it('sends only the types that the endpoint asked for, and passes over the others', async () => {
  const made = await one(() => ok, { events: ['client.disabled'] });
  await emitMany(made, 3);
  await made.time.run(T0 + MINUTE_MS);
  expect([made.sent, (await made.endpoint(ID)).cursor]).toEqual([[], 3]);
});

it('sends nothing that happened under an earlier owner of the name of its client', async () => {
  const made = await one(() => ok, { clientSinceMs: T0 + HOUR_MS });
  await made.emit(CLIENT);
  await made.time.run(T0 + HOUR_MS);
  await made.emit(CLIENT);
  await made.time.run(T0 + 2 * HOUR_MS);
  expect(made.sent.map(({ id }) => id)).toEqual(['evt_1']);
  expect((await made.endpoint(ID)).cursor).toBe(2);
});

it('one worker at a time has an endpoint; a wake-up that met it is not lost', async () => {
  let [running, most] = [0, 0];
  const made = await one(async (_, time) => {
    running += 1;
    most = Math.max(most, running);
    await time.sleep(100);
    running -= 1;
    return ok;
  });
  for (let i = 0; i < 200; i++) {
    await made.emit(CLIENT);
    await made.time.run(T0 + i * 10);
  }
  await made.time.run(T0 + 30_000);
  expect(made.sent.map(({ id }) => id).sort()).toEqual(
    Array.from({ length: 200 }, (_, i) => `evt_${i}`).sort(),
  );
  expect(most).toBeLessThanOrEqual(PARALLEL);
});

it('a worker whose lease was taken away writes nothing more', async () => {
  const made = await one(async (_, time) => {
    await time.sleep(1_000);
    return ok;
  });
  await made.emit(CLIENT);
  await made.time.run(T0 + 500);
  await made.endpoints.change(await made.endpoint(ID), { cursor: 0, state: 'disabled' });
  await made.time.run(T0 + 10_000);
  expect(await made.endpoint(ID)).toMatchObject({ cursor: 0, state: 'disabled', lease: null });
});

it('a worker that ended in the middle leaves nothing out: the next one begins before it', async () => {
  const made = await one(() => ok);
  const { save } = made.endpoints;
  await emitMany(made, 3);
  let isDown = true;
  made.endpoints.save = async (...args) => (isDown ? Promise.reject(new Error('down')) : save(...args));
  await made.time.run(T0 + 1_000);
  isDown = false;
  await made.time.run(T0 + LEASE_MS + 2 * MINUTE_MS);
  expect(new Set(made.sent.map(({ id }) => id)).size).toBe(3);
  expect(await made.endpoint(ID)).toMatchObject({ cursor: 3 });
});

it('an event that is read again after a crash waits for its retry, and is not sent beside it', async () => {
  const made = await one(() => failed());
  const { save } = made.endpoints;
  await made.emit(CLIENT);
  let isDown = true;
  made.endpoints.save = async (...args) => (isDown ? Promise.reject(new Error('down')) : save(...args));
  await made.time.run(T0 + 1_000);
  isDown = false;
  await made.time.run(T0 + LEASE_MS + 2 * MINUTE_MS);
  expect(made.sent).toHaveLength(2);
  expect(await made.endpoints.retries(ID)).toMatchObject([{ event: 'evt_0', attempts: 2, firstAtMs: T0 }]);
});

it('what follows the page in which an endpoint ended is delivered once it is enabled again', async () => {
  let isGone = true;
  const made = await one(() => (isGone ? failed(410) : ok));
  await emitMany(made, PARALLEL + 5);
  await made.time.run(T0 + 2 * MINUTE_MS);
  expect(await made.endpoint(ID)).toMatchObject({ state: 'gone', cursor: PARALLEL });
  isGone = false;
  const before = made.sent.length;
  await made.endpoints.change(await made.endpoint(ID), { state: 'active' });
  await made.time.run(T0 + 4 * MINUTE_MS);
  expect(made.sent.slice(before).map(({ id }) => id)).toEqual(
    Array.from({ length: 5 }, (_, i) => `evt_${PARALLEL + i}`),
  );
});

it('while writes are stopped, nothing is sent and nothing is written', async () => {
  let [isStopped, sent] = [true, 0];
  const made = world({
    async send() {
      sent += 1;
      return ok;
    },
    isStopped: () => isStopped,
  });
  const before = newEndpoint(ID, { ping: { askedAtMs: T0, attempts: 0, nextAtMs: T0 } });
  await made.endpoints.create(before);
  made.startSchedule();
  await made.emit(CLIENT);
  await made.time.run(T0 + HOUR_MS);
  expect([sent, await made.endpoint(ID)]).toEqual([0, before]);
  isStopped = false;
  await made.time.run(T0 + HOUR_MS + 2 * MINUTE_MS);
  expect(sent).toBe(2);
});

it('an event that waits under an open circuit is dead after three days, without an attempt', async () => {
  const open = { openSinceMs: T0, probes: 6, probeAtMs: T0 + 12 * HOUR_MS, failingSinceMs: T0 };
  const made = await one(() => failed(), open);
  const waiting = (event: string, firstAtMs: number) =>
    made.endpoints.putRetry(ID, {
      ...{ event, type: 'registration.created', timestamp: '', data: '{}', attempts: 7, firstAtMs },
      ...{ nextAtMs: firstAtMs + HORIZON_MS, lastStatus: 500, lastError: null },
    });
  await waiting('evt_old', T0 - HORIZON_MS + HOUR_MS);
  await waiting('evt_new', T0);
  await made.time.run(T0 + 2 * HOUR_MS);
  expect((await made.dead(ID)).map(({ event }) => event)).toEqual(['evt_old']);
  expect((await made.endpoints.retries(ID)).map(({ event }) => event)).toEqual(['evt_new']);
  expect(made.sent).toEqual([]);
});

it('a retry may be here before its endpoint: it goes only when no endpoint can want it any more', async () => {
  const made = await one(() => ok);
  await made.endpoints.putRetry('ep_deleted', {
    ...{ event: 'evt_1', type: 'registration.created', timestamp: '', data: '{}', attempts: 1 },
    ...{ firstAtMs: T0, nextAtMs: T0, lastStatus: 500, lastError: null },
  });
  await made.time.run(T0 + 4 * DAY_MS);
  expect(await made.endpoints.retries('ep_deleted')).toHaveLength(1);
  await made.time.run(T0 + 4 * DAY_MS + MINUTE_MS);
  expect(await made.endpoints.retries('ep_deleted')).toEqual([]);
});

it('a lost wake-up costs a minute', async () => {
  const sent: number[] = [];
  let arrives = false;
  const made = world({
    async send(_, { nowMs }) {
      sent.push(nowMs);
      return ok;
    },
    arrives: () => arrives,
  });
  await made.endpoints.create(newEndpoint(ID));
  made.startSchedule();
  await made.emit(CLIENT);
  arrives = true;
  await made.time.run(T0 + 2 * MINUTE_MS);
  expect(sent).toEqual([T0 + MINUTE_MS]);
});

it('only the Region that holds an endpoint delivers', async () => {
  const made = await one(() => ok, { holder: 'eu-central-1' });
  await made.emit(CLIENT);
  await made.time.run(T0 + HOUR_MS);
  expect(made.sent).toEqual([]);
});

it('an event that comes while a worker gives its lease back waits for no schedule', async () => {
  const made = await one(() => ok);
  const { save } = made.endpoints;
  made.endpoints.save = async (...args) => {
    const held = await save(...args);
    if (args[3] === 'release') await made.time.sleep(100);
    return held;
  };
  const take = made.endpoints.take;
  let isTaken = false;
  made.endpoints.take = async (...args) => (isTaken ? undefined : take(...args));
  await made.emit(CLIENT);
  await made.time.run(T0 + 50);
  // Its own wake-up meets a worker.
  isTaken = true;
  await made.emit(CLIENT);
  await made.time.run(T0 + 60);
  isTaken = false;
  await made.time.run(T0 + 1_000);
  expect(made.sent.map(({ id }) => id)).toEqual(['evt_0', 'evt_1']);
});

it('a dead letter is kept for 30 days, at the Region that holds its endpoint', async () => {
  const made = await one(() => failed(410));
  await made.endpoints.create(newEndpoint('ep_other', { holder: 'eu-central-1', state: 'gone' }));
  const letter = {
    ...{ event: 'evt_old', type: 'registration.created', timestamp: '', data: '{}', attempts: 9 },
    ...{ firstAtMs: T0, lastStatus: 500, lastError: null, deadAtMs: T0 },
  };
  await made.endpoints.putDead('ep_other', letter);
  await made.emit(CLIENT);
  await made.time.run(T0 + 30 * DAY_MS - HOUR_MS);
  expect((await made.dead(ID)).map(({ event }) => event)).toEqual(['evt_0']);
  await made.time.run(T0 + 30 * DAY_MS + 2 * HOUR_MS);
  expect(await made.dead(ID)).toEqual([]);
  expect(await made.dead('ep_other')).toHaveLength(1);
});

it('a dead letter of an endpoint that was deleted meanwhile does not stay', async () => {
  const made = await one(async (_, time) => {
    await time.sleep(1_000);
    return failed(410);
  });
  await made.emit(CLIENT);
  await made.time.run(T0 + 500);
  await made.endpoints.remove(ID);
  await made.time.run(T0 + DAY_MS);
  expect(await made.dead(ID)).toEqual([]);
});

it('an endpoint whose Region the stage does not have is reported, once a minute; one of another Region is not', async () => {
  const made = await one(() => ok);
  for (const [id, holder] of [
    ['ep_away', 'eu-central-1'],
    ['ep_left', 'eu-gone-1'],
    ['ep_lost', 'eu-gone-1'],
  ] as const)
    await made.endpoints.create(newEndpoint(id, { holder }));
  await made.time.run(T0 + 3 * MINUTE_MS);
  const line = { level: 'ERROR', message: 'callback', region: 'eu-west-1', reason: 'no_holder' };
  expect(made.log).toEqual(Array(3).fill({ ...line, target: 'ep_left ep_lost' }));
});

it('what keeps a turn from its work is reported each time it is tried, and ends nothing', async () => {
  const made = await one(() => {
    throw new Error('no key');
  });
  await made.emit(CLIENT);
  // The alarm counts periods of five minutes.
  for (const period of [1, 2, 3]) {
    const before = made.log.length;
    await made.time.run(T0 + period * 5 * MINUTE_MS);
    expect(made.log.length).toBeGreaterThan(before);
  }
  const turns = made.log.filter(({ reason }) => reason === 'turn');
  expect(turns[0]).toMatchObject({ level: 'ERROR', target: ID });
  expect(await made.endpoint(ID)).toMatchObject({ state: 'active', cursor: 0 });
});
