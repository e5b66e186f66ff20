/** Whether Regions know of a move, against functions for operators that a test plays. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { unheard } from '../../cli/evacuation/heard.ts';
import { localTarget } from '../../cli/target.ts';

const REGIONS = ['local-a', 'local-b'];
let server: Server;
let looks: string[];
/** The holder that a Region shows, at its look of that number; undefined: no such endpoint any more. */
let holderAt: (region: string, look: number) => string | undefined;

beforeEach(async () => {
  looks = [];
  server = createServer((request, response) => {
    const region = /\/(local-\w)\/lambda\//.exec(request.headers.authorization ?? '')![1]!;
    looks.push(region);
    const holder = holderAt(region, looks.filter((each) => each === region).length);
    const endpoints = [{ id: 'ep_other', holder: 'local-a' }, ...(holder ? [{ id: 'ep_1', holder }] : [])];
    response.end(JSON.stringify({ ok: true, result: { endpoints } }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const look = (moved: readonly string[], pollMs = 2_000) =>
  unheard(localTarget(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, REGIONS), {
    ...{ moved, holder: 'local-b', regions: REGIONS, pollMs, signal: new AbortController().signal },
  });

it('waits until both Regions show the new holder, and asks none again that does', async () => {
  holderAt = (region, n) => (region === 'local-b' || n > 2 ? 'local-b' : 'local-a');
  expect(await look(['ep_1'], 1)).toEqual([]);
  expect(looks.sort()).toEqual(['local-a', 'local-a', 'local-a', 'local-b']);
});

it('names a Region that goes on showing the one before', async () => {
  holderAt = (region) => region;
  expect(await look(['ep_1'], 10_001)).toEqual(['local-a']);
});

it('an endpoint that was deleted meanwhile has no holder to wait for, and without a move nobody is asked', async () => {
  holderAt = () => undefined;
  expect([await look(['ep_1']), await look([])]).toEqual([[], []]);
  expect(looks.sort()).toEqual(REGIONS);
});
