/**
 * A client that manages itself (RFC 7592): with its token and a key of its own, never with one of them alone.
 */
import { describe, expect, it } from 'vitest';
import { makeKey, type TestKey } from '../../support/dpop.ts';
import { fetchToken, prepareToken, SETTINGS } from '../../support/oauth.ts';
import { regionsForFile } from '../../support/regions.ts';
import { type Asked, askRegistration, forged, prepareRegistration } from '../../support/registration.ts';

const { platform, a, b } = await regionsForFile(SETTINGS);
const DAY_MS = 24 * 3600_000;
let names = 0;

interface Registered {
  readonly clientId: string;
  readonly key: TestKey;
  readonly token: string;
  readonly path: string;
}
async function registered(): Promise<Registered> {
  const clientId = `managed-${++names}`;
  const key = await makeKey();
  const invited = await platform.operate('clients.invite', { client_id: clientId });
  const answer = await askRegistration(platform, a, { token: invited.initial_access_token, key });
  const { registration_access_token: token, registration_client_uri } = answer.json;
  return { clientId, key, token, path: new URL(registration_client_uri).pathname };
}
const ask = (method: string, client: Registered, more: Partial<Asked> = {}, region = a) =>
  askRegistration(platform, region, { method, ...client, ...more });
const put = (client: Registered, keys: readonly TestKey[], more: Partial<Asked> = {}, region = a) =>
  ask(
    'PUT',
    client,
    { body: { client_id: client.clientId, jwks: { keys: keys.map(({ jwk }) => jwk) } }, ...more },
    region,
  );
const kids = (answer: { json: { jwks: { keys: { kid: string }[] } } }) =>
  answer.json.jwks.keys.map(({ kid }) => kid).sort();
const sorted = (...keys: TestKey[]) => keys.map(({ thumbprint }) => thumbprint).sort();

describe('a client', () => {
  it('reads itself, in any Region', async () => {
    const client = await registered();
    const first = await ask('GET', client);
    expect([first.status, first.json.client_id, kids(first)]).toEqual([
      200,
      client.clientId,
      sorted(client.key),
    ]);
    expect((await ask('GET', client, {}, b)).json).toEqual(first.json);
  });

  it('replaces its key, and both work for a day', async () => {
    const client = await registered();
    const next = await makeKey('Ed25519');
    const answer = await put(client, [next]);
    expect([answer.status, kids(answer)]).toEqual([200, sorted(client.key, next)]);
    for (const key of [client.key, next]) await fetchToken(platform, b, { clientId: client.clientId, key });
    platform.clock.nowMs += DAY_MS + 1_000;
    await fetchToken(platform, b, { clientId: client.clientId, key: next });
    const old = await b.send(await prepareToken(platform, b, client));
    expect([old.status, old.json.error]).toEqual([400, 'invalid_client']);
    expect(kids(await ask('GET', client, { key: next }))).toEqual(sorted(next));
    expect((await ask('GET', client)).status).toBe(401);
  });

  it('keeps its key beside the next one, where both are listed', async () => {
    const client = await registered();
    const next = await makeKey();
    expect(kids(await put(client, [client.key, next]))).toEqual(sorted(client.key, next));
    platform.clock.nowMs += 2 * DAY_MS;
    expect(kids(await ask('GET', client))).toEqual(sorted(client.key, next));
    // Later it gives the old one up.
    expect(kids(await put(client, [next], { key: next }))).toEqual(sorted(client.key, next));
    platform.clock.nowMs += DAY_MS + 1_000;
    expect(kids(await ask('GET', client, { key: next }))).toEqual(sorted(next));
  });

  it('can repeat a change: the same key is the same key', async () => {
    const client = await registered();
    const next = await makeKey();
    const [first, again] = [await put(client, [next]), await put(client, [next], {}, b)];
    expect([again.status, kids(again)]).toEqual([200, kids(first)]);
  });

  it('has two keys at most, and no key twice', async () => {
    const client = await registered();
    const [next, third] = [await makeKey(), await makeKey()];
    await put(client, [next]);
    for (const keys of [[third], [next, third]])
      expect(await put(client, keys)).toMatchObject({
        status: 400,
        json: { error: 'invalid_client_metadata' },
      });
    platform.clock.nowMs += DAY_MS + 1_000;
    expect(await put(client, [client.key], { key: next })).toMatchObject({ status: 400 });
    expect(kids(await put(client, [third], { key: next }))).toEqual(sorted(next, third));
  });

  it('of eight changes at once by one key, one is made', async () => {
    const client = await registered();
    const answers = await Promise.all(
      (await Promise.all(Array.from({ length: 8 }, () => makeKey()))).map((next, i) =>
        put(client, [next], {}, i % 2 ? a : b),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 400)).toHaveLength(7);
    expect(kids(await ask('GET', client))).toHaveLength(2);
  });

  it('deletes itself, and none of its keys comes back', async () => {
    const client = await registered();
    expect((await ask('DELETE', client)).status).toBe(204);
    expect((await ask('GET', client)).status).toBe(401);
    expect(await platform.admin('clients.show', { client_id: client.clientId })).toMatchObject({ ok: false });
    const { initial_access_token } = await platform.operate('clients.invite', { client_id: client.clientId });
    const again = await askRegistration(platform, a, { token: initial_access_token, key: client.key });
    expect(again.status).toBe(401);
  });

  it('leaves audit lines', async () => {
    const client = await registered();
    platform.log.length = 0;
    await put(client, [await makeKey()]);
    await ask('DELETE', client);
    const lines = platform.log.filter(({ message }) => message === 'audit');
    expect(lines).toEqual([
      expect.objectContaining({ action: 'clients.replace-keys', target: client.clientId }),
      expect.objectContaining({ action: 'clients.remove-itself', target: client.clientId }),
    ]);
    expect(JSON.stringify(platform.log)).not.toContain('csr_');
  });
});

describe('nobody else', () => {
  it.each<[string, (client: Registered) => Promise<Partial<Asked>>]>([
    ['with the token and another key', async () => ({ key: await makeKey() })],
    ['with the key and another client’s token', async () => ({ token: (await registered()).token })],
    ['with the invite', async ({ token }) => ({ token: token.replace('csr_', 'csi_') })],
    [
      'with a secret that was made up',
      async ({ token }) => ({ token: forged(token, (await registered()).token) }),
    ],
    ['with a token of the earlier form', async ({ token }) => ({ token: `${token}x` })],
    ['at the place of another client', async () => ({ path: (await registered()).path })],
  ])('%s reads, changes or deletes it', async (_, change) => {
    const client = await registered();
    const changed = await change(client);
    for (const method of ['GET', 'PUT', 'DELETE'])
      expect(await ask(method, client, changed)).toMatchObject({
        status: 401,
        json: { error: 'invalid_token' },
      });
    expect((await ask('GET', client)).status).toBe(200);
  });

  it('at a place that no client has, which is answered like a wrong token', async () => {
    const client = await registered();
    const answers = [
      await ask('GET', client, { path: '/v1/oauth/register/nobody-here' }),
      await ask('GET', client, { key: await makeKey() }),
    ];
    expect(answers.map(({ status, json }) => [status, json])).toEqual([
      [401, answers[1]!.json],
      [401, answers[0]!.json],
    ]);
  });

  it('with a change that did not get through, and other keys in its body', async () => {
    const client = await registered();
    const body = (key: TestKey) => ({ client_id: client.clientId, jwks: { keys: [key.jwk] } });
    const asked = { ...client, method: 'PUT', body: body(await makeKey()) };
    const stolen = JSON.stringify(body(await makeKey()));
    const bound = await prepareRegistration(platform, a, asked);
    const free = await prepareRegistration(platform, a, {
      ...asked,
      dpop: { claims: { fingerprint: undefined } },
    });
    for (const request of [{ ...bound, body: stolen }, { ...free, body: stolen }, free])
      expect(await a.send(request)).toMatchObject({ status: 400, json: { error: 'invalid_dpop_proof' } });
    expect(kids(await ask('GET', client))).toEqual(sorted(client.key));
    expect((await a.send(bound)).status).toBe(200);
  });

  it('with a key that an operator revoked', async () => {
    const client = await registered();
    await platform.operate('clients.revoke-key', { client_id: client.clientId, kid: client.key.thumbprint });
    expect((await ask('GET', client)).status).toBe(401);
  });
});

describe('a disabled client', () => {
  it.each(['PUT', 'DELETE', 'GET'])('cannot %s itself', async (method) => {
    const client = await registered();
    await platform.operate('clients.disable', { client_id: client.clientId });
    expect(await ask(method, client)).toMatchObject({ status: 403, json: { error: 'access_denied' } });
    expect(await platform.operate('clients.show', { client_id: client.clientId })).toMatchObject({
      disabled: true,
      keys: [{ kid: client.key.thumbprint }],
    });
  });

  it('that deletes itself while it is disabled stays disabled', async () => {
    const client = await registered();
    await platform.operate('clients.disable', { client_id: client.clientId });
    await platform.operate('clients.enable', { client_id: client.clientId });
    await ask('DELETE', client);
    const states = (await platform.items('clients')).filter(
      (item) =>
        JSON.stringify(item).includes(`"${client.clientId}"`) && JSON.stringify(item).includes('"state"'),
    );
    expect(states).toEqual([expect.objectContaining({ disabled: { BOOL: false } })]);
  });
});

describe('metadata of a change', () => {
  it.each<[string, (client: Registered) => object]>([
    ['without client_id', ({ key }) => ({ jwks: { keys: [key.jwk] } })],
    ["with another's client_id", ({ key }) => ({ client_id: 'other', jwks: { keys: [key.jwk] } })],
    ['without a key', ({ clientId }) => ({ client_id: clientId, jwks: { keys: [] } })],
  ])('%s is refused', async (_, body) => {
    const client = await registered();
    expect(await ask('PUT', client, { body: body(client) })).toMatchObject({
      status: 400,
      json: { error: 'invalid_client_metadata' },
    });
  });
});
