import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRouter } from '../../local/router.ts';
import { type HttpListener, type LocalServer, startServer } from '../../local/server.ts';
import { send } from './http.ts';

let nowMs = 0;
let entry: LocalServer;
let regions: LocalServer[];
let health: number[];

beforeEach(async () => {
  entry = await startServer(0, new Set());
  regions = [await startServer(0, new Set()), await startServer(0, new Set())];
  health = [200, 200];
  for (const [i, region] of regions.entries())
    region.serve(async (_, response) => {
      response.writeHead(health[i]!).end();
    });
  const gateway =
    (name: string): HttpListener =>
    async (_, response) => {
      response.end(name);
    };
  const destinations = regions.map(({ url }, i) => ({ gateway: gateway(`region ${i}`), healthUrl: url }));
  entry.serve(createRouter(destinations, () => nowMs));
});
afterEach(async () => {
  for (const server of [entry, ...regions]) await server.stop();
});

const ask = async () => (await send(entry.url)).text;
const later = () => {
  nowMs += 60_000;
};

test('the first healthy Region gets the requests, and gets them again after it recovers', async () => {
  expect(await ask()).toBe('region 0');
  health[0] = 503;
  later();
  expect(await ask()).toBe('region 1');
  health[0] = 200;
  later();
  expect(await ask()).toBe('region 0');
});

test('a Region that is gone gets no more requests', async () => {
  await regions[0]!.stop();
  later();
  expect(await ask()).toBe('region 1');
  regions[0] = await startServer(0, new Set());
});

test('if no Region is healthy, the first still gets the requests', async () => {
  health = [503, 503];
  expect(await ask()).toBe('region 0');
});
