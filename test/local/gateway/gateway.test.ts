import { randomBytes } from 'node:crypto';
import type { APIGatewayProxyEvent } from 'aws-lambda';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CORS_REQUEST_HEADERS, checkersRoute, ROUTES } from '../../../lambda/contract/routes.ts';
import { createGateway } from '../../../local/gateway/gateway.ts';
import { type LocalServer, startServer } from '../../../local/server.ts';
import { type Reply, send } from '../http.ts';

const NOW_MS = Date.UTC(2026, 10, 23, 12);
let server: LocalServer;
let calls: { name: string; event: APIGatewayProxyEvent }[] = [];
let respond: () => unknown;

beforeAll(async () => {
  server = await startServer(0, new Set());
  const invoke = async (name: string, event: APIGatewayProxyEvent) => {
    calls.push({ name, event });
    return respond();
  };
  server.serve(
    createGateway({
      invoke,
      errorDocsUrl: 'https://docs.example.com/errors',
      routes: [...ROUTES, checkersRoute('secret')],
      nowMs: () => NOW_MS,
    }),
  );
});
beforeEach(() => {
  calls = [];
  respond = () => ({ statusCode: 200, body: '{}' });
});
afterAll(() => server.stop());

function expectProblem(reply: Reply, status: number, code: string): void {
  expect(reply.status).toBe(status);
  const requestId = reply.header('Countersign-Request-Id');
  expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
  expect(reply.header('Content-Type')).toBe('application/problem+json');
  expect(reply.header('Access-Control-Allow-Origin')).toBe('*');
  expect(JSON.parse(reply.text)).toMatchObject({
    type: `https://docs.example.com/errors/${code}`,
    status,
    code,
    instance: `urn:uuid:${requestId}`,
  });
}

test("a request reaches its route's function with all its headers", async () => {
  const headers = ['Authorization', 'JWT a', 'Authorization', 'JWT b', 'X-Other', 'c'];
  await send(`${server.url}/v1/register`, { method: 'POST', headers, body: '{}' });
  expect(calls.map(({ name }) => name)).toEqual(['register']);
  expect(calls[0]!.event.multiValueHeaders).toMatchObject({
    Authorization: ['JWT a', 'JWT b'],
    'X-Other': ['c'],
  });
  expect(calls[0]!.event).toMatchObject({ body: 'e30=', isBase64Encoded: true });
});

test("an answer carries its headers one by one, the event's request id and the clock's time", async () => {
  respond = () => ({
    statusCode: 401,
    multiValueHeaders: { A: ['1', '2'] },
    headers: { 'WWW-Authenticate': 'JWT' },
  });
  const reply = await send(`${server.url}/v1/nonce`);
  expect(reply.status).toBe(401);
  expect(reply.headers.filter(([name]) => name === 'A')).toEqual([
    ['A', '1'],
    ['A', '2'],
  ]);
  expect(reply.header('x-amzn-Remapped-WWW-Authenticate')).toBe('JWT');
  expect(reply.header('WWW-Authenticate')).toBeUndefined();
  expect(reply.header('x-amzn-RequestId')).toBe(calls[0]!.event.requestContext.requestId);
  expect(reply.header('Date')).toBe(new Date(NOW_MS).toUTCString());
});

test.each([
  ['GET', '/'],
  ['GET', '/v2/nonce'],
  ['POST', '/v1/nonce'],
  ['PUT', '/v1/registrations/abc'],
  ['OPTIONS', '/v1/nowhere'],
])('%s %s is answered not_found, and no function runs', async (method, path) => {
  expectProblem(await send(server.url + path, { method }), 404, 'not_found');
  expect(calls).toEqual([]);
});

test('a payload beyond 10 MB is refused, and the client still receives the answer', async () => {
  const body = randomBytes(10 * 1024 * 1024 + 1);
  expectProblem(await send(`${server.url}/v1/register`, { method: 'POST', body }), 413, 'body_too_large');
  expect(calls).toEqual([]);
});

test('a payload of 10 MB reaches the function', async () => {
  const body = Buffer.alloc(10 * 1024 * 1024, 'a');
  expect((await send(`${server.url}/v1/register`, { method: 'POST', body })).status).toBe(200);
});

test('a function that throws, and a malformed result, give 502 without a stack trace', async () => {
  respond = () => {
    throw new Error('secret detail');
  };
  const thrown = await send(`${server.url}/v1/nonce`);
  expectProblem(thrown, 502, 'internal');
  expect(thrown.text).not.toContain('secret');
  respond = () => ({ statusCode: 200, body: { not: 'text' } });
  expectProblem(await send(`${server.url}/v1/nonce`), 502, 'internal');
});

test('a browser learns which requests it may send', async () => {
  const reply = await send(`${server.url}/v1/registrations/abc`, { method: 'OPTIONS' });
  expect(reply.status).toBe(204);
  expect(reply.header('Access-Control-Allow-Origin')).toBe('*');
  expect(reply.header('Access-Control-Allow-Methods')).toBe('GET, DELETE, OPTIONS');
  expect(reply.header('Access-Control-Allow-Headers')).toBe(CORS_REQUEST_HEADERS.join(', '));
  expect(calls).toEqual([]);
});

test('a 304 has neither body nor length', async () => {
  respond = () => ({ statusCode: 304, headers: { ETag: '"a"' }, body: '' });
  const reply = await send(`${server.url}/v1/registrations/abc`);
  expect(reply.status).toBe(304);
  expect(reply.header('ETag')).toBe('"a"');
  expect(reply.header('Content-Length')).toBeUndefined();
});

test('the path of the health checkers is served, and no other below the public one', async () => {
  expect((await send(`${server.url}/v1/health/secret`)).status).toBe(200);
  expect(calls.map(({ name }) => name)).toEqual(['health']);
  expectProblem(await send(`${server.url}/v1/health/other`), 404, 'not_found');
});
