/**
 * The write stop, during which `registry` and `clients` are copied: nothing changes these tables, and no
 * nonce is used up.
 */
import { DeleteItemCommand } from '@aws-sdk/client-dynamodb';
import { afterEach, expect, it, vi } from 'vitest';
import type { SdkDynamodb } from '../../../lambda/adapters/aws-sdk.ts';
import { Unavailable } from '../../../lambda/adapters/call.ts';
import { createWriteStop, type WriteStop } from '../../../lambda/adapters/write-stop.ts';
import type { Action } from '../../../lambda/admin/actions.ts';
import { stoppable } from '../../../lambda/admin/tables.ts';
import { tableName } from '../../../lambda/contract/names.ts';
import { STAGE } from '../../support/dynalite.ts';
import { type Region, regionsForFile } from '../../support/regions.ts';
import { makeClient, prepare, read, register, remove } from '../../support/signer.ts';

const { platform, a, b } = await regionsForFile();
const signer = await makeClient(platform);
let user = 0;

const stop = () => platform.operate('tables.stop', {});
afterEach(() => platform.operate('tables.resume', {}));

/** All items that must not change during the stop, without those of health checks. */
const contents = async () =>
  JSON.stringify([
    ...(await platform.items('registry')).filter(({ pk }) => !(pk as { S: string }).S.startsWith('#')),
    ...(await platform.items('clients')),
  ]);

const tryIn = async (region: Region) => {
  const { code, status } = await register(platform, region, signer, { user_id: `u${++user}` });
  return code ?? status;
};

it('no instance of the Region writes later than 10 s after the stop, whatever it caches; other Regions still write', async () => {
  const warm = a.instance();
  expect(await tryIn(warm)).toBe(201);
  await stop();
  expect(await tryIn(a.instance())).toBe('unavailable');
  platform.clock.nowMs += 10_001;
  expect(await tryIn(warm)).toBe('unavailable');
  expect(await tryIn(b)).toBe(201);
  const refused = platform.log.filter(({ code }) => code === 'unavailable');
  expect(refused.map(({ reason }) => reason)).toEqual(['writes unavailable', 'writes unavailable']);
});

it('a request during the stop uses up no nonce: the same proof registers once writes are allowed again', async () => {
  const ask = await prepare(platform, a, signer, { user_id: `u${++user}` });
  await stop();
  expect((await a.instance().send(ask)).code).toBe('unavailable');
  expect((await read(platform, a, signer, 'x'.repeat(43))).code).toBe('not_found');
  await platform.operate('tables.resume', {});
  expect((await a.instance().send(ask)).status).toBe(201);
});

it.each([
  ['clients.create', { client_id: 'newcomer', profile: 'strict' }],
  ['clients.update', { client_id: signer.clientId, limit: 7 }],
  ['clients.rotate-key', { client_id: signer.clientId }],
  ['clients.revoke-key', { client_id: signer.clientId, kid: '1' }],
  ['clients.disable', { client_id: signer.clientId }],
  ['clients.enable', { client_id: signer.clientId }],
  ['clients.delete', { client_id: signer.clientId }],
  ['registrations.delete', { client_id: signer.clientId, user_id: 'u1' }],
  ['registrations.erase', { client_id: signer.clientId, user_id: 'u1' }],
] as const)('%s changes nothing while writes are stopped, and says so', async (action, params) => {
  await stop();
  const before = await contents();
  const answer = await platform.admin(action, params as never);
  expect(answer).toMatchObject({ ok: false, problem: { status: 503, code: 'unavailable' } });
  expect((answer as { problem: { detail: string } }).problem.detail).toContain('registry resume-writes');
  expect(await contents()).toBe(before);
});

it('a client cannot delete either', async () => {
  const made = await register(platform, a, signer, { user_id: `u${++user}` });
  await stop();
  const before = await contents();
  expect((await remove(platform, a.instance(), signer, made.json.id)).code).toBe('unavailable');
  expect(await contents()).toBe(before);
});

it('a stop that is repeated keeps its time, from which no write can be in progress; proofs can still be revoked', async () => {
  const first = await stop();
  platform.clock.nowMs += 30_000;
  expect(await stop()).toEqual({ ...first, stopped_ms: 30_000 });
  expect(await platform.operate('tables.show', {})).toEqual({ ...first, stopped_ms: 30_000 });
  const { json } = await a.send({ method: 'GET', path: `/v1/nonce?client_id=${signer.clientId}` });
  expect(await platform.operate('proofs.revoke', { nonce: json.nonce })).toEqual({ outcome: 'revoked' });
  await platform.operate('tables.resume', {});
  platform.clock.nowMs += 1_000;
  const again = await stop();
  expect(again.stopped_at).not.toBe(first.stopped_at);
});

it('a stop, and its end, mark the generation in use: it is never filled, even if no health check has run', async () => {
  const markedMs = async () => {
    const mark = (await platform.items('registry')).find(
      ({ pk }) => (pk as { S: string }).S === `#probe#${a.name}`,
    );
    return Number((mark?.probed_at as { N: string } | undefined)?.N);
  };
  for (const action of ['tables.stop', 'tables.resume'] as const) {
    platform.clock.nowMs += 1_000;
    await platform.operate(action, {});
    expect([action, await markedMs()]).toEqual([action, platform.clock.nowMs]);
  }
});

it('an instance marks the generation in use before it first changes it: it is never filled again', async () => {
  const marks = async () =>
    (await platform.items('registry')).filter(({ pk }) => (pk as { S: string }).S === `#probe#${a.name}`);
  const forget = async () => {
    const Key = { pk: { S: `#probe#${a.name}` } };
    await platform.shared.send(new DeleteItemCommand({ TableName: tableName(STAGE, 'registry'), Key }));
    expect(await marks()).toEqual([]);
  };
  const { json } = await register(platform, a, signer, { user_id: `u${++user}` });
  const changes: [string, () => Promise<unknown>][] = [
    ['register', () => register(platform, a.instance(), signer, { user_id: `u${++user}` })],
    ['delete', () => remove(platform, a.instance(), signer, json.id)],
    [
      'an operator',
      () =>
        a
          .instance()
          .functions['admin-write']({ action: 'clients.disable', params: { client_id: signer.clientId } }, {
            awsRequestId: 'x',
          } as never),
    ],
  ];
  for (const [name, change] of changes) {
    await forget();
    await change();
    expect([name, (await marks()).length]).toEqual([name, 1]);
  }
  await platform.operate('clients.enable', { client_id: signer.clientId });
  await forget();
  await read(platform, a.instance(), signer, json.id);
  expect(await marks()).toEqual([]);
});

it('if the mark cannot be left, nothing is written, and no nonce is used up', async () => {
  const one = a.instance();
  const send = platform.shared.send.bind(platform.shared);
  const down = vi.spyOn(platform.shared, 'send').mockImplementation((command) => {
    const { Item } = (command as unknown as { input: { Item?: { pk: { S: string } } } }).input;
    if (Item?.pk.S.startsWith('#probe#')) throw new Error('registry is down');
    return send(command as never);
  });
  const ask = await prepare(platform, a, signer, { user_id: `u${++user}` });
  expect((await one.send(ask)).code).toBe('unavailable');
  down.mockRestore();
  expect((await one.send(ask)).status).toBe(201);
});

it('the flag and the stop are read together: a request waits for one read', async () => {
  const both = Promise.withResolvers<void>();
  let arrived = 0;
  const gated = {
    send: async (command: { input: { Key?: { pk: { S: string } } } }) => {
      if (/^(evacuated#|stop#)/.test(command.input.Key?.pk.S ?? '')) {
        arrived += 1;
        if (arrived === 2) both.resolve();
        await both.promise;
      }
      return a.dynamodb.send(command as never);
    },
  } as unknown as SdkDynamodb;
  expect(await tryIn(a.instance({}, { dynamodb: gated }))).toBe(201);
});

it('if the stop cannot be read, nothing is written: the instance does not know whether it may', async () => {
  let down = false;
  const failing = {
    send: async (command: { input: { Key?: { pk: { S: string } } } }) => {
      if (down && command.input.Key?.pk.S === 'stop#writes') throw new Error('limits are down');
      return a.dynamodb.send(command as never);
    },
  } as unknown as SdkDynamodb;
  const warm = a.instance({}, { dynamodb: failing });
  expect(await tryIn(warm)).toBe(201);
  down = true;
  expect(await tryIn(warm)).toBe(201);
  platform.clock.nowMs += 10_001;
  expect(await tryIn(warm)).toBe('unavailable');
});

it('if the stop cannot be read, no action of an operator changes anything', async () => {
  let runs = 0;
  const change: Action = { target: () => 'x', run: async () => runs++ } as never;
  let read = async (): Promise<number | undefined> => {
    throw new Unavailable('limits');
  };
  const marked = async () => {};
  const { act } = stoppable({ act: change }, { read: () => read() } as WriteStop, marked);
  await expect(act!.run({})).rejects.toThrow(Unavailable);
  expect(runs).toBe(0);
  read = async () => undefined;
  await act!.run({});
  expect(runs).toBe(1);
});

it('a stop that another operator ends at once is not confirmed: writes are allowed', async () => {
  await stop();
  const ending = {
    send: async (command: { input: { Item?: unknown } }) => {
      const sent = a.dynamodb.send(command as never) as Promise<unknown>;
      // The stop stands already, so this call is refused; then the other operator's command runs.
      if (command.input.Item)
        await sent.catch(async () => {
          await platform.operate('tables.resume', {});
        });
      return sent;
    },
  } as unknown as SdkDynamodb;
  await expect(
    createWriteStop(ending, tableName(STAGE, 'limits')).stop(platform.clock.nowMs),
  ).rejects.toThrow(Unavailable);
  expect(await platform.operate('tables.show', {})).toMatchObject({ stopped_at: null });
});
