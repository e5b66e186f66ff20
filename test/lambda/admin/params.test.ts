/** The operators' functions with arbitrary input: a clear refusal, an audit line, and no partial write. */
import { beforeAll, describe, expect, it } from 'vitest';
import {
  ADMIN_FUNCTION,
  type AdminAction,
  type AdminActions,
  type AdminAnswer,
} from '../../../lambda/contract/admin.ts';
import { regionsForFile } from '../../support/regions.ts';
import { fetchNonce, makeClient, register } from '../../support/signer.ts';

const { platform, a } = await regionsForFile();
const signer = await makeClient(platform, 'operated');
let params: { readonly [A in AdminAction]: Required<AdminActions[A]['params']> };

beforeAll(async () => {
  await register(platform, a, signer, { user_id: 'operated-user' });
  const one = { client_id: 'operated', user_id: 'operated-user' };
  const credential = {
    profile: 'strict',
    expires_at: new Date(platform.clock.nowMs + 86_400_000).toISOString(),
    jwk: { kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43), alg: 'EdDSA' },
  } as const;
  params = {
    'clients.show': { client_id: 'operated' },
    'clients.list': { limit: 1, cursor: '' },
    'clients.create': { client_id: 'operated', limit: 1, scopes: ['orders:read'], ...credential },
    'clients.invite': {
      client_id: 'operated',
      expires_s: 60,
      thumbprint: 'A'.repeat(43),
      scopes: ['orders:read'],
      limit: 1,
    },
    'clients.update': { client_id: 'operated', limit: 10, scopes: ['orders:read'] },
    'clients.rotate-key': { client_id: 'operated', overlap_s: 1, ...credential },
    'clients.revoke-key': { client_id: 'operated', kid: '9' },
    'clients.disable': { client_id: 'nobody-here' },
    'clients.enable': { client_id: 'operated' },
    'clients.delete': { client_id: 'nobody-here' },
    'tokens.revoke': { jti: 'A'.repeat(22) },
    'proofs.revoke': { nonce: await fetchNonce(a, 'operated') },
    'registrations.show': one,
    'registrations.delete': { ...one, user_id: 'nobody-here' },
    'registrations.erase': { ...one, user_id: 'nobody-here', erased: false },
    'regions.show': { region: 'eu-west-1' },
    'regions.evacuate': { region: 'nowhere' },
    'regions.return': { region: 'nowhere' },
    'events.rebuild': { since: '2026-11-23T12:00:00Z', recent: true, cursor: 'x' },
    'tables.show': {},
    'tables.stop': {},
    'tables.resume': {},
    'webhooks.list': { client: 'operated' },
    'webhooks.failures': { id: 'ep_0000000000000000', after: '000000000000000#evt_a' },
    'webhooks.create': {
      client: 'operated',
      all: true,
      url: 'https://hooks.example.com/',
      events: ['client.disabled'],
      payload: 'thin',
    },
    'webhooks.update': {
      ...{ id: 'ep_0000000000000000', url: 'https://hooks.example.com/', events: null },
      ...{ payload: 'thin', enabled: false, new_secret: true },
    },
    'webhooks.delete': { id: 'ep_0000000000000000' },
    'webhooks.test': { id: 'ep_0000000000000000' },
    'webhooks.replay': {
      id: 'ep_0000000000000000',
      since: new Date(platform.clock.nowMs).toISOString(),
      event: 'evt_a',
    },
    'webhooks.move': { from: 'nowhere', to: 'elsewhere', since: new Date(0).toISOString() },
  };
});

const ACTIONS = Object.keys(ADMIN_FUNCTION) as AdminAction[];
const ask = (action: string, given: unknown, name = ADMIN_FUNCTION[action as AdminAction] ?? 'admin-write') =>
  a.functions[name as 'admin-write'](
    { action, params: given },
    { awsRequestId: 'r' },
  ) as Promise<AdminAnswer>;

const base64url = (text: string) => Buffer.from(text).toString('base64url');
const HOSTILE: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -0,
  -1,
  0.5,
  1e300,
  Number.MAX_SAFE_INTEGER,
  '',
  ' ',
  '0',
  '1',
  '\u0000',
  '\ud800',
  'x'.repeat(70_000),
  'ü'.repeat(20_000),
  '9'.repeat(400),
  '../../etc',
  '__proto__',
  'constructor',
  '2026-02-30T00:00:00Z',
  '2026-11-27T23:59:60Z',
  '9999-12-31T23:59:59Z',
  '0000-01-01T00:00:00+23:59',
  base64url('null'),
  base64url('{}'),
  base64url('[]'),
  base64url('"x"'),
  base64url('{"pk":{"S":"operated"}}'),
  base64url('{"pk":{"S":"operated"},"sk":{"S":""}}'),
  base64url('{"pk":{"N":"1"},"sk":{"S":"client"}}'),
  base64url('{"pk":{"S":"operated"},"sk":{"S":"client"},"x":{"S":"y"}}'),
  base64url(`{"pk":{"S":"operated"},"sk":{"S":"${'x'.repeat(2000)}"}}`),
  base64url('{"pk":{"S":"operated"},"sk":{"S":"client"}}'),
  [],
  ['operated'],
  {},
  { S: 'operated' },
  JSON.parse('{"__proto__":{"client_id":"operated"},"constructor":1}'),
  { kty: 'EC', crv: 'P-256', x: '', y: '', alg: 'ES256' },
  { kty: 'EC', crv: 'P-256', x: 'A'.repeat(70_000), y: 'A', alg: 'ES256' },
  { kty: 'OKP', crv: 'Ed25519', x: '\ud800', alg: 'Ed25519' },
];

describe.each(ACTIONS)('%s', (action) => {
  it('answers any value of a param without an internal error', async () => {
    const good = params[action] as Record<string, unknown>;
    const faults: unknown[] = [];
    const told: unknown[] = [];
    for (const member of [...Object.keys(good), '__proto__', 'x'.repeat(9_000)])
      for (const value of HOSTILE) {
        // Parsed as Lambda parses an event: `__proto__` is an ordinary member.
        const others = Object.entries(good).filter(([name]) => name !== member);
        const given = Object.fromEntries([...others, [member, value]]);
        const answer = await ask(action, given);
        if (answer.ok) continue;
        const { status, code, detail } = answer.problem;
        if (status >= 500 || detail.length > 2_000)
          faults.push([member.slice(0, 20), String(JSON.stringify(value)).slice(0, 60), code]);
        told.push(code);
      }
    expect(faults).toEqual([]);
    expect(told.length).toBeGreaterThan(HOSTILE.length);
  });

  it('answers anything in place of its params', async () => {
    for (const value of HOSTILE) {
      const answer = await ask(action, value);
      if (!answer.ok) expect(answer.problem.code).toBe('malformed_request');
      else
        expect([
          ...['clients.list', 'tables.show', 'tables.stop', 'tables.resume', 'webhooks.list'],
        ]).toContain(action);
    }
  });
});

it('an event of another form is malformed_request, for both functions', async () => {
  for (const name of ['admin-read', 'admin-write'] as const)
    for (const event of [...HOSTILE, undefined, { action: 5 }, { action: 'x'.repeat(70_000) }]) {
      const answer = (await a.functions[name](event, { awsRequestId: 'r' })) as AdminAnswer;
      expect(answer).toMatchObject({ ok: false, problem: { status: 400, code: 'malformed_request' } });
    }
});

describe('an audit line', () => {
  it.each<[string, string, unknown, object]>([
    ['a refused form', 'clients.create', { profile: 'lax' }, { status: 400, reason: 'malformed_request' }],
    [
      'a name in use',
      'clients.create',
      { client_id: 'operated', profile: 'strict' },
      { status: 409, reason: 'client_exists', target: 'operated' },
    ],
    [
      'a missing client',
      'clients.disable',
      { client_id: 'nobody-here' },
      { status: 404, reason: 'not_found', target: 'nobody-here' },
    ],
    [
      'a missing key',
      'clients.revoke-key',
      { client_id: 'operated', kid: '99' },
      { status: 404, target: 'operated#99' },
    ],
    ['a nonce that is none', 'proofs.revoke', { nonce: 'x' }, { status: 400, target: 'nonce' }],
    ['a success', 'clients.enable', { client_id: 'operated' }, { status: 200, target: 'operated' }],
  ])('is left by %s', async (_, action, given, expected) => {
    const before = platform.log.length;
    await ask(action, given);
    expect(platform.log.slice(before)).toEqual([
      expect.objectContaining({
        message: 'audit',
        function: 'admin-write',
        region: a.name,
        request_id: 'r',
        action,
        ...expected,
      }),
    ]);
  });

  it('is also written for an unknown action, and for one that failed', async () => {
    const before = platform.log.length;
    await ask('clients.explode', {});
    const broken = a.instance({}, { dynamodb: { send: () => Promise.reject(new Error('down')) } as never });
    const nonce = await fetchNonce(a, 'operated');
    await broken.functions['admin-write'](
      { action: 'proofs.revoke', params: { nonce } },
      { awsRequestId: 'r' },
    );
    expect(platform.log.slice(before).filter(({ message }) => message === 'audit')).toMatchObject([
      { level: 'INFO', status: 400, reason: 'malformed_request' },
      { level: 'ERROR', status: 503, reason: 'unavailable', action: 'proofs.revoke', target: 'nonce' },
    ]);
  });
});
