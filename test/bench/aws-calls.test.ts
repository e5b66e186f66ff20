/** What the bench counts of a request, and what it counts of events. */
import { expect, it, onTestFinished } from 'vitest';
import { watchAws } from '../../bench/aws-calls.ts';
import { batch } from '../../bench/parts/batch.ts';
import { scale } from '../../bench/parts/scale.ts';
import { tableName } from '../../lambda/contract/names.ts';
import { readBody, startServer } from '../../local/server.ts';
import { STAGE } from '../../local/stage.ts';

const registry = tableName(STAGE, 'registry');
const clients = tableName(STAGE, 'clients');
const events = tableName(STAGE, 'events');

/** An endpoint that refuses each UpdateItem, and answers with the length of the body that it read. */
async function watched(...clock: Parameters<typeof watchAws>) {
  const watch = watchAws(...clock);
  const server = await startServer(0, new Set());
  server.serve(async (request, response) => {
    const body = await readBody(request, 100_000);
    response.statusCode = request.headers['x-amz-target'] === 'DynamoDB_20120810.UpdateItem' ? 400 : 200;
    response.end(String(body?.length));
  });
  onTestFinished(async () => {
    watch.stop();
    await server.stop();
  });
  const call = async (operation: string, input: object): Promise<void> => {
    const body = JSON.stringify(input);
    const headers = { 'X-Amz-Target': `DynamoDB_20120810.${operation}` };
    const answer = await fetch(server.url, { method: 'POST', headers, body });
    expect(await answer.text()).toBe(String(Buffer.byteLength(body)));
  };
  return { watch, call, url: server.url };
}

it('calls are counted by the table that they name, and endpoints’ are those of events', async () => {
  const { watch, call, url } = await watched();
  const data = { S: 'é'.repeat(40_000) };
  await call('PutItem', { TableName: registry, Item: { pk: { S: '@endpoints' }, data } });
  await call('UpdateItem', { TableName: tableName(STAGE, 'limits') });
  await call('Query', { TableName: clients, ExpressionAttributeValues: { ':pk': { S: 'demo' } } });
  await call('GetSecretValue', { SecretId: 'countersign/local/keys/nonce' });
  await call('PutItem', { TableName: events, Item: { data } });
  await call('UpdateItem', { TableName: events });
  await call('Query', { TableName: clients, ExpressionAttributeValues: { ':pk': { S: '@endpoints' } } });
  await fetch(url, { method: 'POST', body: 'not a call to AWS' });
  const taken = watch.take();
  expect(taken).toMatchObject({
    requests: {
      calls: { PutItem: 1, UpdateItem: 1, Query: 1, GetSecretValue: 1 },
      refused: { UpdateItem: 1 },
    },
    events: { calls: { PutItem: 1, UpdateItem: 1, Query: 1 }, refused: { UpdateItem: 1 } },
  });
  for (const { bytes } of Object.values(taken)) {
    expect(bytes.sent).toBeGreaterThan(80_000);
    expect(bytes.sent).toBeLessThan(85_000);
    expect(bytes.received).toBeGreaterThan(0);
    expect(bytes.received).toBeLessThan(5_000);
  }
  const none = { calls: {}, refused: {}, bytes: { sent: 0, received: 0 } };
  expect(watch.take()).toEqual({ requests: none, events: none });
});

it('all events are written once none has come for several polls of the streams', async () => {
  let nowMs = 0;
  let writes = 0;
  const { watch, call } = await watched(
    () => nowMs,
    async (ms) => {
      nowMs += ms - 10;
      if (writes++ < 3) await call('PutItem', { TableName: events });
      nowMs += 10;
    },
  );
  await watch.settle();
  // Each write came just before it would have been quiet for long enough.
  expect(watch.take().events.calls).toEqual({ PutItem: 3 });
  expect(nowMs).toBeGreaterThan(4 * 1_400);
});

const received = (calls: Record<string, number>) => ({ calls, refused: {}, bytes: { sent: 0, received: 0 } });

it.each([
  [2, false],
  [2.1, true],
])('%d calls of a registration miss the target: %s, whatever its events need', (each, missed) => {
  const registrations = 1_000;
  const counted = {
    requests: received({ PutItem: each * registrations }),
    events: received({ PutItem: 6 * registrations, UpdateItem: 30 }),
  };
  const raw = { users: registrations, registered: registrations, seconds: 1, exchanges: registrations };
  const [main] = batch.sections({ ...raw, ...counted });
  expect(main!.rows.filter((row) => row.missed)).toHaveLength(missed ? 1 : 0);
  expect(main!.rows.find(({ figure }) => figure.includes('for events'))).toEqual({
    figure: 'store calls per registration for events, after the answer',
    measured: '6.030: 6.0000 PutItem, 0.0300 UpdateItem',
  });

  const latencyMs = { 50: 1, 95: 1, 99: 1 };
  const step = { registrations, seconds: 1, latencyMs, ...counted };
  const calls = { latencyMs, calls: 1, failed: 0 };
  const [instances] = scale.sections({
    instances: { 1: step },
    items: {},
    loss: { before: calls, lost: calls, after: calls },
  });
  const [row] = instances!.rows;
  expect(row).toMatchObject({ missed, values: [each] });
  expect(row!.measured).toContain(
    '; events, after the answer: 6.030 calls (6.0000 PutItem, 0.0300 UpdateItem)',
  );
});

it('figures from before events were counted apart meet no target and miss none', () => {
  const latencyMs = { 50: 1, 95: 1, 99: 1 };
  const calls = { latencyMs, calls: 1, failed: 0 };
  const step = { registrations: 1_000, seconds: 1, latencyMs };
  const [instances] = scale.sections({
    instances: { 1: { ...step, ...received({ PutItem: 8_000 }), bytes: 1_000 } },
    items: {},
    loss: { before: calls, lost: calls, after: calls },
  });
  const [row] = instances!.rows;
  expect(row).toMatchObject({ values: [8] });
  expect(row).not.toHaveProperty('target');
  expect(row!.measured).toContain('8.000 calls with those of events');
});
