import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRouter } from '../../local/router.ts';
import { type HttpListener, type LocalServer, startServer } from '../../local/server.ts';
import { send } from './http.ts';

let entry: LocalServer;
let healthy: boolean[];

beforeEach(async () => {
  entry = await startServer(0, new Set());
  healthy = [true, true];
  const gateway =
    (name: string): HttpListener =>
    async (_, response) => {
      response.end(name);
    };
  entry.serve(
    createRouter(healthy.map((_, i) => ({ gateway: gateway(`region ${i}`), isHealthy: () => healthy[i]! }))),
  );
});
afterEach(() => entry.stop());

const ask = async () => (await send(entry.url)).text;

test('the first healthy Region gets the requests, and gets them again after it recovers', async () => {
  expect(await ask()).toBe('region 0');
  healthy[0] = false;
  expect(await ask()).toBe('region 1');
  healthy[0] = true;
  expect(await ask()).toBe('region 0');
});

test('if no Region is healthy, the first still gets the requests', async () => {
  healthy.fill(false);
  expect(await ask()).toBe('region 0');
});
