/** Attacks on the limit of a client's signatures, through the real handlers over several instances. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SdkDynamodb } from '../../../lambda/adapters/aws-sdk.ts';
import type { Limits } from '../../../lambda/adapters/limits.ts';
import { Quota } from '../../../lambda/request/quota.ts';
import { ReadLimit } from '../../../lambda/request/read-limit.ts';
import { WINDOW_MS, windowAt } from '../../../protocol/quota.ts';
import { type HttpAnswer, type HttpAsk, regionsForFile } from '../../support/regions.ts';
import {
  fetchNonce,
  makeClient,
  prepare,
  proofFor,
  read,
  register,
  type Signer,
} from '../../support/signer.ts';

const { platform, a, b } = await regionsForFile();
// The first second of a new window.
beforeEach(() => {
  platform.clock.nowMs = (windowAt(platform.clock.nowMs) + 2) * WINDOW_MS;
});

const limited = (limit: number): Promise<Signer> => makeClient(platform, undefined, limit);

type Prepared = HttpAsk & { nonce: string };

/** This many prepared registrations by one client, each of another user. */
async function prepared(signer: Signer, count: number, region = a): Promise<Prepared[]> {
  const asks: Prepared[] = [];
  for (let at = 0; at < count; at += 100) {
    const { json } = await region.send({
      method: 'GET',
      path: `/v1/nonce?client_id=${signer.clientId}&count=100`,
    });
    for (const [i, nonce] of json.nonces.slice(0, count - at).entries())
      asks.push(await prepare(platform, region, signer, { user_id: `${at + i}` }, { nonce }));
  }
  return asks;
}

const isLease = ({ input }: { input: object }): boolean => 'UpdateExpression' in input;

const registered = async ({ clientId }: Signer) =>
  (await platform.items('registry')).filter((item) => (item.pk as { S: string }).S.startsWith(`${clientId}#`))
    .length;

const counter = async ({ clientId }: Signer, region = a): Promise<number> => {
  const pk = `quota#${clientId}#${windowAt(platform.clock.nowMs)}`;
  const item = (await platform.items('limits', region)).find((each) => (each.pk as { S: string }).S === pk);
  return Number((item?.leased as { N: string } | undefined)?.N ?? 0);
};

function expectRefused(answer: HttpAnswer, limit: number): void {
  expect(answer.code).toBe('quota_exceeded');
  const left = Math.ceil((WINDOW_MS - (platform.clock.nowMs % WINDOW_MS)) / 1000);
  expect(answer.headers['retry-after']).toBe(String(left));
  expect(answer.headers['ratelimit-policy']).toBe(`"signatures";q=${limit};w=60`);
  expect(answer.headers.ratelimit).toBe(`"signatures";r=0;t=${left}`);
  expect(answer.headers['replay-nonce']).toBeDefined();
}

describe('a limit of 100', () => {
  it('1,000 requests at once over five instances: 95 to 100 accepted, all others 429, nothing else stored', async () => {
    const signer = await limited(100);
    const instances = [a, ...Array.from({ length: 4 }, () => a.instance())];
    const asks = await prepared(signer, 1000);
    const answers = await Promise.all(asks.map((ask, i) => instances[i % 5]!.send(ask)));
    const accepted = answers.filter(({ status }) => status === 201).length;
    expect(accepted).toBeLessThanOrEqual(100);
    expect(accepted).toBeGreaterThanOrEqual(95);
    for (const answer of answers) if (answer.status !== 201) expectRefused(answer, 100);
    expect(await registered(signer)).toBe(accepted);
    expect(await counter(signer)).toBeLessThanOrEqual(100);
  });

  it('1,000 requests one after the other over five instances: the same result', async () => {
    const signer = await limited(100);
    const instances = Array.from({ length: 5 }, () => a.instance());
    let accepted = 0;
    for (const [i, ask] of (await prepared(signer, 1000)).entries())
      accepted += Number((await instances[i % 5]!.send(ask)).status === 201);
    expect(accepted).toBeLessThanOrEqual(100);
    expect(accepted).toBeGreaterThanOrEqual(95);
  });

  it('is full again in the next window, and separate in the other Region', async () => {
    const signer = await limited(2);
    let next = 0;
    for (const status of [201, 201, 429])
      expect((await register(platform, a, signer, { user_id: `w-${next++}` })).status).toBe(status);
    expect((await register(platform, b, signer, { user_id: 'elsewhere' })).status).toBe(201);
    platform.clock.nowMs += WINDOW_MS;
    expect((await register(platform, a, signer, { user_id: 'later' })).status).toBe(201);
  });

  it('gets nothing in the next window from a lease that arrives late', async () => {
    let nowMs = windowAt(platform.clock.nowMs) * WINDOW_MS;
    const first = Promise.withResolvers<void>();
    const leased = new Map<number, number>();
    const limits: Limits = {
      async lease(_, window, n) {
        leased.set(window, (leased.get(window) ?? 0) + n);
        if (window === windowAt(nowMs) && leased.size === 1) await first.promise;
        return leased.get(window);
      },
    };
    const quota = new Quota({ limits, signaturesPerMinute: 8, nowMs: () => nowMs });
    const client = { clientId: 'late', limit: null };
    const charges = [quota.charge(client)];
    nowMs += WINDOW_MS;
    charges.push(quota.charge(client));
    first.resolve();
    expect((await Promise.all(charges)).map(({ accepted }) => accepted)).toEqual([true, true]);
    expect(leased.get(windowAt(nowMs))).toBeGreaterThanOrEqual(2);
  });

  it('does not affect another client', async () => {
    const [one, other] = [await limited(1), await limited(1)];
    for (const signer of [one, other])
      expect((await register(platform, a, signer, { user_id: 'u' })).status).toBe(201);
    expect((await register(platform, a, one, { user_id: 'v' })).status).toBe(429);
  });

  it('is the default for a client without its own', async () => {
    const instance = a.instance({ COUNTERSIGN_SIGNATURES_PER_MINUTE: '1' });
    const signer = await makeClient(platform);
    expect((await register(platform, instance, signer, { user_id: 'u' })).status).toBe(201);
    expectRefused(await register(platform, instance, signer, { user_id: 'v' }), 1);
  });
});

describe('the charge', () => {
  it('an answer states what is left', async () => {
    const signer = await limited(3);
    platform.clock.nowMs += 45_500;
    const { headers } = await register(platform, a, signer, { user_id: 'u' });
    expect(headers['ratelimit-policy']).toBe('"signatures";q=3;w=60');
    expect(headers.ratelimit).toBe('"signatures";r=2;t=15');
  });

  it('a replayed proof costs its owner nothing', async () => {
    const signer = await limited(2);
    const ask = await prepare(platform, a, signer, { user_id: 'u' });
    expect((await a.send(ask)).status).toBe(201);
    const replays = await Promise.all(Array.from({ length: 50 }, () => a.instance().send(ask)));
    expect(replays.map(({ code }) => code)).toEqual(Array(50).fill('use_nonce'));
    expect(await counter(signer)).toBe(1);
    expect((await register(platform, a, signer, { user_id: 'v' })).status).toBe(201);
  });

  it('a proof that is refused before its nonce is consumed costs nothing', async () => {
    const signer = await limited(1);
    const refused = [
      await prepare(platform, a, signer, { user_id: 'u' }, { key: 'csk_forged' }),
      await prepare(platform, a, signer, { user_id: 'u' }, { claims: { exp: 1 } }),
      await prepare(platform, a, signer, { user_id: 7 }),
      await prepare(platform, a, signer, { user_id: 'u' }, { claims: { nonce: 'AAAA' } }),
    ];
    for (const ask of refused) expect((await a.send(ask)).status).not.toBe(201);
    expect(await counter(signer)).toBe(0);
    expect((await register(platform, a, signer, { user_id: 'u' })).status).toBe(201);
  });

  it('a deletion costs, whether it finds something or not', async () => {
    const signer = await limited(2);
    const path = `/v1/registrations/${'A'.repeat(43)}`;
    const remove = async () => {
      const nonce = await fetchNonce(a, signer.clientId);
      const proof = proofFor(signer, platform.clock.nowMs, { method: 'DELETE', url: a.url + path, nonce });
      return a.send({ method: 'DELETE', path, headers: { Authorization: `JWT ${proof}` } });
    };
    expect((await remove()).status).toBe(404);
    expect((await remove()).status).toBe(404);
    expectRefused(await remove(), 2);
  });

  it('a read costs nothing', async () => {
    const signer = await limited(1);
    const { json } = await register(platform, a, signer, { user_id: 'u' });
    const path = `/v1/registrations/${json.id}`;
    const proof = proofFor(signer, platform.clock.nowMs, { method: 'GET', url: a.url + path });
    const ask = { method: 'GET', path, headers: { Authorization: `JWT ${proof}` } };
    for (let i = 0; i < 3; i++) expect((await a.send(ask)).status).toBe(200);
  });
});

describe('a refusal', () => {
  it('at the counter has used up its nonce; one from memory has not', async () => {
    const signer = await limited(1);
    const other = a.instance();
    const asks = await prepared(signer, 3);
    expect((await a.send(asks[0]!)).status).toBe(201);
    // The other instance has no knowledge yet: it consumes the nonce, asks the counter, and is refused there.
    expectRefused(await other.send(asks[1]!), 1);
    expectRefused(await other.send(asks[2]!), 1);
    platform.clock.nowMs += WINDOW_MS;
    expect((await other.send(asks[1]!)).code).toBe('use_nonce');
    expect((await other.send(asks[2]!)).status).toBe(201);
  });
});

describe('without its counters', () => {
  const withoutLimits = (): SdkDynamodb =>
    ({
      send: async (command: { input: object }) => {
        if (isLease(command)) throw new Error('limits are down');
        return a.dynamodb.send(command as never);
      },
    }) as unknown as SdkDynamodb;

  it('nothing is registered or deleted: 503', async () => {
    const signer = await limited(1000);
    const instance = a.instance({}, { dynamodb: withoutLimits() });
    const asks = await prepared(signer, 20);
    const answers = await Promise.all(asks.map((ask) => instance.send(ask)));
    expect(answers.map(({ code }) => code)).toEqual(Array(20).fill('unavailable'));
    expect(await registered(signer)).toBe(0);
  });

  it('an existing lease may still be spent', async () => {
    const signer = await limited(1000);
    let down = false;
    const flaky = {
      send: async (command: { input: object }) => {
        if (down && isLease(command)) throw new Error('limits are down');
        return a.dynamodb.send(command as never);
      },
    } as unknown as SdkDynamodb;
    const instance = a.instance({}, { dynamodb: flaky });
    const asks = await prepared(signer, 60);
    for (const ask of asks.slice(0, 20)) expect((await instance.send(ask)).status).toBe(201);
    const inHand = (await counter(signer)) - 20;
    expect(inHand).toBeGreaterThan(0);
    down = true;
    const statuses: number[] = [];
    for (const ask of asks.slice(20)) statuses.push((await instance.send(ask)).status);
    expect(statuses).toEqual([...Array(inHand).fill(201), ...Array(40 - inHand).fill(503)]);
  });
});

describe('reads', () => {
  const ID = 'i'.repeat(43);
  afterEach(() => vi.restoreAllMocks());

  it('of one client are limited to the quota, per window and instance; refused reads cause no store call', async () => {
    const signer = await makeClient(platform);
    const made = await register(platform, a, signer, { user_id: 'read-often' });
    const instance = a.instance({ COUNTERSIGN_SIGNATURES_PER_MINUTE: '5' });
    const calls = [vi.spyOn(platform.shared, 'send'), vi.spyOn(a.dynamodb, 'send')];
    const asked = () => calls.reduce((sum, { mock }) => sum + mock.calls.length, 0);
    const answers: HttpAnswer[] = [];
    const askedAfter: number[] = [];
    for (let i = 0; i < 8; i++) {
      answers.push(await read(platform, instance, signer, made.json.id));
      askedAfter.push(asked());
    }
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429, 429, 429]);

    expect(askedAfter[4]).toBeGreaterThan(askedAfter[3]!);
    expect(askedAfter.slice(5)).toEqual(Array(3).fill(askedAfter[4]));

    const { code, headers } = answers[7]!;
    expect(code).toBe('quota_exceeded');
    expect(headers['retry-after']).toBe('60');
    expect(headers['ratelimit-policy']).toBe('"reads";q=5;w=60');
    expect(headers.ratelimit).toBe('"reads";r=0;t=60');
    expect(headers).not.toHaveProperty('replay-nonce');
    expect(platform.log.at(-1)).toMatchObject({ reason: 'reads', client_id: signer.clientId });

    // Another client, another instance, the next window and the client's own registrations still work.
    const other = await makeClient(platform);
    expect((await read(platform, instance, other, made.json.id)).status).toBe(404);
    expect((await read(platform, a, signer, made.json.id)).status).toBe(200);
    expect((await register(platform, instance, signer, { user_id: 'meanwhile' })).status).toBe(201);
    platform.clock.nowMs += WINDOW_MS;
    expect((await read(platform, instance, signer, made.json.id)).status).toBe(200);
  });

  it('of a client with its own limit may reach that limit if it is higher, and always the quota', async () => {
    const instance = a.instance({ COUNTERSIGN_SIGNATURES_PER_MINUTE: '2' });
    for (const [limit, reads] of [
      [1, 2],
      [4, 4],
    ] as const) {
      const signer = await limited(limit);
      for (let i = 0; i < reads; i++) expect((await read(platform, instance, signer, ID)).status).toBe(404);
      expect((await read(platform, instance, signer, ID)).status).toBe(429);
    }
  });

  it('that are refused for their proof do not count', async () => {
    const signer = await makeClient(platform);
    const path = `/v1/registrations/${ID}`;
    const instance = a.instance({ COUNTERSIGN_SIGNATURES_PER_MINUTE: '1' });
    const forged = { ...signer, apiKey: `${signer.apiKey.slice(0, -1)}_` };
    for (let i = 0; i < 3; i++)
      expect((await read(platform, instance, forged, ID)).code).toBe('invalid_proof');
    const proof = proofFor(signer, platform.clock.nowMs, { method: 'GET', url: a.url + path });
    const ask = { method: 'GET', path, headers: { Authorization: `JWT ${proof}` } };
    // The same proof can be repeated, and counts each time.
    expect([(await instance.send(ask)).status, (await instance.send(ask)).status]).toEqual([404, 429]);
  });

  it('are counted for a bounded number of clients', () => {
    const limit = new ReadLimit({ signaturesPerMinute: 1, nowMs: () => platform.clock.nowMs });
    const charge = (i: number) => limit.charge({ clientId: `c-${i}`, limit: null });
    for (let i = 0; i < 10_000; i++) expect(charge(i)).toBeUndefined();
    expect(charge(1)).toBeDefined();
    expect(charge(10_000)).toBeUndefined();
    // The client that was idle longest is forgotten.
    expect(charge(0)).toBeUndefined();
  });
});
