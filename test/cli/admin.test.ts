/** How long the command line waits for a Lambda function, and what it says when an answer is lost. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { BadAnswer, invoke, invokeAdmin } from '../../cli/admin.ts';
import { EXIT } from '../../cli/io.ts';
import { ADMIN_FUNCTION, type AdminAction } from '../../lambda/contract/admin.ts';
import { ROTATION_TIMEOUT_MS } from '../../lambda/contract/keys.ts';

afterEach(() => void vi.restoreAllMocks());

const target = (port: number) => ({
  ...{ stage: 'local', regions: ['local-a'], args: ' --local 4100' },
  aws: (region: string) => ({
    region,
    endpoint: `http://127.0.0.1:${port}`,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  }),
});

it('the call to a function that never answers ends once Lambda would have ended the function', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const late = new AbortController();
  const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(late.signal);
  try {
    let failure: unknown;
    invoke(target(port), 'local-a', 'f', 'keys.list', {}).catch((error) => {
      failure = error;
    });
    await once(silent, 'request');
    expect(timeout).toHaveBeenCalledExactlyOnceWith(ROTATION_TIMEOUT_MS + 10_000);
    expect(failure).toBeUndefined();
    late.abort(new DOMException('late', 'TimeoutError'));
    await expect.poll(() => failure).toMatchObject({ exitCode: EXIT.unreachable });
  } finally {
    silent.closeAllConnections();
    silent.close();
  }
});

const CLIENT = { client_id: 'acme' };
const ADA = { ...CLIENT, user_id: 'ada' };
const RUN_AGAIN = 'run the command again: that does no harm';
const LOST: [AdminAction, object, string][] = [
  ['clients.create', {}, 'look with countersign clients list --local 4100; if the client is there'],
  ['clients.invite', CLIENT, 'look with countersign clients show acme --local 4100; if the client is there'],
  ['clients.update', CLIENT, 'look with countersign clients show acme --local 4100'],
  ['clients.rotate-key', CLIENT, 'look with countersign clients show acme --local 4100; if it has a new key'],
  ['clients.revoke-key', CLIENT, 'look with countersign clients show acme --local 4100; to run it again'],
  ['clients.disable', CLIENT, 'look with countersign clients show acme --local 4100'],
  ['clients.enable', CLIENT, 'look with countersign clients show acme --local 4100'],
  ['clients.delete', CLIENT, 'look with countersign clients show acme --local 4100'],
  ['registrations.delete', ADA, 'look with countersign registrations show --local 4100 acme ada'],
  [
    'registrations.erase',
    { ...CLIENT, user_id: "-a'b" },
    "look with countersign registrations show --local 4100 acme -- '-a'\\''b'",
  ],
  ['tables.stop', {}, 'look with countersign registry show --local 4100'],
  ['tables.resume', {}, 'look with countersign registry show --local 4100'],
  ['proofs.revoke', { nonce: 'n' }, RUN_AGAIN],
  ['tokens.revoke', { jti: 'j' }, RUN_AGAIN],
  ['events.rebuild', { since: '2026-11-23T12:00:00Z' }, RUN_AGAIN],
  ['regions.evacuate', { region: 'local-a' }, RUN_AGAIN],
  ['regions.return', { region: 'local-a' }, RUN_AGAIN],
  [
    'webhooks.create',
    { all: true, url: 'https://hooks.example.com' },
    'look with countersign webhooks list --local 4100; if the endpoint is there',
  ],
  [
    'webhooks.update',
    { id: 'ep_1' },
    'look with countersign webhooks list --local 4100; run the command again: the secrets before a new one sign for another day',
  ],
  ...(['delete', 'test', 'replay', 'move'] as const).map((name): [AdminAction, object, string] => [
    `webhooks.${name}`,
    { id: 'ep_1' },
    'look with countersign webhooks list --local 4100',
  ]),
];

it.each(LOST)('after a lost answer of %s says what to do', async (action, params, todo) => {
  const failing = createServer((_, response) => {
    response.writeHead(200, { 'X-Amz-Function-Error': 'Unhandled' }).end('{}');
  }).listen(0, '127.0.0.1');
  await once(failing, 'listening');
  const { port } = failing.address() as AddressInfo;
  try {
    const lost = invokeAdmin(target(port), 'local-a', action, params as never);
    const error: Error = await lost.then(
      () => expect.fail('no error'),
      (thrown) => thrown,
    );
    const [, said] = error.message.split('its log says why; it may have been done: ');
    expect(said?.slice(0, todo.length)).toBe(todo);
    // No other advice follows, but for the actions that show a key.
    if (!/; (if|to) /.test(todo)) expect(said).toBe(todo);
  } finally {
    failing.closeAllConnections();
    failing.close();
  }
});

it.each([
  ['a function that failed', { 'X-Amz-Function-Error': 'Unhandled' }, '{}'],
  ['a proxy', {}, '<html>'],
])('an answer of %s is told from none: something is there', async (_, headers, body) => {
  const server = createServer((_, response) => {
    response.writeHead(200, headers).end(body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    const asked = invokeAdmin(target(port), 'local-a', 'tables.show', {});
    await expect(asked).rejects.toBeInstanceOf(BadAnswer);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

it('every action that changes something says what to do after a lost answer', () => {
  const writes = Object.entries(ADMIN_FUNCTION).filter(([, name]) => name === 'admin-write');
  expect(LOST.map(([action]) => action).toSorted()).toEqual(writes.map(([action]) => action).toSorted());
});
