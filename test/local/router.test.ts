import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRouter, type Router } from '../../local/router.ts';
import { type LocalServer, startServer } from '../../local/server.ts';
import { send } from './http.ts';

const TTL_MS = 1_000;
let entry: LocalServer;
let regions: LocalServer[];
let router: Router;
let healthy: boolean[];
let nowMs: number;

beforeEach(async () => {
  nowMs = 0;
  healthy = [true, true];
  entry = await startServer(0, new Set());
  regions = await Promise.all(healthy.map(() => startServer(0, new Set())));
  for (const [i, server] of regions.entries())
    server.serve(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      const { host: _, ...headers } = request.headers;
      response.writeHead(i === 0 ? 200 : 299, ['X-Twice', 'a', 'X-Twice', 'b', 'Date', 'its own']);
      response.end(JSON.stringify({ region: i, method: request.method, url: request.url, headers, body }));
    });
  router = createRouter({
    regions: regions.map(({ url }, i) => ({ url, isHealthy: () => healthy[i]! })),
    ttlMs: TTL_MS,
    now: () => nowMs,
  });
  entry.serve(router.listener);
});
afterEach(async () => {
  router.stop();
  for (const server of [entry, ...regions]) await server.stop();
});

const ask = async () => JSON.parse((await send(entry.url)).text).region;

test('the first healthy Region gets the requests, and gets them again after it recovers', async () => {
  expect(await ask()).toBe(0);
  healthy[0] = false;
  nowMs += TTL_MS;
  expect(await ask()).toBe(1);
  healthy[0] = true;
  nowMs += TTL_MS;
  expect(await ask()).toBe(0);
});

test('an answer of DNS is kept for its time to live; until then a Region that is gone breaks the connection', async () => {
  expect(await ask()).toBe(0);
  healthy[0] = false;
  await regions[0]!.stop();
  nowMs += TTL_MS - 1;
  await expect(ask()).rejects.toThrow(expect.objectContaining({ code: 'ECONNRESET' }));
  nowMs += 1;
  expect(await ask()).toBe(1);
});

test('where no Region is healthy DNS answers with all, and the first is asked', async () => {
  healthy.fill(false);
  expect(await ask()).toBe(0);
});

test('a request and its answer pass as they are', async () => {
  const headers = ['X-Case', 'one', 'x-case', 'two', 'Connection', 'close'];
  const answer = await send(`${entry.url}/a%2fb?c=%72`, { method: 'POST', headers, body: '\u00e9' });
  expect(answer.headers.filter(([name]) => name === 'X-Twice' || name === 'Date')).toEqual([
    ['X-Twice', 'a'],
    ['X-Twice', 'b'],
    ['Date', 'its own'],
  ]);
  expect(JSON.parse(answer.text)).toEqual({
    region: 0,
    method: 'POST',
    url: '/a%2fb?c=%72',
    headers: { 'x-case': 'one, two', 'content-length': '2', connection: 'keep-alive' },
    body: '\u00e9',
  });
});
