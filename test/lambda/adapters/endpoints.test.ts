/** Endpoints in the table and in memory alike, which the tests of delivery use. */
import { afterAll, describe, expect, it } from 'vitest';
import { createEndpoints, type Endpoints, type Retry } from '../../../lambda/adapters/endpoints.ts';
import { tableName } from '../../../lambda/contract/names.ts';
import { memoryEndpoints, newEndpoint, T0 } from '../../support/delivery.ts';
import { STAGE } from '../../support/dynalite.ts';
import { startRegions } from '../../support/regions.ts';

const platform = await startRegions();
afterAll(() => platform.stop());

const retry = (event: string, changes: Partial<Retry> = {}): Retry => ({
  ...{ event, type: 'registration.created', timestamp: '2026-11-28T00:00:00.000Z', data: '{}' },
  ...{ attempts: 1, firstAtMs: T0, nextAtMs: T0 + 5_000, lastStatus: 500, lastError: null },
  ...changes,
});

describe.each<[string, () => Endpoints]>([
  ['the table', () => createEndpoints(platform.shared, tableName(STAGE, 'clients'))],
  ['memory', memoryEndpoints],
])('endpoints in %s', (_, make) => {
  const endpoints = make();

  it('come back as they were written, and go with their retries and dead letters', async () => {
    const endpoint = newEndpoint('ep_whole', {
      ...{ events: ['client.disabled'], payload: 'full', state: 'pending', cursor: 7, cursorAtMs: T0 },
      ping: { askedAtMs: T0, attempts: 1, nextAtMs: T0 + 1 },
      pinged: { atMs: T0, status: null, error: 'tls' },
      previous: [{ rootKid: 'BBBBBB', salt: Buffer.alloc(16, 1), untilMs: T0 }],
      salt: Buffer.alloc(16, 2),
    });
    await endpoints.create(endpoint);
    const found = (await endpoints.get('ep_whole'))!;
    expect({ ...found, salt: Buffer.from(found.salt), term: endpoint.term }).toEqual(endpoint);
    await endpoints.putRetry('ep_whole', retry('evt_1'));
    for (let i = 0; i < 220; i++)
      await endpoints.putDead('ep_whole', { ...retry(`evt_${i}`), deadAtMs: T0 + i } as never);
    const { endpoints: all, retries } = await endpoints.list();
    expect([all.map(({ id }) => id), retries.get('ep_whole')]).toEqual([['ep_whole'], [retry('evt_1')]]);
    expect(await endpoints.remove('ep_whole')).toBe(true);
    expect(await endpoints.remove('ep_whole')).toBe(false);
    expect(await endpoints.retries('ep_whole')).toEqual([]);
    expect((await endpoints.dead('ep_whole', undefined, 10)).letters).toEqual([]);
  });

  it('have one worker at a time, until its lease ends', async () => {
    await endpoints.create(newEndpoint('ep_lease'));
    const it = (await endpoints.get('ep_lease'))!;
    expect((await endpoints.take(it, 'a', T0, T0 + 60_000))?.lease).toBe('a');
    expect(await endpoints.take(it, 'b', T0 + 60_000, T0 + 120_000)).toBeUndefined();
    expect((await endpoints.take(it, 'b', T0 + 60_001, T0 + 120_000))?.lease).toBe('b');
    expect(await endpoints.save(it, 'a', { cursor: 9 }, 'release')).toBe(false);
    expect(await endpoints.save(it, 'b', { cursor: 3 }, { keepUntilMs: T0 + 130_000 })).toBe(true);
    expect(await endpoints.get('ep_lease')).toMatchObject({
      cursor: 3,
      lease: 'b',
      leaseUntilMs: T0 + 130_000,
    });
    expect(await endpoints.save(it, 'b', {}, 'release')).toBe(true);
    expect(await endpoints.get('ep_lease')).toMatchObject({ cursor: 3, lease: null });
    expect(await endpoints.take({ ...it, id: 'ep_none' }, 'a', T0, T0 + 1)).toBeUndefined();
  });

  it("an operator's change takes the lease away", async () => {
    await endpoints.create(newEndpoint('ep_change'));
    const it = (await endpoints.get('ep_change'))!;
    await endpoints.take(it, 'a', T0, T0 + 60_000);
    expect(await endpoints.change(it, { state: 'disabled', ping: null })).toBe(true);
    expect(await endpoints.save(it, 'a', { state: 'active' }, 'release')).toBe(false);
    expect((await endpoints.get('ep_change'))?.state).toBe('disabled');
    expect(await endpoints.change({ ...it, id: 'ep_none' }, { cursor: 1 })).toBe(false);
  });

  it('keep one retry of an event, the newest', async () => {
    await endpoints.putRetry('ep_change', retry('evt_1'));
    await endpoints.putRetry('ep_change', retry('evt_1', { attempts: 2 }));
    expect((await endpoints.retries('ep_change')).map(({ attempts }) => attempts)).toEqual([2]);
    await endpoints.dropRetry('ep_change', 'evt_1');
    expect(await endpoints.retries('ep_change')).toEqual([]);
  });

  it('let a retry wait less, never longer, and bring none back that was delivered', async () => {
    await endpoints.putRetry('ep_change', retry('evt_1'));
    const next = async () => (await endpoints.retries('ep_change')).map(({ nextAtMs }) => nextAtMs);
    await endpoints.hasten('ep_change', 'evt_1', T0 + 6_000);
    expect(await next()).toEqual([T0 + 5_000]);
    await endpoints.hasten('ep_change', 'evt_1', T0);
    expect(await next()).toEqual([T0]);
    await endpoints.dropRetry('ep_change', 'evt_1');
    await endpoints.hasten('ep_change', 'evt_1', T0);
    expect(await next()).toEqual([]);
  });
});
