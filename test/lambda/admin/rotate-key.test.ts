/**
 * A client's next generation: both generations work while they overlap, to the second, and no old key
 * returns.
 */
import { exportJWK, generateKeyPair } from 'jose';
import { describe, expect, it, vi } from 'vitest';
import { rotateKey } from '../../../lambda/admin/rotate-key.ts';
import { CLIENT_CACHE_MS } from '../../../lambda/request/client-cache.ts';
import { regionsForFile } from '../../support/regions.ts';
import { fetchNonce, makeClient, proofFor, register, type Signer } from '../../support/signer.ts';

const { platform, a } = await regionsForFile();
let user = 0;

const DAY_S = 24 * 3600;
const send = (signer: Signer) => register(platform, a, signer, { user_id: `u${++user}` });
const tryWith = async (signer: Signer): Promise<string | number> => {
  const answer = await send(signer);
  return answer.code ?? answer.status;
};
const at = (epochMs: number) => new Date(Math.floor(epochMs / 1000) * 1000).toISOString();

async function rotate(of: Signer, params: object = {}): Promise<Signer & { ends: object }> {
  const made = await platform.operate('clients.rotate-key', { client_id: of.clientId, ...params });
  return { clientId: of.clientId, kid: made.kid, apiKey: made.api_key!, ends: made.ends };
}

/** A basic client's registration, with any key that it had. */
async function tryBasic(signer: Signer): Promise<string | number> {
  const body = JSON.stringify({ user_id: `u${++user}` });
  const nonce = await fetchNonce(a, signer.clientId);
  const proof = proofFor(
    signer,
    platform.clock.nowMs,
    { method: 'POST', url: '', body, nonce },
    {
      header: { typ: undefined, kid: undefined },
    },
  );
  const headers = { Authorization: `JWT ${proof}`, 'Content-Type': 'application/json' };
  const answer = await a.send({ method: 'POST', path: '/v1/register', headers, body });
  return answer.code ?? answer.status;
}

describe('with overlap', () => {
  it.each([
    ['a key of a revoked root is void, and gets no end', async () => ['AAAAAA'], ['2']],
    [
      'each has its end where it cannot be read which roots are revoked',
      () => Promise.reject(new Error()),
      ['2', '1'],
    ],
  ])('%s', async (_, refusedRoots, ends) => {
    const clients = { addKey: vi.fn(async () => true), endKey: vi.fn(async () => {}), setProfile: vi.fn() };
    const generation = (kid: string, rootKid: string, usableAtS: number) =>
      ({ kid, rootKid, usableAtS, alg: 'HS256', expiresAtS: 9_000, issuedBy: null, jwk: null }) as const;
    const { publicKey } = await generateKeyPair('ES256', { extractable: true });
    const { clientId, overlap_s, ...client } = {
      clientId: 'c',
      overlap_s: 60,
      profile: 'strict' as const,
      salt: new Uint8Array(16),
      disabled: false,
      limit: null,
      createdAtMs: 0,
      keys: [generation('1', 'AAAAAA', 0), generation('2', 'BBBBBB', 1)],
      revoked: new Set<string>(),
    };
    const options = {
      clients,
      refusedRoots,
      nowMs: () => 1_000_000,
      clientKeyLifeS: 9_000,
      clockErrorMs: 2_000,
    };
    const jwk = { ...(await exportJWK(publicKey)), alg: 'ES256' };
    const made = await rotateKey(options as never, { clientId, ...client }, {
      client_id: clientId,
      overlap_s,
      jwk,
    } as never);
    expect(made.ends.map(({ kid }) => kid)).toEqual(ends);
    // Both end anyway: another Region may have missed the revocation.
    expect(clients.endKey.mock.calls.length).toBe(2);
  });

  it('both generations work until the old one ends, to the second, and answers name the end', async () => {
    const old = await makeClient(platform);
    const begunMs = platform.clock.nowMs;
    const renewed = await rotate(old, { overlap_s: 3600 });
    expect(renewed.kid).toBe('2');
    expect(renewed.ends).toEqual([{ kid: '1', expires_at: at(begunMs + 3600_000) }]);
    for (const signer of [renewed, old]) expect(await tryWith(signer)).toBe(201);
    const { headers } = await send(old);
    expect(headers['countersign-key-expires']).toBe(
      new Date(Math.floor(begunMs / 1000) * 1000 + 3600_000).toUTCString(),
    );
    expect((await send(renewed)).headers['countersign-key-expires']).toBeUndefined();
    platform.clock.nowMs = Math.floor(begunMs / 1000) * 1000 + 3600_000 - 1;
    expect(await tryWith(old)).toBe(201);
    platform.clock.nowMs += 1;
    expect(await tryWith(old)).toBe('key_expired');
    expect(await tryWith(renewed)).toBe(201);
  });

  it('the default overlap is seven days; zero is allowed', async () => {
    const old = await makeClient(platform);
    const second = await rotate(old);
    expect(second.ends).toEqual([{ kid: '1', expires_at: at(platform.clock.nowMs + 7 * DAY_S * 1000) }]);
    const third = await rotate(old, { overlap_s: 0 });
    platform.clock.nowMs += CLIENT_CACHE_MS;
    for (const ended of [old, second]) expect(await tryWith(ended)).toBe('key_expired');
    expect(await tryWith(third)).toBe(201);
  });

  it("it never exceeds the old key's own end", async () => {
    const client_id = 'short-lived';
    const expires_at = at(platform.clock.nowMs + 3600_000);
    const made = await platform.operate('clients.create', { client_id, profile: 'strict', expires_at });
    const old = { clientId: client_id, kid: made.kid, apiKey: made.api_key! };
    expect((await rotate(old)).ends).toEqual([{ kid: '1', expires_at }]);
  });

  it('a basic client has at most two live generations', async () => {
    const expires_at = at(platform.clock.nowMs + 30 * DAY_S * 1000);
    const made = await platform.operate('clients.create', {
      client_id: 'basic-rotated',
      profile: 'basic',
      expires_at,
    });
    const first = { clientId: made.client_id, kid: made.kid, apiKey: made.api_key! };
    const second = await rotate(first, { expires_at });
    platform.clock.nowMs += 1000;
    expect([await tryBasic(first), await tryBasic(second)]).toEqual([201, 201]);
    const third = await rotate(first, { expires_at });
    expect(third.ends).toEqual([
      { kid: '2', expires_at: at(platform.clock.nowMs + 7 * DAY_S * 1000) },
      { kid: '1', expires_at: at(platform.clock.nowMs) },
    ]);
    platform.clock.nowMs += CLIENT_CACHE_MS;
    expect([await tryBasic(second), await tryBasic(third)]).toEqual([201, 201]);
    expect(await tryBasic(first)).toBe('invalid_proof');
  });
});

describe('another profile', () => {
  it('ends the generations of the previous profile, and a change back revives none', async () => {
    const strict = await makeClient(platform);
    const expires_at = at(platform.clock.nowMs + 30 * DAY_S * 1000);
    const basic = await rotate(strict, { profile: 'basic', expires_at });
    expect(basic.apiKey).toMatch(/^csb_/);
    platform.clock.nowMs += CLIENT_CACHE_MS;
    expect(await tryBasic(basic)).toBe(201);
    expect(await tryWith(strict)).toBe('invalid_proof');
    const again = await rotate(strict, { profile: 'strict' });
    platform.clock.nowMs += CLIENT_CACHE_MS;
    expect(await tryWith(again)).toBe(201);
    expect(await tryWith(strict)).toBe('key_expired');
    expect(await tryBasic(basic)).toBe('invalid_proof');
  });

  it('is written last: if ending the old keys fails, they still work, and the command can be repeated', async () => {
    const strict = await makeClient(platform);
    const send = platform.shared.send.bind(platform.shared) as (command: object) => Promise<never>;
    const ended = vi.spyOn(platform.shared, 'send').mockImplementation((async (command: {
      input: { UpdateExpression?: string };
    }) => {
      if (command.input.UpdateExpression?.includes('expires_at')) throw new Error('down');
      return send(command);
    }) as never);
    const params = { client_id: strict.clientId, profile: 'basic' as const };
    const expires_at = at(platform.clock.nowMs + 30 * DAY_S * 1000);
    const failed = await platform.admin('clients.rotate-key', { ...params, expires_at });
    ended.mockRestore();
    expect(failed).toMatchObject({ ok: false, problem: { code: 'unavailable' } });
    expect(await platform.operate('clients.show', { client_id: strict.clientId })).toMatchObject({
      profile: 'strict',
    });
    platform.clock.nowMs += CLIENT_CACHE_MS;
    expect(await tryWith(strict)).toBe(201);
    const basic = await rotate(strict, { profile: 'basic', expires_at });
    const again = await rotate(strict, { profile: 'strict' });
    platform.clock.nowMs += CLIENT_CACHE_MS;
    expect([await tryWith(again), await tryWith(strict)]).toEqual([201, 'key_expired']);
    expect(await tryBasic(basic)).toBe('invalid_proof');
  });

  it('also ends a generation that another Region, whose clock is ahead, dated a moment from now', async () => {
    const strict = await makeClient(platform);
    const begunMs = platform.clock.nowMs;
    platform.clock.nowMs += 2_000;
    const ahead = await rotate(strict);
    platform.clock.nowMs = begunMs;
    const expires_at = at(begunMs + 30 * DAY_S * 1000);
    await rotate(strict, { profile: 'basic', expires_at });
    await rotate(strict, { profile: 'strict' });
    platform.clock.nowMs += CLIENT_CACHE_MS;
    expect(await tryWith(ahead)).toBe('key_expired');
  });
});

describe('an invalid rotation', () => {
  it('is refused, and changes nothing', async () => {
    const signer = await makeClient(platform);
    const { publicKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), alg: 'ES256' };
    const client_id = signer.clientId;
    await platform.operate('clients.rotate-key', { client_id, jwk, overlap_s: 7 * DAY_S });
    const before = await platform.operate('clients.show', { client_id });
    for (const [params, code] of [
      [{ client_id: 'nobody-here' }, 'not_found'],
      [{ client_id, overlap_s: -1 }, 'malformed_request'],
      [{ client_id, profile: 'basic' }, 'malformed_request'],
      [{ client_id, expires_at: at(platform.clock.nowMs + 91 * DAY_S * 1000) }, 'malformed_request'],
      [{ client_id, jwk, profile: 'basic' }, 'malformed_request'],
      [{ client_id, jwk }, 'key_exists'],
    ] as const)
      expect(await platform.admin('clients.rotate-key', params)).toMatchObject({
        ok: false,
        problem: { code },
      });
    expect(await platform.operate('clients.show', { client_id })).toEqual(before);
  });
});
