import { expect, test } from 'vitest';
import { ROUTES } from '../../../lambda/contract/routes.ts';
import { type GatewayRequest, proxyEvent } from '../../../local/gateway/event.ts';
import { matchRoute } from '../../../local/gateway/routing.ts';
import shape from '../fixtures/aws-documented-shape.json' with { type: 'json' };
import registerEvent from '../fixtures/register.event.json' with { type: 'json' };

const REQUEST: GatewayRequest = {
  method: 'POST',
  path: '/v1/register',
  query: '',
  rawHeaders: [
    ...['Host', '127.0.0.1:4101', 'Authorization', 'JWT first', 'Authorization', 'JWT second'],
    ...['authorization', 'JWT other-spelling', 'Content-Type', 'application/json', 'User-Agent', 'curl/8'],
    ...['x-forwarded-for', '203.0.113.9', 'X-Forwarded-Proto', 'https', 'X-Forwarded-Port', '443'],
    ...['Connection', 'keep-alive', 'Content-Length', '17', 'Expect', '100-continue'],
  ],
  body: Buffer.from('{"user_id":"ada"}'),
  sourceIp: '127.0.0.1',
  port: 4101,
  requestId: '3c3ecbaa-1690-41e8-ae31-8f39f1d24afd',
  receivedAtMs: 1519166937665,
};

const eventOf = (change: Partial<GatewayRequest>) => {
  const request = { ...REQUEST, ...change };
  return proxyEvent(request, matchRoute(request.path, ROUTES)!);
};

test('a registration becomes the event that AWS documents', () => {
  const expected = structuredClone(registerEvent) as unknown as ReturnType<typeof proxyEvent>;
  Object.assign(expected.requestContext, {
    extendedRequestId: expect.any(String),
    resourceId: expect.any(String),
  });
  expect(eventOf({})).toEqual(expected);
});

test.each([
  ['without query, parameters and body', eventOf({ body: Buffer.alloc(0) })],
  ['with a query', eventOf({ method: 'GET', path: '/v1/nonce', query: 'client_id=dev' })],
  ['with a path parameter', eventOf({ method: 'GET', path: '/v1/registrations/abc' })],
])('an event %s has every documented member, with its type', (_, event) => {
  const check = (value: object, members: Record<string, string>) => {
    for (const [name, types] of Object.entries(members)) {
      const member = (value as Record<string, unknown>)[name];
      expect(types.split('|'), name).toContain(member === null ? 'null' : typeof member);
    }
  };
  expect(Object.keys(event).sort()).toEqual(Object.keys(shape.event).sort());
  check(event, shape.event);
  check(event.requestContext, shape.requestContext);
  check(event.requestContext.identity, shape.identity);
});

test('a repeated query parameter has its last value, and all values in the multi-value member', () => {
  const event = eventOf({ method: 'GET', path: '/v1/nonce', query: 'name=you&name=me&a=%41+b&empty' });
  expect(event.queryStringParameters).toEqual({ name: 'me', a: 'A b', empty: '' });
  expect(event.multiValueQueryStringParameters).toEqual({ name: ['you', 'me'], a: ['A b'], empty: [''] });
});

test('a body reaches the function as the original bytes', () => {
  const { body, isBase64Encoded } = eventOf({ body: Buffer.from([0x22, 0xff, 0x22]) });
  expect([body, isBase64Encoded]).toEqual(['Iv8i', true]);
});

test('the decoded path selects the resource, and the event keeps the original path', () => {
  const event = eventOf({ path: '/v1/%72egister' });
  expect(event.resource).toBe('/v1/register');
  expect(event.path).toBe('/v1/%72egister');
  expect(eventOf({ path: '/v1/registrations/a%2Fb' }).pathParameters).toEqual({ id: 'a/b' });
});

test.each([
  '/',
  '/v1',
  '/v1/register/',
  '//v1/register',
  '/v1/registrations/',
  '/v1/registrations/a/b',
  '/v1/%zz',
])('there is no resource at %s', (path) => {
  expect(matchRoute(path, ROUTES)).toBeUndefined();
});
