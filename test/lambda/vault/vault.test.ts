/** The adapter to Vault: faulty answers from Vault or from something in its place, and the login methods. */
import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { TransitKeyType } from '../../../lambda/contract/purposes.ts';
import { exportType } from '../../../lambda/contract/vault.ts';
import {
  createVaultKeys,
  type VaultAuth,
  VaultError,
  type VaultOptions,
} from '../../../lambda/vault/keys.ts';
import { selfSigned } from '../../support/certificate.ts';

// Libraries print when these variables are set; no secret may appear there. The variables are read at
// loading.
vi.hoisted(() => {
  process.env.DEBUG = '*';
});

const waits = vi.hoisted((): number[] => []);
vi.mock('node:timers/promises', () => ({
  setTimeout: async (ms: number) => {
    waits.push(ms);
  },
}));

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
  readonly body: any;
}

/** A server's answer: status and JSON, raw text, or no answer at all. */
type Answer =
  | readonly [status: number, body?: object | string, headers?: Record<string, string>]
  | 'hang'
  | 'cut';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listen(server: Server): Promise<string> {
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const handler =
  (seen: Seen[], answer: (request: Seen, index: number) => Answer | Promise<Answer>): RequestListener =>
  async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const { method = '', url = '', headers } = incoming;
    const request = { method, path: url.replace('/v1/', ''), headers, body: text && JSON.parse(text) };
    seen.push(request);
    const given = await answer(request, seen.length - 1);
    if (given === 'hang') return;
    if (given === 'cut') return void incoming.socket.destroy();
    const [status, body = '', extra = {}] = given;
    response.writeHead(status, extra).end(typeof body === 'string' ? body : JSON.stringify(body));
  };

/** @returns the requests that the server received, and the adapter that sends them */
async function vaultThat(
  answer: (request: Seen, index: number) => Answer | Promise<Answer>,
  options: Partial<VaultOptions> = {},
) {
  const seen: Seen[] = [];
  const address = await listen(createServer(handler(seen, answer)));
  const auth: VaultAuth = { method: 'token', token: 'root' };
  return { seen, address, keys: createVaultKeys({ address, auth, ...options }) };
}

const KEY = {
  type: 'hmac',
  exportable: true,
  latest_version: 3,
  min_decryption_version: 2,
  min_encryption_version: 2,
  min_available_version: 2,
};
const described: Answer = [200, { data: KEY }];
const VERSIONS = { latest: 3, min: 2 };

describe('a request that Vault does not serve', () => {
  it.each<[string, Answer, string]>([
    ['an error of its own', [500, { errors: ['internal'] }], 'unavailable'],
    ['a bad gateway before it', [502, '<html>'], 'unavailable'],
    ['too many requests', [429, { errors: [] }], 'unavailable'],
    ['a cut connection', 'cut', 'unavailable'],
  ])('%s is tried three times in all', async (_, answer, code) => {
    const failing = await vaultThat(() => answer);
    await expect(failing.keys.versions('k')).rejects.toMatchObject({ code, retryable: true });
    expect(failing.seen).toHaveLength(3);
    const twice = await vaultThat((_, index) => (index < 2 ? answer : described));
    expect(await twice.keys.versions('k')).toEqual(VERSIONS);
    expect(twice.seen).toHaveLength(3);
  });

  it('retries wait longer each time, for a random time', async () => {
    vi.spyOn(Math, 'random').mockReturnValueOnce(0.5).mockReturnValueOnce(0.75);
    waits.length = 0;
    const { keys } = await vaultThat(() => [500]);
    await expect(keys.versions('k')).rejects.toThrow();
    expect(waits).toEqual([250, 750]);
    vi.restoreAllMocks();
  });

  it.each<[string, Answer, string, boolean]>([
    ['400', [400, { errors: ['what was sent'] }], 'invalid', false],
    ['403', [403, { errors: ['permission denied'] }], 'forbidden', false],
    ['404', [404, { errors: [] }], 'not_found', false],
    ['no JSON', [200, '<html>'], 'unexpected', false],
    ['no key', [200, { data: {} }], 'unexpected', false],
    ['a sealed Vault', [503, { errors: ['Vault is sealed'] }], 'sealed', true],
  ])('%s is not retried', async (_, answer, code, retryable) => {
    const { seen, keys } = await vaultThat(() => answer);
    await expect(keys.versions('k')).rejects.toMatchObject({ name: 'VaultError', code, retryable });
    expect(seen).toHaveLength(1);
  });

  it('no answer within the time limit, or a body that stalls, is unavailable', async () => {
    const { seen, keys } = await vaultThat(() => 'hang', { timeoutMs: 40 });
    await expect(keys.versions('k')).rejects.toMatchObject({ code: 'unavailable' });
    await expect(keys.versions('k')).rejects.toThrow('does not answer (timeout)');
    expect(seen).toHaveLength(6);

    const address = await listen(createServer((_, response) => void response.writeHead(200).write('{"da')));
    const stuck = createVaultKeys({ address, auth: { method: 'token', token: 'root' }, timeoutMs: 40 });
    await expect(stuck.versions('k')).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('an address where nothing listens is unavailable, and the error says so', async () => {
    const { address } = await vaultThat(() => described);
    servers.pop()!.close();
    const keys = createVaultKeys({ address, auth: { method: 'token', token: 'root' } });
    await expect(keys.versions('k')).rejects.toThrow(
      `${address} does not answer (ECONNREFUSED): is the address`,
    );
  });

  it('a redirect is not followed: no other server gets the token', async () => {
    const elsewhere = await vaultThat(() => described);
    for (const status of [301, 302, 307, 308]) {
      const { seen, keys } = await vaultThat(() => [status, '', { Location: `${elsewhere.address}/v1/x` }]);
      await expect(keys.versions('k')).rejects.toMatchObject({ code: 'unexpected', retryable: false });
      await expect(keys.rotate('k')).rejects.toThrow('a redirect, which is not followed');
      expect(seen.length).toBeGreaterThan(1);
    }
    expect(elsewhere.seen).toEqual([]);
  });
});

describe('requests', () => {
  it('carry the token and the namespace, and take nothing from the environment', async () => {
    vi.stubEnv('VAULT_TOKEN', 'ambient');
    vi.stubEnv('VAULT_NAMESPACE', 'ambient');
    vi.stubEnv('VAULT_PREFIX', '/ambient');
    vi.stubEnv('HTTP_PROXY', 'http://127.0.0.1:9');
    const plain = await vaultThat(() => described);
    await plain.keys.versions('k');
    expect(plain.seen[0]).toMatchObject({ method: 'GET', path: 'transit/keys/k' });
    expect(plain.seen[0]!.headers['x-vault-token']).toBe('root');
    expect(plain.seen[0]!.headers).not.toHaveProperty('x-vault-namespace');
    const named = await vaultThat(() => described, { namespace: 'platform', mount: 'keys' });
    await named.keys.versions('k');
    expect(named.seen[0]!.path).toBe('keys/keys/k');
    expect(named.seen[0]!.headers['x-vault-namespace']).toBe('platform');
    vi.unstubAllEnvs();
  });

  it('trust the given authority, and no other', async () => {
    const own = selfSigned();
    const seen: Seen[] = [];
    const server = createTlsServer(
      own,
      handler(seen, () => described),
    );
    const address = (await listen(server as unknown as Server)).replace('http:', 'https:');
    const auth: VaultAuth = { method: 'token', token: 'root' };
    expect(await createVaultKeys({ address, auth, caPem: own.cert }).versions('k')).toEqual(VERSIONS);
    vi.stubEnv('VAULT_SKIP_VERIFY', '1');
    for (const untrusting of [
      createVaultKeys({ address, auth }),
      createVaultKeys({ address, auth, caPem: selfSigned().cert }),
    ])
      await expect(untrusting.versions('k')).rejects.toMatchObject({
        code: 'unavailable',
        retryable: false,
        message: expect.stringMatching(/is not trusted \(\w+\): set caPem/),
      });
    vi.unstubAllEnvs();
    expect(seen).toHaveLength(1);
  });

  it('read the key after a rotation that an old Vault answers without a body', async () => {
    const { seen, keys } = await vaultThat(({ method }) => (method === 'POST' ? [204] : described));
    expect(await keys.rotate('k')).toBe(3);
    expect(seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST transit/keys/k/rotate',
      'GET transit/keys/k',
    ]);
  });

  it('do not read an endless answer into memory', async () => {
    // Long but finite, so that a reader without a limit fails with a clear difference.
    const long = Buffer.alloc(1_024 * 1_024 + 1, ' ');
    const address = await listen(createServer((_, response) => void response.writeHead(200).end(long)));
    const keys = createVaultKeys({ address, auth: { method: 'token', token: 'root' } });
    await expect(keys.versions('k')).rejects.toMatchObject({
      code: 'unexpected',
      message: `${address} answers without an end: is that Vault's address?`,
    });
  });

  it('raise the minimum version first, and then delete the trimmed versions', async () => {
    const { seen, keys } = await vaultThat(({ method }) => (method === 'GET' ? described : [204]));
    await keys.trim('k', 3);
    expect(seen.map(({ method, path, body }) => [method, path, body])).toEqual([
      ['GET', 'transit/keys/k', ''],
      ['POST', 'transit/keys/k/config', { min_decryption_version: 3, min_encryption_version: 3 }],
      ['POST', 'transit/keys/k/trim', { min_available_version: 3 }],
    ]);
  });

  it('write nothing when those versions are already deleted', async () => {
    const { seen, keys } = await vaultThat(() => described);
    await keys.trim('k', 2);
    await keys.trim('k', 1);
    expect(seen.map(({ method }) => method)).toEqual(['GET', 'GET']);
  });
});

describe('logins', () => {
  const lease = (client_token: string, lease_duration: number): Answer => [
    200,
    { auth: { client_token, lease_duration } },
  ];
  const approle: VaultAuth = {
    method: 'approle',
    credentials: async () => ({ role_id: 'role', secret_id: 'secret' }),
  };
  const isLogin = ({ path }: Seen) => path.endsWith('/login');

  it('one token is used until shortly before its lease ends', async () => {
    let nowMs = 1_000_000;
    let logins = 0;
    const { seen, keys } = await vaultThat(
      (request) => (isLogin(request) ? lease(`token-${++logins}`, 600) : described),
      { auth: approle, nowMs: () => nowMs },
    );
    await Promise.all([keys.versions('k'), keys.versions('k'), keys.versions('k')]);
    nowMs += 470_000;
    await keys.versions('k');
    expect(logins).toBe(1);
    nowMs += 20_000;
    await keys.versions('k');
    expect(logins).toBe(2);
    expect(seen[0]).toMatchObject({
      method: 'POST',
      path: 'auth/approle/login',
      body: { role_id: 'role', secret_id: 'secret' },
    });
    expect(seen[0]!.headers).not.toHaveProperty('x-vault-token');
    expect(seen.at(-1)!.headers['x-vault-token']).toBe('token-2');
  });

  it.each<[number, string | object, string, RegExp]>([
    [400, { errors: ['invalid role or secret ID'] }, 'forbidden', /refused the login: role id or secret id/],
    [403, { errors: ['permission denied'] }, 'forbidden', /refused the login: role id or secret id/],
    [404, { errors: [] }, 'forbidden', /refused the login: role id or secret id/],
    [307, '', 'unexpected', /a redirect, which is not followed/],
    [405, { errors: [] }, 'unexpected', /answered 405/],
    [200, '<html>', 'unexpected', /without JSON: is that Vault's address\?/],
    [400, '<html>', 'unexpected', /answered 400 to .*, but not as Vault does: is that Vault's address\?/],
    [403, '<html>', 'unexpected', /answered 403 to .*, but not as Vault does: is that Vault's address\?/],
    [404, '404 page not found', 'unexpected', /answered 404 to .*, but not as Vault does/],
    [404, '{"message":"no Route matched"}', 'unexpected', /answered 404 to .*, but not as Vault does/],
  ])('a login that is answered %i with %j is %s', async (status, body, code, message) => {
    const auth: VaultAuth = {
      method: 'approle',
      credentials: async () => ({ role_id: 'r', secret_id: 's' }),
    };
    const { keys } = await vaultThat(() => [status, body], { auth });
    const error = await keys.versions('k').catch((error: unknown) => error);
    expect(error).toBeInstanceOf(VaultError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('a revoked token costs one new login, and the call succeeds', async () => {
    const valid = new Set<string>();
    let logins = 0;
    const { keys } = await vaultThat(
      (request) => {
        if (!isLogin(request))
          return valid.has(String(request.headers['x-vault-token'])) ? described : [403, { errors: [] }];
        const token = `token-${++logins}`;
        valid.add(token);
        return lease(token, 600);
      },
      { auth: approle },
    );
    await keys.versions('k');
    valid.clear();
    expect(await Promise.all([keys.versions('k'), keys.versions('k')])).toEqual([VERSIONS, VERSIONS]);
    expect(logins).toBe(2);
  });

  it('a token that is refused twice is forbidden: there is no third login', async () => {
    const { seen, keys } = await vaultThat((request) => (isLogin(request) ? lease('t', 600) : [403]), {
      auth: approle,
    });
    await expect(keys.rotate('k')).rejects.toMatchObject({ code: 'forbidden' });
    expect(seen.filter(isLogin)).toHaveLength(2);
  });

  it('after a failed login, the next call logs in again', async () => {
    let open = false;
    const { keys } = await vaultThat(
      (request) => (isLogin(request) ? (open ? lease('t', 600) : [400]) : described),
      { auth: approle },
    );
    await expect(keys.versions('k')).rejects.toMatchObject({ code: 'forbidden' });
    open = true;
    expect(await keys.versions('k')).toEqual(VERSIONS);
  });

  it('logging out revokes the token in one short try; the next call logs in again', async () => {
    let logins = 0;
    let gone: Answer = [204];
    const revoked = ({ path }: Seen) => path === 'auth/token/revoke-self';
    const { seen, keys } = await vaultThat(
      (request) => (isLogin(request) ? lease(`token-${++logins}`, 600) : revoked(request) ? gone : described),
      { auth: approle, timeoutMs: 40 },
    );
    await keys.logOut();
    expect(seen).toEqual([]);
    await keys.versions('k');
    await keys.logOut();
    await keys.logOut();
    expect(seen.filter(revoked)).toMatchObject([{ method: 'POST', headers: { 'x-vault-token': 'token-1' } }]);
    for (const failure of ['hang', 'cut', [500], [403]] as const) {
      gone = failure as Answer;
      seen.length = 0;
      await keys.versions('k');
      await expect(keys.logOut()).rejects.toBeInstanceOf(VaultError);
      expect(seen.filter(revoked)).toHaveLength(1);
    }
    expect(logins).toBe(5);
  });

  it('a call under way at logout does not log in again', async () => {
    let [logins, ends] = [0, false];
    let gone: Promise<void> | undefined;
    const { seen, keys } = await vaultThat(
      (request) => {
        if (isLogin(request)) return lease(`token-${++logins}`, 600);
        if (ends && request.path === 'transit/keys/k') gone = keys.logOut();
        return described;
      },
      { auth: approle },
    );
    await keys.versions('k');
    ends = true;
    await expect(keys.trim('k', VERSIONS.latest)).rejects.toThrow('given back meanwhile');
    await gone;
    expect(logins).toBe(1);
    expect(seen.map(({ path }) => path)).not.toContain('transit/keys/k/trim');
  });

  it('the token of a login under way at logout is used by nobody, and is revoked', async () => {
    for (const late of [false, true]) {
      const login = Promise.withResolvers<Answer>();
      const begun = Promise.withResolvers<void>();
      const { seen, keys } = await vaultThat(
        (request) => {
          if (!isLogin(request)) return [204];
          begun.resolve();
          return login.promise;
        },
        { auth: approle },
      );
      const rotation = keys.rotate('k').catch((error: Error) => error.message);
      await begun.promise;
      const out = keys.logOut().then(
        () => 'in time',
        (error: VaultError) => error.code,
      );
      // The function's caller waits no longer than a second.
      if (late) expect(await out).toBe('unavailable');
      login.resolve(lease('token-late', 600));
      expect(await out).toBe(late ? 'unavailable' : 'in time');
      expect(await rotation).toContain('given back meanwhile');
      await vi.waitFor(() => expect(seen).toHaveLength(2));
      expect(seen[1]).toMatchObject({
        path: 'auth/token/revoke-self',
        headers: { 'x-vault-token': 'token-late' },
      });
      await keys.rotate('k').catch(() => {});
      expect(seen[2]).toMatchObject({ path: 'auth/approle/login' });
    }
  });

  it('after a logout while the credentials are read, no token is requested, and the next call logs in', async () => {
    const reading = Promise.withResolvers<void>();
    const credentials = async () => {
      await reading.promise;
      return { role_id: 'r', secret_id: 's' };
    };
    const { seen, keys } = await vaultThat((request) => (isLogin(request) ? lease('t', 600) : described), {
      auth: { method: 'approle', credentials },
    });
    const rotation = keys.rotate('k').catch((error: Error) => error.message);
    const out = keys.logOut();
    reading.resolve();
    await out;
    expect([await rotation, seen]).toEqual([expect.stringContaining('given back meanwhile'), []]);
    await keys.versions('k');
    expect(seen.map(({ path }) => path)).toEqual(['auth/approle/login', 'transit/keys/k']);
  });

  it('a call that fails after logout is not retried', async () => {
    let gone: Promise<void> | undefined;
    const { seen, keys } = await vaultThat(
      ({ path }) => {
        if (path === 'auth/approle/login') return lease('t', 600);
        if (path !== 'transit/keys/k') return [204];
        gone = keys.logOut();
        return [500];
      },
      { auth: approle },
    );
    await expect(keys.versions('k')).rejects.toBeInstanceOf(VaultError);
    await gone;
    expect(seen.filter(({ path }) => path === 'transit/keys/k')).toHaveLength(1);
  });

  it('a logout delays an answer by at most a second', async () => {
    const limits = vi.spyOn(AbortSignal, 'timeout');
    const { keys } = await vaultThat((request) => (isLogin(request) ? lease('t', 600) : described), {
      auth: approle,
    });
    await keys.versions('k');
    await keys.logOut();
    // The login, the call, and the logout.
    expect(limits.mock.calls).toEqual([[5_000], [5_000], [1_000]]);
    vi.restoreAllMocks();
  });

  it('a token that was supplied, not obtained by login, is not revoked: others use it', async () => {
    const { seen, keys } = await vaultThat(() => described);
    await keys.versions('k');
    await keys.logOut();
    expect(seen).toHaveLength(1);
  });

  it('a JWT is sent with the role', async () => {
    const auth: VaultAuth = { method: 'jwt', role: 'r', jwt: async () => 'a.b.c' };
    const { seen, keys } = await vaultThat((request) => (isLogin(request) ? lease('t', 0) : described), {
      auth,
    });
    await keys.versions('k');
    expect(seen[0]).toMatchObject({ path: 'auth/jwt/login', body: { role: 'r', jwt: 'a.b.c' } });
  });

  it.each([
    ['session', undefined, 'sts.amazonaws.com', 'us-east-1'],
    [undefined, undefined, 'sts.amazonaws.com', 'us-east-1'],
    [undefined, 'eu-west-3', 'sts.eu-west-3.amazonaws.com', 'eu-west-3'],
  ])(
    'AWS: a signed GetCallerIdentity for this Vault (session token: %s, STS of: %s)',
    async (sessionToken, stsRegion, host, region) => {
      const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'the-secret-key' };
      const auth: VaultAuth = {
        method: 'aws',
        role: 'countersign-dev-nonce',
        serverId: 'vault.example.com',
        ...(stsRegion !== undefined && { stsRegion }),
        credentials: async () => ({ ...credentials, ...(sessionToken !== undefined && { sessionToken }) }),
      };
      const { seen, keys } = await vaultThat((request) => (isLogin(request) ? lease('t', 600) : described), {
        auth,
      });
      await keys.versions('k');
      expect(seen[0]!.path).toBe('auth/aws/login');
      const { role, iam_http_request_method, ...encoded } = seen[0]!.body;
      expect([role, iam_http_request_method]).toEqual(['countersign-dev-nonce', 'POST']);
      const decode = (name: string) => Buffer.from(encoded[name], 'base64').toString();
      expect(decode('iam_request_url')).toBe(`https://${host}/`);
      expect(decode('iam_request_body')).toBe('Action=GetCallerIdentity&Version=2011-06-15');
      const headers = JSON.parse(decode('iam_request_headers')) as Record<string, string>;
      expect([headers.host, headers['x-amz-security-token']]).toEqual([host, sessionToken]);
      expect(headers['x-vault-aws-iam-server-id']).toBe('vault.example.com');
      // Vault refuses every other header of this prefix.
      const known = ['x-amz-content-sha256', 'x-amz-date', 'x-amz-security-token'];
      expect(
        Object.keys(headers).filter((name) => name.startsWith('x-amz-') && !known.includes(name)),
      ).toEqual([]);
      expectSignedByAws(decode('iam_request_body'), headers, credentials.secretAccessKey, region);
    },
  );
});

/**
 * As AWS checks it (Signature Version 4), implemented independently: Vault forwards the request unchanged.
 */
function expectSignedByAws(
  body: string,
  headers: Readonly<Record<string, string>>,
  secret: string,
  region: string,
): void {
  const { authorization = '', ...signable } = headers;
  const form =
    /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/(\d{8}\/[a-z0-9-]+\/sts\/aws4_request), SignedHeaders=(\S+), Signature=([0-9a-f]{64})$/;
  const [, scope = '', names = '', signature] = form.exec(authorization) ?? [];
  expect(scope.split('/')[1]).toBe(region);
  expect(names.split(';')).toEqual(
    expect.arrayContaining(['host', 'x-amz-date', 'x-vault-aws-iam-server-id']),
  );
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  const canonical = names
    .split(';')
    .map((name) => `${name}:${signable[name]}\n`)
    .join('');
  const request = ['POST', '/', '', canonical, names, sha256(body)].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', signable['x-amz-date'], scope, sha256(request)].join('\n');
  const key = scope.split('/').reduce<string | Buffer>((from, part) => hmac(from, part), `AWS4${secret}`);
  expect(hmac(key, toSign).toString('hex')).toBe(signature);
}

describe('exported keys', () => {
  const exporting = async (type: TransitKeyType, exported: unknown, reported?: unknown, changes = {}) => {
    const { keys } = await vaultThat(({ path }) =>
      path.startsWith(`transit/export/${exportType(type)}/`)
        ? [200, { data: { name: 'k', keys: { 3: exported }, ...changes } }]
        : [200, { data: { ...KEY, type, keys: { 3: { public_key: reported } } } }],
    );
    return keys.exportKey('k', 3);
  };
  const publicPem = (key: KeyObject) =>
    createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();
  const ec = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const sec1 = (key: ReturnType<typeof ec>) => key.export({ type: 'sec1', format: 'pem' }).toString();
  const ed = () => generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const half = (jwk: { d?: string; x?: string }, name: 'd' | 'x') => Buffer.from(jwk[name]!, 'base64url');

  it('are accepted in the forms that Vault gives them', async () => {
    const key = ec();
    expect(await exporting('ecdsa-p256', sec1(key).trimEnd(), publicPem(key))).toEqual({
      ...key.export({ format: 'jwk' }),
      alg: 'ES256',
    });
    const jwk = ed();
    const both = Buffer.concat([half(jwk, 'd'), half(jwk, 'x')]).toString('base64');
    expect(await exporting('ed25519', both, half(jwk, 'x').toString('base64'))).toEqual({
      ...jwk,
      alg: 'Ed25519',
    });
    const k = Buffer.alloc(32, 0xfb);
    expect(await exporting('hmac', k.toString('base64'))).toEqual({
      kty: 'oct',
      k: k.toString('base64url'),
      alg: 'HKDF-SHA-256',
    });
  });

  it('whose public half differs from the one that Vault reports are refused', async () => {
    const refused = { code: 'unexpected', message: expect.stringContaining('is not the one it reports') };
    const key = ec();
    const jwk = ed();
    const both = Buffer.concat([half(jwk, 'd'), half(jwk, 'x')]).toString('base64');
    for (const reported of [publicPem(ec()), 'no PEM', undefined])
      await expect(exporting('ecdsa-p256', sec1(key), reported)).rejects.toMatchObject(refused);
    for (const reported of [half(ed(), 'x').toString('base64'), '', undefined])
      await expect(exporting('ed25519', both, reported)).rejects.toMatchObject(refused);
  });

  it('of another name or version than requested are refused', async () => {
    const exported = Buffer.alloc(32, 7).toString('base64');
    for (const changes of [
      { name: 'other' },
      { name: undefined },
      { keys: { 2: exported } },
      { keys: { 2: exported, 3: exported } },
      { keys: {} },
      { keys: undefined },
    ])
      await expect(exporting('hmac', exported, undefined, changes)).rejects.toMatchObject({
        code: 'unexpected',
        message: 'Vault exported another key than version 3 of k',
      });
  });

  it('whose own public half belongs to another key are refused', async () => {
    const mixed = (one: Buffer, other: Buffer, point: number) =>
      Buffer.concat([one.subarray(0, point), other.subarray(point)]);
    const der = (key: ReturnType<typeof ec>) => key.export({ type: 'sec1', format: 'der' });
    const [one, other] = [der(ec()), der(ec())];
    // SEC 1 ends with the public point.
    const mismatched = mixed(one, other, one.length - 64);
    const pem = createPrivateKey({ key: mismatched, format: 'der', type: 'sec1' });
    const refused = { code: 'unexpected', message: 'Vault exported a key that is no whole ecdsa-p256 key' };
    await expect(exporting('ecdsa-p256', sec1(pem))).rejects.toMatchObject(refused);
    const x = half(ed(), 'x');
    const mixedEd = Buffer.concat([half(ed(), 'd'), x]).toString('base64');
    await expect(exporting('ed25519', mixedEd, x.toString('base64'))).rejects.toMatchObject({
      code: 'unexpected',
      message: 'Vault exported a key that is no whole ed25519 key',
    });
  });

  it.each<[TransitKeyType, unknown]>([
    ['ecdsa-p256', 'swordfish'],
    ['ecdsa-p256', sec1(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey)],
    ['ed25519', Buffer.alloc(32).toString('base64')],
    ['hmac', Buffer.alloc(31).toString('base64')],
    ['hmac', ''],
    ['hmac', undefined],
    ['hmac', 7],
  ])('that are not a complete %s key are refused', async (type, exported) => {
    await expect(exporting(type, exported)).rejects.toMatchObject({ name: 'VaultError', code: 'unexpected' });
  });
});

describe('no secret', () => {
  const MARK = 'SECRETMARK';
  const secret = (name: string) => `${MARK}${name}`;
  const auths: Record<string, VaultAuth> = {
    token: { method: 'token', token: secret('token') },
    'broken token': { method: 'token', token: `${secret('token')}\n` },
    approle: {
      method: 'approle',
      credentials: async () => ({ role_id: 'role', secret_id: secret('secret-id') }),
    },
    jwt: { method: 'jwt', role: 'role', jwt: async () => secret('jwt') },
    aws: {
      method: 'aws',
      role: 'role',
      serverId: 'vault.example.com',
      credentials: async () => ({
        accessKeyId: secret('id'),
        secretAccessKey: secret('key'),
        sessionToken: secret('session'),
      }),
    },
    'failing credentials': {
      method: 'approle',
      credentials: () =>
        Promise.reject(Object.assign(new Error(secret('provider')), { config: secret('provider') })),
    },
  };
  /** An answer with everything that was sent, and a key, in its error; also a malformed one. */
  const echo = (request: Seen) => ({
    errors: [JSON.stringify(request), secret('word')],
    data: { keys: { 3: secret('key') } },
    auth: { client_token: secret('issued'), lease_duration: 'no' },
  });
  const failures: Record<string, (request: Seen) => Answer> = {
    ...Object.fromEntries(
      [301, 400, 403, 404, 405, 412, 429, 500, 503].map((status) => [
        String(status),
        (request: Seen): Answer => [status, echo(request), { Location: `/${secret('there')}` }],
      ]),
    ),
    sealed: (request) => [503, { errors: [`Vault is sealed ${JSON.stringify(request)}`] }],
    'no JSON': (request) => [200, `${secret('text')} ${JSON.stringify(request)}`],
    'an echo': (request) => [200, echo(request)],
    'a broken key': ({ path }) => {
      if (path.endsWith('/login'))
        return [200, { auth: { client_token: secret('issued'), lease_duration: 60 } }];
      if (!path.includes('/export/'))
        return [200, { data: { ...KEY, type: 'ecdsa-p256', min_decryption_version: 1 } }];
      const pem = `-----BEGIN EC PRIVATE KEY-----\n${secret('material')}\n-----END EC PRIVATE KEY-----`;
      return [200, { data: { name: 'k', keys: { 3: pem } } }];
    },
    hang: () => 'hang',
    cut: () => 'cut',
  };

  it.each(Object.keys(failures))('is in an error or in printed output: %s', async (failure) => {
    const printed: string[] = [];
    for (const stream of [process.stdout, process.stderr])
      vi.spyOn(stream, 'write').mockImplementation((chunk) => printed.push(String(chunk)) > 0);
    const errors: unknown[] = [];
    try {
      await Promise.all(
        Object.values(auths).map(async (auth) => {
          const { keys } = await vaultThat(failures[failure]!, { auth, timeoutMs: 50, namespace: 'n' });
          for (const call of [
            () => keys.rotate('k'),
            () => keys.versions('k'),
            () => keys.exportKey('k', 3),
            () => keys.trim('k', 3),
            () => keys.logOut(),
          ])
            await call().catch((error: unknown) => errors.push(error));
        }),
      );
    } finally {
      vi.restoreAllMocks();
    }
    // At least the exports fail, whatever the login does.
    expect(errors.length).toBeGreaterThanOrEqual(Object.keys(auths).length);
    for (const error of errors) {
      expect(error).toBeInstanceOf(VaultError);
      const { name, message, stack, code, cause } = error as VaultError;
      const shown = [inspect(error, { depth: null, showHidden: true }), name, message, stack, code].join(
        '\n',
      );
      expect(shown + JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(MARK);
      expect(cause).toBeUndefined();
    }
    expect(printed.join('\n')).not.toContain(MARK);
  });
});
