/** Ctrl-C, or a signal to end, while a Region does not answer: what may have been done is said. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Directory, type Ran } from './cli.ts';

const [ANSWERS, HANGS] = ['local-a', 'local-b'] as const;
const directory = new Directory();
const client = {
  ...{ client_id: 'acme', profile: 'strict', disabled: true, limit: 5, scopes: [], created_at: 'x' },
  keys: [{ kid: '1', revoked: true }],
};
const RESULTS: Readonly<Record<string, object>> = {
  'tables.show': {
    ...{ registry: 'r-1', clients: 'c-1', consistency: 'strong', regions: [ANSWERS, HANGS] },
    ...{ stopped_at: null, stopped_ms: null },
  },
  'webhooks.list': { endpoints: [{ id: 'ep_1', holder: HANGS, client: '*', state: 'enabled' }] },
  'events.rebuild': { looked: 500, written: 3, unreadable: [] },
  'registrations.delete': { id: 'id', deleted: true },
  'registrations.erase': { id: 'id', state: 'deleted', existed: true, erasable_at: '2026-11-23T12:00:00Z' },
};
let lambda: Server;
/** Regions that answer no call that changes something. */
let hanging: readonly string[] = [];
/** Called once one of them has such a call. */
let onAsked = () => {};
/** The calls that change something. */
let calls: string[] = [];

beforeAll(async () => {
  lambda = createServer(async (request, response) => {
    const region = /Credential=[^/]+\/\d+\/([^/]+)\//.exec(request.headers.authorization!)![1]!;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { action } = JSON.parse(Buffer.concat(chunks).toString());
    const isRead = /\.(show|list)$/.test(action);
    if (!isRead) calls.push(`${region} ${action}`);
    if (!isRead && hanging.includes(region)) return onAsked();
    response.end(JSON.stringify({ ok: true, result: RESULTS[action] ?? client }));
  }).listen(0, '127.0.0.1');
  await once(lambda, 'listening');
  const { port } = lambda.address() as AddressInfo;
  const regions = [ANSWERS, HANGS].map((name) => ({ name, url: 'http://127.0.0.1:1' }));
  const entry = 'http://127.0.0.1:1';
  directory.announce({ entry, regions, awsEndpoint: `http://127.0.0.1:${port}`, clients: [] });
});
afterAll(() => {
  lambda?.closeAllConnections();
  lambda?.close();
  directory.remove();
});

/** Runs a command, and ends it once a Region that hangs was asked for a change. */
function ended(line: string, by: 'Ctrl-C' | 'SIGTERM'): Promise<Ran> {
  const others = new Set(process.listeners('SIGTERM'));
  calls = [];
  let press = () => {};
  onAsked = () => {
    if (by === 'Ctrl-C') press();
    else for (const listener of process.listeners('SIGTERM')) if (!others.has(listener)) listener('SIGTERM');
  };
  return directory.run(line.split(' '), {
    onReady: (interrupt) => {
      press = interrupt;
    },
  });
}

const LOOK = /interrupted; it may have been done: look with countersign /;
const AGAIN = /interrupted; it may have been done: run the command again/;
it.each<[string, string, RegExp]>([
  [
    'registry stop-writes',
    'writes are stopped: local-a',
    /look with countersign registry show\nwrites may go on in local-b/,
  ],
  ['registry resume-writes', 'writes are allowed: local-a', LOOK],
  ['clients update acme --limit 5', 'the limit of acme is 5', LOOK],
  ['clients disable acme', 'acme is disabled: local-a', LOOK],
  ['clients delete acme', 'acme is deleted', LOOK],
  ['revoke client acme', 'acme is disabled: local-a', LOOK],
  ['revoke key acme 1', 'key 1 of acme revoked: local-a', LOOK],
  ['revoke token jti', 'token jti is revoked: local-a', AGAIN],
  ['registrations delete acme ada', 'ada of acme (id) is deleted: local-a', LOOK],
  ['registrations erase acme ada --wait', 'ada of acme (id) is deleted', LOOK],
  ['events rebuild --since 25h', 'local-a: 3 events written', AGAIN],
  ['webhooks update ep_1 --disable', '', LOOK],
  ['webhooks delete ep_1', '', LOOK],
  ['webhooks replay ep_1 --since 1h', '', LOOK],
])('%s, while one Region hangs', async (line, done, doubt) => {
  hanging = [HANGS];
  for (const by of ['Ctrl-C', 'SIGTERM'] as const) {
    const { code, stdout, stderr } = await ended(line, by);
    expect([code, stdout, stderr]).toEqual([
      130,
      done === '' ? '' : expect.stringContaining(done),
      expect.stringMatching(doubt),
    ]);
    expect(calls.filter((call) => call.startsWith(HANGS))).toHaveLength(1);
  }
});

it.each([
  ['clients create acme', 'if the client is there, its API key is lost'],
  ['clients invite acme', 'if the client is there, its token is lost'],
  ['clients rotate-key acme', 'if it has a new key, that key is lost'],
  ['webhooks create --all --url https://x.example', 'if the endpoint is there, its secret is lost'],
])('%s, while its Region hangs', async (line, lost) => {
  hanging = [ANSWERS];
  for (const by of ['Ctrl-C', 'SIGTERM'] as const) {
    const { code, stdout, stderr } = await ended(line, by);
    expect([code, stdout, stderr]).toEqual([130, '', expect.stringContaining(lost)]);
    expect(calls).toHaveLength(1);
  }
});

it('a Region that was not called yet is not called, and has nothing that may have been done', async () => {
  hanging = [ANSWERS];
  const { code, stderr } = await ended('clients enable acme', 'Ctrl-C');
  expect([code, stderr, calls]).toEqual([
    130,
    expect.stringMatching(
      /local-a: interrupted; it may have been done: .*\nerror: not confirmed by local-b: interrupted\n$/,
    ),
    ['local-a clients.enable'],
  ]);
});
