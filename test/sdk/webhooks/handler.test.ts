/** A receiver runs each event's handler once, and again only where nobody knows that it ran. */
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type CountersignEvent,
  createWebhookHandler,
  memoryStore,
  signWebhook,
  type WebhookHandlerOptions,
  type WebhookStore,
} from '../../../sdk/typescript/webhooks/index.ts';
import { CREATED, PUBLIC_KEY, SECRET } from './events.ts';

const URL = 'https://receiver.example.com/hooks';
const DAY_MS = 24 * 3600 * 1000;

let errors: unknown[];
beforeEach(() => {
  errors = [];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

type On = WebhookHandlerOptions['on'];

/** One process of a receiver. */
const receiver = (on: On, store: WebhookStore = memoryStore()) =>
  createWebhookHandler({ keys: SECRET, store, on, onError: (error) => errors.push(error) });

/** The platform's next attempt. */
const attempt = async (webhooks: ReturnType<typeof receiver>, event: object = CREATED) =>
  webhooks.fetch(new Request(URL, await signWebhook(event as typeof CREATED, SECRET)));

/** A handler that counts its runs. */
function counting() {
  const seen: CountersignEvent[] = [];
  const on: On = {
    'registration.created': (event) => {
      seen.push(event);
    },
  };
  return { on, seen };
}

/** A handler whose runs end when the test says so. */
function slow() {
  const runs: (PromiseWithResolvers<void> & { readonly signal: AbortSignal })[] = [];
  let begun = Promise.withResolvers<void>();
  const on: On = {
    'registration.created': async (_, { signal }) => {
      const run = { ...Promise.withResolvers<void>(), signal };
      runs.push(run);
      begun.resolve();
      await run.promise;
    },
  };
  /** Makes an attempt that runs. @returns its answer, later */
  const start = async (store: WebhookStore) => {
    begun = Promise.withResolvers();
    const answer = attempt(receiver(on, store));
    await begun.promise;
    return { answer };
  };
  return { on, runs, start };
}

describe('an event', () => {
  it('is handled once, however often it comes', async () => {
    const { on, seen } = counting();
    const webhooks = receiver(on);
    for (let i = 0; i < 3; i++) expect((await attempt(webhooks)).status).toBe(204);
    expect(seen).toEqual([CREATED]);
    await attempt(webhooks, { ...CREATED, id: 'evt_another' });
    expect(seen).toHaveLength(2);
  });

  it('is still known after three days of attempts and the day that an evacuation repeats', async () => {
    const { on, seen } = counting();
    const webhooks = receiver(on);
    await attempt(webhooks);
    vi.setSystemTime(Date.now() + 4 * DAY_MS + 3600_000);
    await attempt(webhooks);
    expect(seen).toHaveLength(1);
  });

  it('of a type without a handler, and a ping, are answered with success', async () => {
    const webhooks = receiver({}, unusable);
    expect((await attempt(webhooks)).status).toBe(204);
    expect((await attempt(webhooks, { ...CREATED, type: 'ping', data: { endpoint: 'ep_1' } })).status).toBe(
      204,
    );
  });

  it('that another program signed is refused, and not handled', async () => {
    const { on, seen } = counting();
    const webhooks = receiver(on, unusable);
    const request = await signWebhook(CREATED, `whsec_${Buffer.alloc(32, 7).toString('base64')}`);
    const answer = await webhooks.fetch(new Request(URL, request));
    expect(answer.status).toBe(401);
    expect(await answer.text()).toMatch(/^no signature in webhook-signature/);
    expect([seen, errors]).toEqual([[], []]);
  });
});

describe('a failed run', () => {
  it('is answered with an error, and the next attempt runs again', async () => {
    let runs = 0;
    const webhooks = receiver({
      'registration.created': async () => {
        if (++runs === 1) throw new Error('database is down');
      },
    });
    const failed = await attempt(webhooks);
    expect(failed.status).toBe(500);
    // What went wrong here is nobody else's business.
    expect(await failed.text()).toBe('the event was not handled\n');
    expect(errors).toMatchObject([{ message: 'database is down' }]);
    expect((await attempt(webhooks)).status).toBe(204);
    expect((await attempt(webhooks)).status).toBe(204);
    expect(runs).toBe(2);
  });

  it('that cannot give its lease back runs again once the lease has ended', async () => {
    const store = memoryStore();
    let runs = 0;
    const on: On = {
      'registration.created': async () => {
        if (++runs === 1) throw new Error('no');
      },
    };
    const broken = { ...store, release: () => Promise.reject(new Error('store is down')) };
    expect((await attempt(receiver(on, broken))).status).toBe(500);
    expect(errors).toMatchObject([{ message: 'no' }]);
    expect((await attempt(receiver(on, store))).status).toBe(503);
    vi.setSystemTime(Date.now() + 60_000);
    expect((await attempt(receiver(on, store))).status).toBe(204);
    expect(runs).toBe(2);
  });
});

describe('a crash', () => {
  it('between handling and remembering makes the event run again', async () => {
    const store = memoryStore();
    const { on, seen } = counting();
    const crashing = { ...store, done: () => Promise.reject(new Error('the process ended')) };
    expect((await attempt(receiver(on, crashing))).status).toBe(500);
    vi.setSystemTime(Date.now() + 60_000);
    expect((await attempt(receiver(on, store))).status).toBe(204);
    expect(seen).toHaveLength(2);
  });

  it('during a run makes the event run again, once its lease has ended', async () => {
    const store = memoryStore();
    await slow().start({ ...store, renew: () => new Promise(() => {}) });
    const second = slow();
    vi.setSystemTime(Date.now() + 59_999);
    expect((await attempt(receiver(second.on, store))).status).toBe(503);
    vi.setSystemTime(Date.now() + 1);
    const { answer } = await second.start(store);
    second.runs[0]!.resolve();
    expect((await answer).status).toBe(204);
  });
});

describe('a slow run', () => {
  it('is not run twice at the same time, however long it takes', async () => {
    const store = memoryStore();
    const { on, runs, start } = slow();
    const { answer } = await start(store);
    for (let minutes = 0; minutes < 30; minutes++) {
      const again = await attempt(receiver(on, store));
      expect(again.status).toBe(503);
      // The platform would send no other event until then.
      expect(again.headers.get('retry-after')).toBeNull();
      await vi.advanceTimersByTimeAsync(60_000);
    }
    runs[0]!.resolve();
    expect((await answer).status).toBe(204);
    expect((await attempt(receiver(on, store))).status).toBe(204);
    expect(runs).toHaveLength(1);
    expect(runs[0]!.signal.aborted).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('learns that it lost its lease, as after a sleep of the machine', async () => {
    const store = memoryStore();
    const { on, runs, start } = slow();
    const asleep = await start(store);
    vi.setSystemTime(Date.now() + 61_000);
    const other = await start(store);
    expect(runs[0]!.signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(15_000);
    expect(runs.map(({ signal }) => signal.aborted)).toEqual([true, false]);
    expect(runs[0]!.signal.reason).toMatchObject({ code: 'lease_lost' });
    // The handler heeds the signal, and its failure does not end the other run's lease.
    runs[0]!.reject(new Error('stopped'));
    expect((await asleep.answer).status).toBe(500);
    expect((await attempt(receiver(on, store))).status).toBe(503);
    runs[1]!.resolve();
    expect((await other.answer).status).toBe(204);
  });

  it('learns of it at the next renewal, even where by its own clock the lease lasts yet', async () => {
    const { runs, start } = slow();
    await start({ ...memoryStore(), renew: async () => false });
    await vi.advanceTimersByTimeAsync(14_999);
    expect(runs[0]!.signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(runs[0]!.signal.aborted).toBe(true);
    runs[0]!.resolve();
  });

  it('learns that its lease may have ended, where the store does not answer', async () => {
    const store = memoryStore();
    const { runs, start } = slow();
    let isDown = true;
    const renew: WebhookStore['renew'] = (...args) => (isDown ? down() : store.renew(...args));
    const { answer } = await start({ ...store, renew });
    await vi.advanceTimersByTimeAsync(45_000);
    isDown = false;
    await vi.advanceTimersByTimeAsync(15_000);
    isDown = true;
    await vi.advanceTimersByTimeAsync(45_000);
    expect(runs[0]!.signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(15_000);
    expect(runs[0]!.signal.aborted).toBe(true);
    // What is done is done nevertheless.
    runs[0]!.resolve();
    expect((await answer).status).toBe(204);
    expect(await store.begin(CREATED.id, 'x', 1)).toBe('done');
  });
});

describe('a store that is down', () => {
  it('lets no event be handled without a memory of it', async () => {
    const { on, seen } = counting();
    expect((await attempt(receiver(on, unusable))).status).toBe(500);
    expect([seen.length, errors.length]).toEqual([0, 1]);
  });
});

const down = () => Promise.reject(new Error('store is down'));
const unusable: WebhookStore = { begin: down, renew: down, done: down, release: down };

describe('an HTTP request', () => {
  const webhooks = () => receiver({ 'registration.created': () => {} });

  it('has to be a POST', async () => {
    const answer = await webhooks().fetch(new Request(URL));
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
  });

  it('has at most 256 KiB', async () => {
    const post = (bytes: number) =>
      webhooks().fetch(new Request(URL, { method: 'POST', body: Buffer.alloc(bytes, ' ') }));
    expect((await post(262_145)).status).toBe(413);
    expect((await post(262_144)).status).toBe(401);
  });

  it('whose body was read before says so', async () => {
    const request = new Request(URL, await signWebhook(CREATED, SECRET));
    await request.text();
    const answer = await webhooks().fetch(request);
    expect([answer.status, await answer.text()]).toEqual([500, expect.stringContaining('read before')]);
  });

  it('may arrive at a function that another server calls', async () => {
    const { body, headers } = await signWebhook(CREATED, SECRET);
    expect(await webhooks().handle(body, headers)).toEqual({ status: 204, headers: {}, body: '' });
    expect((await webhooks().handle(`${body} `, headers)).status).toBe(401);
  });

  describe('of node:http', () => {
    const serve = async (listener: Parameters<typeof createServer>[1]) => {
      vi.useRealTimers();
      const server = createServer(listener);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const stop = async () => {
        server.close();
        server.closeAllConnections();
      };
      return { url: `http://127.0.0.1:${port}`, port, [Symbol.asyncDispose]: stop };
    };

    it('is answered', async () => {
      const handled: string[] = [];
      const { listener } = receiver({ 'registration.created': ({ data }) => void handled.push(data.id) });
      await using server = await serve(listener);
      const post = async (secret: string) =>
        (await fetch(server.url, (await signWebhook(CREATED, secret)) as RequestInit)).status;
      expect(await post(SECRET)).toBe(204);
      expect(await post(`whsec_${Buffer.alloc(32).toString('base64')}`)).toBe(401);
      expect((await fetch(server.url)).status).toBe(405);
      expect((await fetch(server.url, { method: 'POST', body: Buffer.alloc(1_000_000) })).status).toBe(413);
      expect(handled).toEqual([CREATED.data.id]);
    });

    it('whose body something has read before, or which broke off, is not handled', async () => {
      const { listener } = webhooks();
      const answered = Promise.withResolvers<void>();
      await using server = await serve(async (request, response) => {
        if (request.url === '/read') for await (const _ of request);
        await listener(request, response);
        answered.resolve();
      });
      const signed = (await signWebhook(CREATED, SECRET)) as RequestInit;
      const answer = await fetch(`${server.url}/read`, signed);
      expect([answer.status, await answer.text()]).toEqual([500, expect.stringContaining('read before')]);
      const broken = httpRequest({ port: server.port, method: 'POST', headers: { 'content-length': 10 } });
      broken.on('error', () => {});
      broken.write('12345', () => broken.destroy());
      await answered.promise;
    });
  });
});

it.each<[string, object]>([
  ['keys', {}],
  ['store', { store: undefined }],
  ['store', { store: { begin: down } }],
  ['clientId', { keys: PUBLIC_KEY }],
  ['"registration.create"', { on: { 'registration.create': () => {} } }],
  ['on["client.disabled"] must be a function', { on: { 'client.disabled': 'log' } }],
  ['on must be', { on: undefined }],
  ['onError', { onError: 'log' }],
  ['"stores"', { stores: memoryStore() }],
])('says at once that something is wrong with %s', (named, wrong) => {
  const options = {
    keys: SECRET,
    store: memoryStore(),
    on: {},
    ...wrong,
    ...(named === 'keys' && { keys: undefined }),
  };
  expect(() => createWebhookHandler(options as never)).toThrow(
    expect.objectContaining({ code: 'invalid_argument', message: expect.stringContaining(named) }),
  );
});
