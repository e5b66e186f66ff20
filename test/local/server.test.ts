import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LocalServer, PortInUse, startServer } from '../../local/server.ts';
import { send, sendBytes } from './http.ts';

const siblings = new Set<number>();
let server: LocalServer;
let sibling: LocalServer;
let handled = 0;

beforeAll(async () => {
  server = await startServer(0, siblings);
  sibling = await startServer(0, siblings);
  server.serve(async (_, response) => {
    handled += 1;
    response.end();
  });
});
afterAll(async () => {
  await server.stop();
  await sibling.stop();
});

test("a request with the server's own Host, by number or by name, reaches the handler", async () => {
  expect((await send(server.url)).status).toBe(200);
  expect((await send(server.url, { headers: ['Host', `localhost:${server.port}`] })).status).toBe(200);
});

test.each([
  ['another name', () => ['Host', `rebound.example:${server.port}`]],
  ['no port', () => ['Host', '127.0.0.1']],
  ["another server's port", () => ['Host', `127.0.0.1:${sibling.port}`]],
  ['another spelling', () => ['Host', `LOCALHOST:${server.port}`]],
])('a Host with %s is misdirected, and does not reach a handler', async (_, headers) => {
  const before = handled;
  const reply = await send(server.url, { headers: headers() });
  expect(reply.status).toBe(421);
  expect(reply.header('Content-Type')).toBe('application/problem+json');
  expect(handled).toBe(before);
});

test('a missing or a second Host is refused', async () => {
  const before = handled;
  expect(await sendBytes(server.url, 'GET / HTTP/1.0\r\n\r\n')).toBe(421);
  const two = `GET / HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nHost: evil.example\r\nConnection: close\r\n\r\n`;
  expect(await sendBytes(server.url, two)).toBeGreaterThanOrEqual(400);
  expect(handled).toBe(before);
});

test("the platform's own pages may call, foreign ones may not", async () => {
  for (const origin of [sibling.url, `http://localhost:${server.port}`])
    expect((await send(server.url, { headers: ['Origin', origin] })).status).toBe(200);
  const before = handled;
  for (const origin of [
    'https://evil.example',
    'null',
    `https://127.0.0.1:${server.port}`,
    'http://127.0.0.1',
  ])
    expect((await send(server.url, { headers: ['Origin', origin] })).status, origin).toBe(403);
  expect(handled).toBe(before);
});

test('a foreign page is also refused without an Origin, as in a request for an image', async () => {
  const from = async (site: string, ...more: string[]) =>
    (await send(server.url, { headers: ['Sec-Fetch-Site', site, ...more] })).status;
  const before = handled;
  expect([await from('cross-site'), await from('same-site')]).toEqual([403, 403]);
  expect(await from('same-site', 'Origin', 'http://localhost:5173')).toBe(403);
  expect(handled).toBe(before);
  // Its own pages, an address that a person types, and a page of an allowed origin.
  expect([await from('same-origin'), await from('none')]).toEqual([200, 200]);
  expect(await from('same-site', 'Origin', sibling.url)).toBe(200);
});

test('a port in use is named', async () => {
  const second = startServer(server.port, new Set());
  await expect(second).rejects.toThrow(PortInUse);
  await expect(second).rejects.toThrow(String(server.port));
});

test('a handler that fails ends the connection, not the process', async () => {
  const failing = await startServer(0, new Set());
  failing.serve(() => Promise.reject(new Error('broken')));
  await expect(send(failing.url)).rejects.toThrow();
  await failing.stop();
});
