/**
 * The checker itself: a good answer passes, each kind of wrong answer fails, and the document is complete.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { routesOf } from '../lambda/contract/routes.ts';
import { PROBLEMS } from '../protocol/problem.ts';
import { checkAnswer, document, resolve, type SeenAnswer } from './openapi.ts';

const ID = '303ffdb2-ebac-4406-ab9d-bfaedb942d29';
const NONCE = 'A'.repeat(70);
const common = {
  'countersign-request-id': ID,
  'cache-control': 'no-store',
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'Date, Replay-Nonce, Retry-After',
};
const id = 'i'.repeat(43);
const rateLimit = { ratelimit: '"signatures";r=0;t=12', 'ratelimit-policy': '"signatures";q=6000;w=60' };

const registered: SeenAnswer = {
  method: 'POST',
  path: '/v1/register',
  status: 201,
  headers: {
    ...common,
    'content-type': 'application/json',
    'replay-nonce': NONCE,
    ...rateLimit,
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
const untilReset = { 'retry-after': '12' };
const nonceRoute = { method: 'GET', path: '/v1/nonce' };
const reading = { method: 'GET', path: `/v1/registrations/${id}` };

const deleted: SeenAnswer = {
  method: 'DELETE',
  path: `/v1/registrations/${id}`,
  status: 204,
  headers: { ...common, ...nonce, ...rateLimit },
  body: '',
};

const nonceAnswer: SeenAnswer = {
  ...nonceRoute,
  status: 200,
  headers: { ...common, ...nonce, 'content-type': 'application/json' },
  body: JSON.stringify({ nonce: NONCE, expires_in: 300 }),
};

const health = (status: number, ledger: string): SeenAnswer => ({
  method: 'GET',
  path: '/v1/health',
  status,
  headers: { ...common, 'content-type': 'application/health+json' },
  body: JSON.stringify({
    status: ledger,
    checks: { ledger, registry: 'pass', keys: 'pass' },
    region: 'eu-west-1',
  }),
});

const withBody = (answer: SeenAnswer, value: object) => ({ ...answer, body: JSON.stringify(value) });
const withHeaders = (answer: SeenAnswer, headers: Record<string, string>) => ({
  ...answer,
  headers: { ...answer.headers, ...headers },
});

const without = (answer: SeenAnswer, name: string) => {
  const { [name]: _, ...headers } = answer.headers;
  return { ...answer, headers };
};

describe('good answers pass', () => {
  it.each<[string, SeenAnswer]>([
    ['201', registered],
    ['204', deleted],
    ['use_nonce', problem(401, 'use_nonce', nonce)],
    ['use_nonce after a deletion', problem(401, 'use_nonce', retry)],
    ['invalid_proof', problem(401, 'invalid_proof')],
    [
      'a challenge that was renamed',
      without(
        problem(401, 'invalid_proof', {
          'x-amzn-remapped-www-authenticate': 'JWT realm="countersign", error="invalid_proof"',
        }),
        'www-authenticate',
      ),
    ],
    [
      'invalid_registration',
      problem(422, 'invalid_registration', nonce, { errors: [{ pointer: '/a~1b', message: 'm' }] }),
    ],
    ['unavailable', problem(503, 'unavailable', retry)],
    ['a function that failed', problem(502, 'internal', retry)],
    ['quota_exceeded', problem(429, 'quota_exceeded', { ...nonce, ...untilReset, ...rateLimit })],
    ["the front door's throttle", problem(429, 'quota_exceeded', retry)],
    ['what the front door answers on any route', { ...problem(413, 'body_too_large'), ...nonceRoute }],
    ['clock_skew on a read', { ...problem(401, 'clock_skew', nonce), ...reading }],
    ['an unknown path', { ...problem(404, 'not_found'), path: '/nowhere' }],
    ['a method that the route has not', { ...problem(404, 'not_found'), method: 'PUT' }],
    ['a nonce', nonceAnswer],
    ['several nonces', withBody(nonceAnswer, { nonces: [NONCE, 'B'.repeat(70)], expires_in: 300 })],
    ['a Region that can register', health(200, 'pass')],
    ['a Region that cannot', health(503, 'fail')],
  ])('%s', (_, answer) => checkAnswer(answer));
});

describe('a wrong answer fails with the difference:', () => {
  const edited = (answer: SeenAnswer, from: string, to: string) => ({
    ...answer,
    body: answer.body.replace(from, to),
  });
  const challenge = (code: string) => ({ 'www-authenticate': `JWT realm="countersign", error="${code}"` });

  it.each<[string, SeenAnswer, RegExp]>([
    // Where and whether
    ['an unknown route', { ...registered, path: '/v1/users' }, /not a status of a path without a route/],
    ['a longer path', { ...registered, path: '/v1/register/' }, /not a status of a path without a route/],
    [
      'a dot that is none',
      { ...nonceAnswer, path: '/xwell-known/jwks.json' },
      /not a status of a path without a route/,
    ],
    [
      'a method that the route has not',
      { ...registered, method: 'PUT' },
      /not a status of a path without a route/,
    ],
    ['a status that the route has not', { ...registered, status: 200 }, /not a status of register/],
    ['404 on a route without one', { ...problem(404, 'not_found') }, /not a status of register/],

    // Headers
    [
      'no request id',
      without(registered, 'countersign-request-id'),
      /header countersign-request-id is missing/,
    ],
    ['no fresh nonce on a 201', without(registered, 'replay-nonce'), /header replay-nonce is missing/],
    ['no quota on a 201', without(registered, 'ratelimit'), /header ratelimit is missing/],
    ['no fresh nonce on a 204', without(deleted, 'replay-nonce'), /header replay-nonce is missing/],
    ['no ETag', without(registered, 'etag'), /header etag is missing/],
    ['no Location', without(registered, 'location'), /header location is missing/],
    ['a weak ETag', withHeaders(registered, { etag: `W/"${id}"` }), /header etag .*pattern/],
    [
      'a header of ours that is not described',
      withHeaders(registered, { 'countersign-debug': '1' }),
      /header countersign-debug is not described here/,
    ],
    ['Retry-After on a success', withHeaders(registered, retry), /header retry-after is not described here/],
    [
      'Retry-After on a proof that will never do',
      { ...problem(401, 'invalid_proof', retry), method: 'DELETE', path: deleted.path },
      /invalid_proof carries \[Retry-After\], not \[\]/,
    ],
    [
      'a fresh nonce on a 304',
      {
        ...deleted,
        ...reading,
        status: 304,
        headers: { ...deleted.headers, 'cache-control': 'private, no-cache', etag: `"${id}"` },
      },
      /header replay-nonce is not described here/,
    ],
    [
      'an answer that may be stored',
      withHeaders(registered, { 'cache-control': 'public' }),
      /header cache-control must be equal to constant/,
    ],
    ['a nonce that may be stored', without(nonceAnswer, 'cache-control'), /header cache-control is missing/],
    [
      'a key expiry that is no HTTP-date',
      withHeaders(registered, { 'countersign-key-expires': '2026-11-23' }),
      /header countersign-key-expires .*pattern/,
    ],
    [
      'no CORS',
      without(registered, 'access-control-allow-origin'),
      /header access-control-allow-origin is missing/,
    ],
    [
      'a nonce that a browser cannot read',
      withHeaders(registered, { 'access-control-expose-headers': 'ETag' }),
      /header access-control-expose-headers .*pattern/,
    ],

    // Body
    [
      'another media type',
      withHeaders(registered, { 'content-type': 'text/html' }),
      /media type "text\/html", not application\/json/,
    ],
    ['no media type', without(registered, 'content-type'), /media type "", not application\/json/],
    ['no JSON', { ...registered, body: '<html>' }, /the body is not JSON/],
    ['a body on a 204', { ...deleted, body: '{}' }, /a body where none is described/],
    ['a member more', edited(registered, '{', '{"secret":1,'), /must NOT have additional properties/],
    [
      'a member more in the data',
      edited(registered, '"data":{', '"data":{"secret":1,'),
      /\/data must NOT have additional/,
    ],
    ['a member less', edited(registered, '"user_id":"u",', ''), /must have required property 'user_id'/],
    ['a time without milliseconds', edited(registered, '.000Z', 'Z'), /\/created_at must match pattern/],
    [
      'a 101st nonce',
      withBody(nonceAnswer, {
        nonces: Array.from({ length: 101 }, (_, i) => `${i}`.padEnd(70, 'A')),
        expires_in: 1,
      }),
      /must NOT have more than 100 items/,
    ],
    [
      'a nonce twice',
      withBody(nonceAnswer, { nonces: [NONCE, NONCE], expires_in: 1 }),
      /must NOT have duplicate items/,
    ],
    ['a red Region with 200', health(200, 'fail'), /\/status must be equal to constant/],

    // Facts that are stated twice
    [
      'another nonce in the header',
      withHeaders(nonceAnswer, { 'replay-nonce': 'B'.repeat(70) }),
      /replay-nonce is not the body's first/,
    ],
    [
      "another registration's Location",
      withHeaders(registered, { location: `https://api.example.com/v1/registrations/${'j'.repeat(43)}` }),
      /location does not end in the body's id/,
    ],

    // Problems
    [
      'use_nonce without a nonce',
      problem(401, 'use_nonce'),
      /use_nonce carries \[\], not \[Replay-Nonce\] or \[Retry-After\]/,
    ],
    [
      'use_nonce with both nonce and Retry-After',
      problem(401, 'use_nonce', { ...nonce, ...retry }),
      /use_nonce carries \[Replay-Nonce, Retry-After\], not/,
    ],
    [
      'use_nonce on a read',
      { ...problem(401, 'use_nonce', nonce), ...reading },
      /code use_nonce is not one of this operation's/,
    ],
    [
      'invalid_proof with a nonce',
      problem(401, 'invalid_proof', nonce),
      /invalid_proof carries \[Replay-Nonce\], not \[\]/,
    ],
    [
      'clock_skew without a nonce',
      problem(401, 'clock_skew'),
      /clock_skew carries \[\], not \[Replay-Nonce\]/,
    ],
    ['a conflict without a nonce', problem(409, 'registration_conflict'), /header replay-nonce is missing/],
    ['503 without Retry-After', problem(503, 'unavailable'), /unavailable carries \[\], not \[Retry-After\]/],
    [
      'a wait that is not until the window ends',
      problem(429, 'quota_exceeded', { ...nonce, ...retry, ...rateLimit }),
      /0 left for 12 s, retry-after says 1 s/,
    ],
    [
      'a spent quota with something left',
      problem(429, 'quota_exceeded', {
        ...nonce,
        ...untilReset,
        ...rateLimit,
        ratelimit: '"signatures";r=1;t=12',
      }),
      /ratelimit has 1 left/,
    ],
    [
      'a quota that ends after its window',
      withHeaders(registered, { ratelimit: '"signatures";r=1;t=61' }),
      /ratelimit ends after 61 s, in a window of 60 s/,
    ],
    ['no size of the quota on a 204', without(deleted, 'ratelimit-policy'), /ratelimit-policy is missing/],
    ['429 without Retry-After', problem(429, 'quota_exceeded'), /quota_exceeded carries \[\], not/],
    [
      'a spent quota without its size',
      problem(429, 'quota_exceeded', { ...nonce, ...retry }),
      /quota_exceeded carries \[Replay-Nonce, Retry-After\], not/,
    ],
    [
      'a 401 without a challenge',
      without(problem(401, 'invalid_proof'), 'www-authenticate'),
      /header www-authenticate is missing/,
    ],
    [
      "a challenge of another code's",
      problem(401, 'invalid_proof', challenge('use_nonce')),
      /www-authenticate is of another code than invalid_proof/,
    ],
    [
      'a challenge of another scheme',
      problem(401, 'invalid_proof', { 'www-authenticate': 'Bearer' }),
      /header www-authenticate .*pattern/,
    ],
    [
      'a challenge on a 403',
      problem(403, 'not_allowed', challenge('not_allowed')),
      /header www-authenticate is not described/,
    ],
    ['a code of another status', problem(403, 'use_nonce', {}), /code use_nonce comes with status 401/],
    ['an unknown code', problem(400, 'teapot'), /\/code must be equal to one of the allowed values/],
    [
      "a code of another operation's",
      { ...problem(400, 'malformed_proof'), ...nonceRoute },
      /code malformed_proof is not one of this operation's/,
    ],
    [
      'a type that is no page of the code',
      problem(400, 'malformed_proof', {}, { type: 'https://docs.example.com/errors/use_nonce' }),
      /is not the page of malformed_proof/,
    ],
    [
      'a type that is no page',
      problem(400, 'malformed_proof', {}, { type: 'about:blank' }),
      /\/type must match/,
    ],
    [
      'a status that is not the one sent',
      problem(400, 'malformed_proof', {}, { status: 401 }),
      /the problem says status 401/,
    ],
    [
      'the id of another request',
      problem(400, 'malformed_proof', {}, { instance: 'urn:uuid:00000000-0000-0000-0000-000000000000' }),
      /is not this request's id/,
    ],
    [
      'an instance of another form',
      problem(400, 'malformed_proof', {}, { instance: ID }),
      /\/instance must match/,
    ],
    [
      'invalid_registration without errors',
      problem(422, 'invalid_registration', nonce),
      /required property 'errors'/,
    ],
    [
      'a pointer that is none',
      problem(422, 'invalid_registration', nonce, { errors: [{ pointer: 'email', message: 'm' }] }),
      /\/errors\/0\/pointer must match/,
    ],
    [
      'errors on another code',
      problem(400, 'malformed_request', {}, { errors: [] }),
      /additional properties/,
    ],
  ])('%s', (_, answer, difference) => expect(() => checkAnswer(answer)).toThrow(difference));
});

interface Described {
  readonly responses: Record<string, object>;
  readonly 'x-codes': readonly string[];
}
const codes: Record<string, { status: number[]; carries: string[][] }> = document['x-codes'];

describe('the document', () => {
  const paths = Object.entries<Record<string, Described>>(document.paths);
  const operations = paths.flatMap(([path, { parameters: _, ...methods }]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, operation })),
  );

  it('has every route and method, and no other', () => {
    expect(operations.map(({ name }) => name).sort()).toEqual(
      routesOf(true)
        .flatMap(({ resource, methods }) => methods.map((method) => `${method.toLowerCase()} ${resource}`))
        .sort(),
    );
  });

  it('has every code, with its status, and a fresh nonce where the code brings one', () => {
    const facts = (status: number, nonce: boolean) => ({ status, nonce });
    expect(
      Object.fromEntries(
        Object.entries(codes).map(([code, { status, carries }]) => [
          code,
          facts(status[0]!, carries[0]!.includes('Replay-Nonce')),
        ]),
      ),
    ).toEqual(
      Object.fromEntries(
        Object.entries(PROBLEMS).map(([code, { status, nonce }]) => [code, facts(status, nonce)]),
      ),
    );
  });

  it('lets no code be without an operation, nor an operation name a code that is none', () => {
    const named = new Set(
      [...operations.map(({ operation }) => operation), document['x-elsewhere']].flatMap(
        (operation: Described) => operation['x-codes'],
      ),
    );
    expect([...named].sort()).toEqual(Object.keys(codes).sort());
  });

  it.each(operations)('$name describes the statuses of its codes, and no other problem', ({ operation }) => {
    const statuses = [...operation['x-codes'], ...document['x-front-door']].flatMap(
      (code: string) => codes[code]!.status,
    );
    const problems = Object.entries(operation.responses).filter(
      ([, response]) => 'application/problem+json' in (resolve<{ content?: object }>(response).content ?? {}),
    );
    expect(problems.map(([status]) => Number(status))).toEqual([...new Set(statuses)].sort());
  });

  it('closes every object whose members it names', () => {
    const open: string[] = [];
    const walk = (value: unknown, at: string): void => {
      if (typeof value !== 'object' || value === null) return;
      if ('properties' in value && !('additionalProperties' in value)) open.push(at);
      for (const [name, child] of Object.entries(value)) walk(child, `${at}/${name}`);
    };
    walk(document.components.schemas, '');
    expect(open).toEqual([]);
  });

  it('has no reference that leads nowhere, and no component that nothing refers to', () => {
    const references = [...JSON.stringify(document).matchAll(/"(#\/[^"]+)"/g)].map(([, path]) => path!);
    for (const $ref of references) expect(() => resolve({ $ref })).not.toThrow();
    const components = ['headers', 'parameters', 'responses', 'schemas'].flatMap((kind) =>
      Object.keys(document.components[kind]).map((name) => `#/components/${kind}/${name}`),
    );
    expect([...new Set(references)].sort()).toEqual(components.sort());
  });
});

describe('the prose', () => {
  const read = (name: string) => readFileSync(new URL(`../docs/${name}`, import.meta.url), 'utf8');

  it.each(Object.entries(codes))('has a page on %s that gives its status and its nonce', (code, rule) => {
    const page = read(`errors/${code}.md`);
    const [first, ...others] = rule.carries.map((names) => names.includes('Replay-Nonce'));
    const nonce = others.includes(!first) ? 'yes, (unless|where) .+' : first ? 'yes' : 'no';
    expect(page).toMatch(new RegExp(`^# ${code}\n\nStatus ${rule.status.join(' or ')}\\.`));
    expect(page).toMatch(new RegExp(`^Fresh nonce: ${nonce}\\.$`, 'm'));
    expect(read('errors/README.md')).toMatch(
      new RegExp(
        `^\\| \\[${code}\\]\\(${code}\\.md\\) \\| ${rule.status.join(' or ')} \\| ${nonce} \\|$`,
        'm',
      ),
    );
  });

  it('works its example on values that an independent implementation computed', () => {
    const vectors = readFileSync(new URL('./vectors/wire.json', import.meta.url), 'utf8');
    const decoded = vectors.replace(/[\w-]{40,}/g, (text) => Buffer.from(text, 'base64url').toString());
    const [, example = ''] = read('protocol.md').split('\n## Example\n');
    const values = example.match(/(?<![\w-])[\w-]{40,}(?![\w-])/g) ?? [];
    expect(values.length).toBeGreaterThan(10);
    for (const value of values) expect(vectors + decoded).toContain(value);
  });
});
