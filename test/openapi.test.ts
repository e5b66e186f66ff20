/** The checker itself: a good answer passes, and each kind of wrong one does not; and the document is whole. */
import { describe, expect, it } from 'vitest';
import { ROUTES } from '../lambda/contract/routes.ts';
import { PROBLEMS } from '../protocol/problem.ts';
import { checkAnswer, document, type SeenAnswer } from './openapi.ts';

const ID = '303ffdb2-ebac-4406-ab9d-bfaedb942d29';
const NONCE = 'A'.repeat(70);
const common = { 'countersign-request-id': ID, 'cache-control': 'no-store' };
const id = 'i'.repeat(43);

const registered: SeenAnswer = {
  method: 'POST',
  path: '/v1/register',
  status: 201,
  headers: {
    ...common,
    'content-type': 'application/json',
    'replay-nonce': NONCE,
    etag: `"${id}"`,
    location: `https://eu-west-1.api.example.com/v1/registrations/${id}`,
  },
  body: JSON.stringify({
    id,
    client_id: 'dev',
    user_id: 'u',
    created_at: '2026-11-23T12:00:00.000Z',
    data: { user_id: 'u' },
  }),
};

function problem(
  status: number,
  code: string,
  headers: Record<string, string> = {},
  more: object = {},
): SeenAnswer {
  const value = {
    type: `https://docs.example.com/errors/${code}`,
    title: 't',
    status,
    detail: 'd',
    instance: `urn:uuid:${ID}`,
    code,
  };
  return {
    method: 'POST',
    path: '/v1/register',
    status,
    headers: {
      ...common,
      'content-type': 'application/problem+json',
      ...(status === 401 && { 'www-authenticate': `JWT realm="countersign", error="${code}"` }),
      ...headers,
    },
    body: JSON.stringify({ ...value, ...more }),
  };
}
const nonce = { 'replay-nonce': NONCE };
const retry = { 'retry-after': '1' };

describe('good answers pass', () => {
  it.each<[string, SeenAnswer]>([
    ['201', registered],
    [
      '204',
      {
        method: 'DELETE',
        path: `/v1/registrations/${id}`,
        status: 204,
        headers: { ...common, ...nonce },
        body: '',
      },
    ],
    ['use_nonce', problem(401, 'use_nonce', nonce)],
    ['use_nonce after a deletion', problem(401, 'use_nonce', retry)],
    ['invalid_proof', problem(401, 'invalid_proof')],
    [
      'a challenge that was renamed',
      problem(401, 'invalid_proof', {
        'x-amzn-remapped-www-authenticate': 'JWT realm="countersign", error="invalid_proof"',
      }),
    ],
    [
      'invalid_registration',
      problem(422, 'invalid_registration', nonce, { errors: [{ pointer: '/a~1b', message: 'm' }] }),
    ],
    ['unavailable', problem(503, 'unavailable', retry)],
    ['an unknown path', { ...problem(404, 'not_found'), path: '/nowhere' }],
  ])('%s', (_, answer) => checkAnswer(answer));
});

describe('wrong answers do not', () => {
  const without = (answer: SeenAnswer, name: string) => {
    const { [name]: _, ...headers } = answer.headers;
    return { ...answer, headers };
  };
  it.each<[string, SeenAnswer]>([
    ['an unknown route', { ...registered, path: '/v1/users' }],
    ['a method that the route has not', { ...registered, method: 'PUT' }],
    ['a status that the route has not', { ...registered, status: 200 }],
    [
      'another media type',
      { ...registered, headers: { ...registered.headers, 'content-type': 'text/html' } },
    ],
    ['no request id', without(registered, 'countersign-request-id')],
    ['no fresh nonce on a 201', without(registered, 'replay-nonce')],
    ['no ETag', without(registered, 'etag')],
    ['a weak ETag', { ...registered, headers: { ...registered.headers, etag: `W/"${id}"` } }],
    [
      'a header of ours that is not described',
      { ...registered, headers: { ...registered.headers, 'countersign-debug': '1' } },
    ],
    [
      'a body that may be stored',
      { ...registered, headers: { ...registered.headers, 'cache-control': 'public' } },
    ],
    ['a member more', { ...registered, body: registered.body.replace('{', '{"secret":1,') }],
    ['a member less', { ...registered, body: registered.body.replace('"user_id":"u",', '') }],
    ['a time without milliseconds', { ...registered, body: registered.body.replace('.000Z', 'Z') }],
    [
      'a body on a 204',
      {
        method: 'DELETE',
        path: `/v1/registrations/${id}`,
        status: 204,
        headers: { ...common, ...nonce },
        body: '{}',
      },
    ],
    ['use_nonce without a nonce', problem(401, 'use_nonce')],
    ['use_nonce with both nonce and Retry-After', problem(401, 'use_nonce', { ...nonce, ...retry })],
    ['invalid_proof with a nonce', problem(401, 'invalid_proof', nonce)],
    ['a 401 without a challenge', without(problem(401, 'invalid_proof'), 'www-authenticate')],
    [
      "a challenge of another code's",
      problem(401, 'invalid_proof', { 'www-authenticate': 'JWT realm="countersign", error="use_nonce"' }),
    ],
    ['a code of another status', problem(403, 'use_nonce')],
    ['an unknown code', problem(400, 'teapot')],
    ['a type that is no page of the code', problem(400, 'malformed_proof', {}, { type: 'about:blank' })],
    ['a status that is not the one sent', problem(400, 'malformed_proof', {}, { status: 401 })],
    [
      'the id of another request',
      problem(400, 'malformed_proof', {}, { instance: 'urn:uuid:00000000-0000-0000-0000-000000000000' }),
    ],
    ['503 without Retry-After', problem(503, 'unavailable')],
    ['invalid_registration without errors', problem(422, 'invalid_registration', nonce)],
    ['errors on another code', problem(400, 'malformed_request', {}, { errors: [] })],
  ])('%s', (_, answer) => expect(() => checkAnswer(answer)).toThrow());
});

describe('the document', () => {
  it('has every route and method, and no other', () => {
    const described = Object.entries<object>(document.paths).map(([path, item]) => [
      path,
      Object.keys(item)
        .filter((key) => key !== 'parameters')
        .map((method) => method.toUpperCase())
        .sort(),
    ]);
    expect(Object.fromEntries(described)).toEqual(
      Object.fromEntries(ROUTES.map(({ resource, methods }) => [resource, [...methods].sort()])),
    );
  });

  it('has every code, with its status', () => {
    const codes = Object.entries<{ status: number | number[] }>(document['x-codes']);
    expect(Object.fromEntries(codes.map(([code, { status }]) => [code, [status].flat()[0]]))).toEqual(
      Object.fromEntries(Object.entries(PROBLEMS).map(([code, { status }]) => [code, status])),
    );
  });

  it('has no reference that leads nowhere', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(
      ([, path]) => path!,
    );
    for (const path of references)
      expect(
        path.split('/').reduce((node, name) => node?.[name], document),
        path,
      ).toBeDefined();
  });
});
