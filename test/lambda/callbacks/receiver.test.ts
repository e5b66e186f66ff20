/** Delivery to the SDK's own receiver, on one virtual clock: what a slow event costs the others. */
import { afterEach, expect, it, vi } from 'vitest';
import { createWebhookHandler, memoryStore, signWebhook } from '../../../sdk/typescript/webhooks/index.ts';
import { SECRET } from '../../sdk/webhooks/events.ts';
import { newEndpoint, T0, type VirtualTime, world } from '../../support/delivery.ts';

const ID = 'ep_a';
const CLIENT = 'client-a';
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const EVENTS = 200;

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** The clock and the timers of the receiver are the world's. */
function follow(time: VirtualTime): void {
  vi.spyOn(Date, 'now').mockImplementation(() => time.nowMs);
  vi.stubGlobal('setInterval', (run: () => void, ms: number) => {
    const timer = { isOn: true };
    void (async () => {
      for (;;) {
        await time.sleep(ms);
        if (!timer.isOn) return;
        run();
      }
    })();
    return timer;
  });
  vi.stubGlobal('clearInterval', (timer: { isOn: boolean }) => {
    timer.isOn = false;
  });
}

/** @param work how long the handler of an event takes */
async function receiver(work: (id: string, time: VirtualTime) => Promise<void>) {
  const handled = new Map<string, number[]>();
  const answers: { readonly id: string; readonly status: number }[] = [];
  const store = memoryStore();
  /** By event, what goes on once its store is asked. */
  const verifying = new Map<string, (() => void)[]>();
  const made = world({
    async send({ headers, body }, time) {
      const id = headers['webhook-id']!;
      // WebCrypto works on other threads. Once the store is asked, or the answer is there, all is in memory.
      const release = time.hold();
      const event = { id, ...JSON.parse(new TextDecoder().decode(body)) };
      const signed = await signWebhook(event, SECRET, { sentAtMs: time.nowMs });
      verifying.set(id, [...(verifying.get(id) ?? []), release]);
      const answer = webhooks.handle(signed.body, signed.headers).finally(release);
      const sent = await Promise.race([
        answer.then(({ status, headers }) => ({ status, retryAfter: headers['retry-after'] })),
        time.sleep(10_000).then(() => ({ error: 'timeout' as const })),
      ]);
      if ('status' in sent) answers.push({ id, status: sent.status });
      return sent;
    },
  });
  const { time } = made;
  follow(time);
  const webhooks = createWebhookHandler({
    keys: SECRET,
    store: {
      ...store,
      begin(id, ...args) {
        verifying.get(id)!.shift()?.();
        return store.begin(id, ...args);
      },
    },
    on: {
      'registration.created': async ({ id }) => {
        await work(id, time);
        handled.set(id, [...(handled.get(id) ?? []), time.nowMs]);
      },
    },
  });
  await made.endpoints.create(newEndpoint(ID));
  made.startSchedule();
  return { ...made, handled, answers };
}

it.each([
  ['ten minutes', 10 * MINUTE_MS],
  ['forty minutes', 40 * MINUTE_MS],
  ['for ever', Number.POSITIVE_INFINITY],
])('an event that is handled for %s holds up no other, and ends no endpoint', async (_, ms) => {
  const made = await receiver(async (id, time) => {
    if (id === 'evt_0') await (ms === Number.POSITIVE_INFINITY ? new Promise(() => {}) : time.sleep(ms));
  });
  await made.emit(CLIENT);
  for (let minute = 1; minute <= EVENTS; minute++) {
    await made.time.run(T0 + minute * MINUTE_MS);
    await made.emit(CLIENT);
  }
  await made.time.run(T0 + EVENTS * MINUTE_MS + DAY_MS);
  const waited = Array.from(
    { length: EVENTS },
    (_, i) => made.handled.get(`evt_${i + 1}`)![0]! - (T0 + (i + 1) * MINUTE_MS),
  );
  expect(Math.max(...waited)).toBe(0);
  expect((await made.endpoint(ID)).state).toBe('active');
  // Attempts while it is handled are answered with an error, and it is handled once.
  expect(made.answers).toContainEqual({ id: 'evt_0', status: 503 });
  if (ms < DAY_MS) expect(made.handled.get('evt_0')).toHaveLength(1);
  expect([...made.handled.values()].every((runs) => runs.length === 1)).toBe(true);
});

it('a test of a busy endpoint, whose worker loses its lease, holds up no new event', async () => {
  const made = await receiver(async (_, time) => time.sleep(3_000));
  for (let i = 0; i < 5; i++) await made.emit(CLIENT);
  await made.time.run(T0 + 1_000);
  const now = made.time.nowMs;
  await made.endpoints.change(await made.endpoint(ID), {
    ping: { askedAtMs: now, attempts: 0, nextAtMs: now },
  });
  void made.deliver.turn(ID);
  await made.time.run(T0 + 5_000);
  await made.emit(CLIENT);
  await made.time.run(T0 + 10 * MINUTE_MS);
  expect(made.handled.get('evt_5')).toEqual([T0 + 8_000]);
  expect([...made.handled.values()].map((runs) => runs.length)).toEqual([1, 1, 1, 1, 1, 1]);
});
