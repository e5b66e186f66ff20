/** `countersign listen` against a server that stands in for the platform, and against a program. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  type CountersignEvent,
  createWebhookHandler,
  memoryStore,
} from '../../sdk/typescript/webhooks/index.ts';
import { closedUrl, Directory, environmentFor, type RunOptions } from './cli.ts';

const event = (i: number): CountersignEvent => ({
  id: `evt_${i}`,
  type: 'registration.created',
  timestamp: '2026-11-23T12:00:00.000Z',
  data: { id: `${i}`, client_id: 'dev', version: `a.${i}.x` },
});

let directory: Directory;
let platform: Server;
let events: CountersignEvent[];
/** What a request for events gets instead of them. */
let problem: { readonly status: number; readonly code: string } | undefined;
/** Called once a request for events found none that is new. */
let atEnd: () => void;
const servers: Server[] = [];

async function serve(server: Server): Promise<string> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

beforeEach(async () => {
  directory = new Directory();
  events = [];
  problem = undefined;
  atEnd = () => {};
  platform = createServer((request, response) => {
    const url = `http://${request.headers.host}`;
    const answer = (body: object) => response.end(JSON.stringify(body));
    if (request.url === '/.well-known/countersign')
      return answer({ issuer: url, regions: [{ name: 'a', url }], proof_max_life: 300, max_nonce_count: 1 });
    if (problem) {
      response.writeHead(problem.status, { 'content-type': 'application/problem+json' });
      return answer({ ...problem, title: 'no' });
    }
    const after = Number(request.url!.slice('/v1/events/'.length));
    const page = events.slice(after, after + 2);
    answer({ events: page, next: String(after + page.length) });
    if (page.length === 0) atEnd();
  });
  await serve(platform);
});
afterEach(() => {
  directory.remove();
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

/** Runs the command until `stop` is called. */
function listen(args: readonly string[], options: Partial<RunOptions> = {}) {
  let stop = () => {};
  const ran = directory.run(['listen', ...args], {
    env: environmentFor(platform),
    onReady: (interrupt) => {
      stop = interrupt;
    },
    ...options,
  });
  return { ran, stop: () => stop() };
}

const nextEnd = () =>
  new Promise<void>((resolve) => {
    atEnd = resolve;
  });

it('sends what happens from now on, signed with the secret that it prints, and says what was answered', async () => {
  events = [event(0), event(1), event(2)];
  let handler: ReturnType<typeof createWebhookHandler> | undefined;
  const handled: string[] = [];
  const all = Promise.withResolvers<void>();
  const program = await serve(createServer((request, response) => void handler!.listener(request, response)));
  const end = nextEnd();
  const { ran, stop } = listen(['--forward-to', program, '--json']);
  await end;
  // The same key has the same secret, so the program's settings could hold it.
  const secret = (await secretFrom(program)) as string;
  handler = createWebhookHandler({
    keys: secret,
    store: memoryStore(),
    on: {
      'registration.created': ({ id }) => {
        handled.push(id);
        if (handled.length === 2) all.resolve();
      },
    },
  });
  events.push(event(3), event(4));
  await all.promise;
  await nextEnd();
  stop();
  const { code, stdout, stderr } = await ran;
  const [ready, ...lines] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(ready).toEqual({ client_id: 'dev', forward_to: program, secret });
  expect(handled).toEqual(['evt_3', 'evt_4']);
  // One page has one cursor, which is behind its last event.
  expect(lines).toEqual([
    { ...event(3), cursor: expect.any(String), status: 204 },
    { ...event(4), cursor: '5', status: 204 },
  ]);
  expect([code, stderr]).toEqual([0, '']);
});

/** The first line that a run prints. */
async function secretFrom(program: string): Promise<unknown> {
  const { ran, stop } = listen(['--forward-to', program, '--json', '--after', String(events.length)]);
  await nextEnd();
  stop();
  return JSON.parse((await ran).stdout).secret;
}

it('--after begins with older events; a program that fails or is not there makes the exit code 1', async () => {
  events = [event(0), event(1), event(2)];
  const program = await serve(createServer((_, response) => response.writeHead(500).end()));
  const end = nextEnd();
  const failing = listen(['--forward-to', program, '--after', '1']);
  await end;
  failing.stop();
  const { code, stdout } = await failing.ran;
  expect(stdout).toMatch(/^events of dev go to http:\S+, signed with the secret whsec_\S+\n/);
  expect(stdout.split('\n').slice(1, 3)).toEqual([
    'registration.created evt_1: 500',
    'registration.created evt_2: 500',
  ]);
  expect(code).toBe(1);

  const endAgain = nextEnd();
  const gone = listen(['--forward-to', await closedUrl(), '--after', '2']);
  await endAgain;
  gone.stop();
  expect(await gone.ran).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('registration.created evt_2: ECONNREFUSED\n'),
  });
});

it('survives an outage of the platform, of which it says one line, and forwards what it missed', async () => {
  const received = Promise.withResolvers<void>();
  const program = await serve(
    createServer((_, response) => {
      response.writeHead(204).end();
      received.resolve();
    }),
  );
  const end = nextEnd();
  const { ran, stop } = listen(['--forward-to', program]);
  await end;
  await nextEnd();
  problem = { status: 400, code: 'unavailable' };
  events.push(event(0));
  const looked = Promise.withResolvers<void>();
  let looks = 0;
  platform.on('request', () => ++looks > 2 && looked.resolve());
  await looked.promise;
  problem = undefined;
  await received.promise;
  await nextEnd();
  stop();
  const { code, stdout, stderr } = await ran;
  expect(stdout).toContain('registration.created evt_0: 204\n');
  expect(stderr).toBe('error: no; trying again\n');
  expect(code).toBe(0);
});

it('ends where the platform refuses, or is not there at the start', async () => {
  problem = { status: 401, code: 'invalid_proof' };
  const refused = await listen(['--forward-to', 'http://127.0.0.1:1']).ran;
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('check that the API key') });
  problem = { status: 400, code: 'unavailable' };
  expect(await listen(['--forward-to', 'http://127.0.0.1:1']).ran).toMatchObject({ code: 3 });
});

it.each(['localhost:8080', 'ftp://localhost', ''])('refuses the URL %j', async (url) => {
  const { code, stderr } = await listen(['--forward-to', url]).ran;
  expect([code, stderr]).toEqual([2, expect.stringContaining('http://')]);
});
