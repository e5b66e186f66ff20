/**
 * A client without a secret, against the real handlers: it gets its platform's identity token, from servers
 * here that answer as the platforms do, makes a key, registers it and renews it.
 */
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CLIENT_CACHE_MS } from '../../lambda/request/client-cache.ts';
import { type EnrolmentPolicy, keyAudience } from '../../protocol/oauth/attestation.ts';
import {
  ClientDisabledError,
  type ClientSettings,
  CountersignClient,
  EnrolmentError,
  type Identity,
  type IdentityWish,
  InvalidArgumentError,
  InvalidProofError,
} from '../../sdk/typescript/index.ts';
import { issueCertificate } from '../support/certificate.ts';
import { AWS, GITHUB, type IdentityIssuer, identityToken, KUBERNETES } from '../support/identity.ts';
import { SETTINGS } from '../support/oauth.ts';
import { ISSUER, regionsForFile } from '../support/regions.ts';

/** What Kubernetes mounts into a pod, by name. */
const mounted = vi.hoisted(() => new Map<string, string>());
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const directory = '/var/run/secrets/kubernetes.io/serviceaccount/';
  const readFile = async (path: string, ...more: []) =>
    mounted.get(String(path).replace(directory, '')) ?? real.readFile(path, ...more);
  return { ...real, readFile };
});

const policy = (client: string, from: IdentityIssuer, match: Record<string, string>): EnrolmentPolicy => ({
  ...{ client, issuer: from.issuer, match, keys: { kind: 'inline', keys: from.keys } },
  ...{ algorithms: ['RS256', 'ES256', 'ES384'], scopes: ['registrations:write'], limit: null },
  ...{ keyLifeS: 3600, instances: 100, binding: 'key' },
});
const POLICIES = [
  policy('aws-worker', AWS, { '/https:~1~1sts.amazonaws.com~1/aws_account': '123456789012' }),
  policy('github-ci', GITHUB, { '/repository_id': '74', '/ref': 'refs/heads/main' }),
  policy('pod', KUBERNETES, { '/sub': 'system:serviceaccount:billing:worker' }),
];
const fetchJson = async () => Promise.reject(new Error('nothing is fetched'));
const { platform, a, b } = await regionsForFile(SETTINGS, { policies: POLICIES, fetchJson });

/** The network between the SDK and the handlers. */
let asked: string[] = [];
const network = (async (input: string, init: RequestInit) => {
  const { origin, pathname, search } = new URL(input);
  const region = origin === b.url ? b : a;
  const answer = await region.send({
    method: init.method!,
    path: pathname + search,
    headers: init.headers as Record<string, string>,
    ...(init.body !== undefined && { body: init.body as Uint8Array }),
  });
  // A test that waits for this does not move the clock while the platform checks a request.
  asked.push(`${init.method} ${pathname}`);
  return new Response(answer.text === '' ? null : answer.text, {
    status: answer.status,
    headers: { ...answer.headers, date: new Date(platform.clock.nowMs).toUTCString() },
  });
}) as unknown as typeof fetch;

const open: CountersignClient[] = [];
const connect = (identity: Identity, more: ClientSettings = {}) => {
  const client = new CountersignClient(
    { url: ISSUER, identity, fetch: network, ...more },
    { now: () => platform.clock.nowMs, sleep: async () => {} },
  );
  open.push(client);
  return client;
};
let users = 0;
const register = (client: CountersignClient) => client.register({ user_id: `user-${++users}` });
const ofGithub = ({ audience }: IdentityWish) =>
  identityToken(GITHUB, { audience, nowMs: platform.clock.nowMs });
const enrolments = () => asked.filter((each) => each === 'POST /v1/oauth/register').length;

beforeEach(() => {
  asked = [];
});
const undo: (() => unknown)[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const each of undo.splice(0)) await each();
  for (const client of open.splice(0)) await client.close();
});
afterAll(() => {
  for (const each of undo) each();
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo.push(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as AddressInfo).port;
}
const serve = (listener: RequestListener): Promise<number> => listen(createServer(listener));
const textOf = async (request: IncomingMessage): Promise<string> => {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  return text;
};

/** GitHub's: a GET with the audience, and the job's own bearer token. */
async function playGithub(status = 200): Promise<void> {
  const port = await serve((request, response) => {
    const { searchParams } = new URL(request.url!, 'http://127.0.0.1');
    expect(request.headers.authorization).toBe('bearer request-secret');
    expect(searchParams.get('api-version')).toBe('2.0');
    const value = identityToken(GITHUB, {
      audience: searchParams.get('audience'),
      nowMs: platform.clock.nowMs,
    });
    response.writeHead(status, { 'Content-Type': 'application/json', Connection: 'close' });
    response.end(JSON.stringify({ value }));
  });
  vi.stubEnv('ACTIONS_ID_TOKEN_REQUEST_URL', `http://127.0.0.1:${port}/token?api-version=2.0`);
  vi.stubEnv('ACTIONS_ID_TOKEN_REQUEST_TOKEN', 'request-secret');
}

/**
 * The API server of a cluster: TokenRequest for the pod's own account, over TLS of the cluster's authority.
 */
async function playKubernetes(status = 201): Promise<void> {
  const authority = issueCertificate('cluster', undefined, true);
  const { key, cert } = issueCertificate('api server', authority);
  const own = identityToken(KUBERNETES, { audience: 'cluster', nowMs: platform.clock.nowMs });
  const port = await listen(
    createTlsServer({ key, cert }, async (request, response) => {
      expect(request.method).toBe('POST');
      expect(request.url).toBe('/api/v1/namespaces/billing/serviceaccounts/worker/token');
      expect(request.headers.authorization).toBe(`Bearer ${own}`);
      const { kind, spec } = JSON.parse(await textOf(request));
      expect(kind).toBe('TokenRequest');
      const token = identityToken(KUBERNETES, {
        audience: spec.audiences,
        nowMs: platform.clock.nowMs,
        lifeS: spec.expirationSeconds,
      });
      response.writeHead(status, { Connection: 'close' }).end(JSON.stringify({ status: { token } }));
    }),
  );
  mounted.set('token', `${own}\n`).set('ca.crt', authority.cert);
  vi.stubEnv('KUBERNETES_SERVICE_HOST', '127.0.0.1');
  vi.stubEnv('KUBERNETES_SERVICE_PORT', String(port));
}

/** STS, by its own protocol. */
async function playAws(): Promise<void> {
  const port = await serve(async (request, response) => {
    const form = new URLSearchParams(await textOf(request));
    expect(form.get('Action')).toBe('GetWebIdentityToken');
    expect(form.get('DurationSeconds')).toBe('300');
    const token = identityToken(
      { ...AWS, alg: 'RS256', privateKey: GITHUB.privateKey },
      {
        audience: form.get('Audience.member.1'),
        nowMs: platform.clock.nowMs,
        header: { kid: 'RSA_0', alg: form.get('SigningAlgorithm') },
      },
    );
    response.writeHead(200, { 'Content-Type': 'text/xml', Connection: 'close' });
    response.end(
      `<GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetWebIdentityTokenResult><WebIdentityToken>${token}</WebIdentityToken><Expiration>2026-11-28T10:00:00Z</Expiration></GetWebIdentityTokenResult></GetWebIdentityTokenResponse>`,
    );
  });
  vi.stubEnv('AWS_ENDPOINT_URL_STS', `http://127.0.0.1:${port}`);
  vi.stubEnv('AWS_REGION', 'eu-west-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'local');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'local');
}

describe('a workload without a secret', () => {
  it.each<[string, string, () => Promise<void>]>([
    ['github', 'github-ci', () => playGithub()],
    ['kubernetes', 'pod', () => playKubernetes()],
    ['aws', 'aws-worker', playAws],
  ])('of %s registers users', async (identity, clientId, play) => {
    await play();
    const client = connect(identity as Identity);
    expect(client.clientId).toBe('');
    expect(await register(client)).toMatchObject({ client_id: clientId, replayed: false });
    expect(client.clientId).toBe(clientId);
    // One exchange without a nonce, one with it.
    expect(enrolments()).toBe(2);
    await register(client);
    expect(enrolments()).toBe(2);
  });

  it.each<[string, string, () => Promise<void>]>([
    ['GitHub', 'github-ci', () => playGithub()],
    ['Kubernetes', 'pod', () => playKubernetes()],
    [
      'AWS Lambda',
      'aws-worker',
      async () => {
        vi.stubEnv('AWS_LAMBDA_FUNCTION_NAME', 'process-data');
        await playAws();
      },
    ],
  ])('is found to be one of %s', async (_, clientId, play) => {
    await play();
    const client = connect('auto');
    expect((await register(client)).client_id).toBe(clientId);
  });

  it('reads what it registered, and its events', async () => {
    const client = connect(ofGithub);
    const { id } = await register(client);
    expect((await client.get(id)).client_id).toBe('github-ci');
    const events = [];
    for await (const event of client.events()) events.push(event);
    expect(events).toEqual([]);
  });

  it('with a hundred calls at once makes one key', async () => {
    const audiences: string[] = [];
    const client = connect((wish) => {
      audiences.push(wish.audience);
      return ofGithub(wish);
    });
    await Promise.all(Array.from({ length: 100 }, () => register(client)));
    expect(audiences).toHaveLength(1);
    expect(audiences[0]).toMatch(new RegExp(`^${keyAudience(ISSUER, '[\\w-]{43}')}$`));
  });
});

describe('renewal', () => {
  it('happens in the background, and every call has a key', async () => {
    const audiences = new Set<string>();
    const client = connect((wish) => {
      audiences.add(wish.audience);
      return ofGithub(wish);
    });
    for (let i = 0; i < 12; i++) {
      await register(client);
      // Each takes two requests: the first one fetches a nonce.
      await vi.waitFor(() => expect(enrolments()).toBe(2 * (1 + Math.floor(i / 4))), 20_000);
      platform.clock.nowMs += 600_000;
    }
    // Two hours, in which each of several keys lives for an hour and is renewed at two thirds of it.
    expect(audiences.size).toBe(3);
  });

  it('that fails is tried again, while the key that is in use works on', async () => {
    let failing = false;
    let tries = 0;
    const client = connect((wish) => {
      tries += 1;
      if (failing) throw new Error('no token');
      return ofGithub(wish);
    });
    await register(client);
    platform.clock.nowMs += 2_500_000;
    failing = true;
    for (let i = 0; i < 5; i++) await register(client);
    await vi.waitFor(() => expect(tries).toBe(2));
    platform.clock.nowMs += 31_000;
    await register(client);
    await vi.waitFor(() => expect(tries).toBe(3));
    failing = false;
    platform.clock.nowMs += 31_000;
    await register(client);
    await vi.waitFor(() => expect(tries).toBe(4));
    platform.clock.nowMs += 1_000_000;
    await register(client);
    expect(tries).toBe(4);
  });

  it('after a pause longer than the life of the key is waited for', async () => {
    const client = connect(ofGithub);
    await register(client);
    platform.clock.nowMs += 7_200_000;
    await register(client);
    expect(enrolments()).toBe(4);
  });

  it('is waited for, too, by a call to which the key could end too early', async () => {
    let failing = false;
    const client = connect((wish) => {
      if (failing) throw new Error('no token');
      return ofGithub(wish);
    });
    await register(client);
    failing = true;
    platform.clock.nowMs += 3_560_000;
    await register(client);
    platform.clock.nowMs += 15_000;
    await expect(register(client)).rejects.toBeInstanceOf(EnrolmentError);
  });

  it('also follows when the platform refuses the key before its end: the client was made again', async () => {
    const client = connect(ofGithub);
    await register(client);
    platform.clock.nowMs += 60_000;
    await platform.operate('clients.delete', { client_id: 'github-ci' });
    platform.clock.nowMs += CLIENT_CACHE_MS;
    // The Region has just learned that there is no such client, and looks again after a second.
    await expect(register(client)).rejects.toBeInstanceOf(InvalidProofError);
    platform.clock.nowMs += 1_000;
    await register(client);
    expect(enrolments()).toBe(4);
  });
});

describe('a failure', () => {
  it('of a workload that no policy takes says so, once', async () => {
    const client = connect(({ audience }) =>
      identityToken(GITHUB, { audience, nowMs: platform.clock.nowMs, claims: { ref: 'refs/pull/1/merge' } }),
    );
    const failure = await register(client).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(EnrolmentError);
    expect(failure).toMatchObject({
      code: 'enrolment_failed',
      status: 401,
      error: 'invalid_token',
      message: `${a.url} does not enrol this workload: no policy takes its identity token`,
    });
    expect(enrolments()).toBe(2);
  });

  it.each<[string, () => unknown]>([
    ['throws', () => Promise.reject(new Error('eyJ.secret'))],
    ['gives nothing', () => ''],
    ['gives no text', () => undefined],
  ])('of a source that %s is an error that quotes nothing', async (_, source) => {
    const failure = await register(connect(source as Identity)).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(EnrolmentError);
    expect(String(failure)).not.toContain('eyJ');
    expect(enrolments()).toBe(0);
  });

  it('of the platforms’ own services is one, too', async () => {
    await playGithub(500);
    await expect(register(connect('github'))).rejects.toBeInstanceOf(EnrolmentError);
    vi.unstubAllEnvs();
    await playKubernetes(403);
    await expect(register(connect('kubernetes'))).rejects.toMatchObject({
      cause: expect.objectContaining({ message: expect.stringContaining('serviceaccounts/token') }),
    });
  });

  it('of a client that an operator disabled ends both: enrolment and calls', async () => {
    const client = connect(ofGithub);
    await register(client);
    await platform.operate('clients.disable', { client_id: 'github-ci' });
    platform.clock.nowMs += CLIENT_CACHE_MS;
    await expect(register(client)).rejects.toBeInstanceOf(ClientDisabledError);
    await expect(register(connect(ofGithub))).rejects.toMatchObject({ status: 403, error: 'access_denied' });
    await platform.operate('clients.enable', { client_id: 'github-ci' });
    platform.clock.nowMs += CLIENT_CACHE_MS;
  });

  it('of one call that is aborted ends no other', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const client = connect(async (wish) => {
      asked.resolve();
      await promise;
      return ofGithub(wish);
    });
    const controller = new AbortController();
    const first = client.register({ user_id: 'aborted' }, { signal: controller.signal });
    const second = register(client);
    await asked.promise;
    controller.abort(new Error('enough'));
    await expect(first).rejects.toThrow('enough');
    resolve();
    expect((await second).client_id).toBe('github-ci');
    expect(enrolments()).toBe(2);
  });
});

describe('wrong options', () => {
  it.each<[object, RegExp]>([
    [{ identity: 'azure' }, /must be auto, aws, github, kubernetes or a function/],
    [{ identity: '' }, /must be/],
    [{ identity: ofGithub, apiKey: 'csk_x' }, /identity and apiKey cannot be combined/],
    [{ identity: 'github' }, /ACTIONS_ID_TOKEN_REQUEST_URL is not set/],
    [{ identity: 'kubernetes' }, /KUBERNETES_SERVICE_HOST is not set/],
    [{ identity: 'auto' }, /finds no platform here/],
  ])('%j', (options, message) => {
    for (const name of [
      'ACTIONS_ID_TOKEN_REQUEST_URL',
      'KUBERNETES_SERVICE_HOST',
      'AWS_LAMBDA_FUNCTION_NAME',
    ])
      vi.stubEnv(name, '');
    const make = () => new CountersignClient({ url: ISSUER, ...options } as never);
    expect(make).toThrow(InvalidArgumentError);
    expect(make).toThrow(message);
  });
});

it('a logged client shows neither its key nor a token', async () => {
  const lines: unknown[] = [];
  const log = (...line: unknown[]) => lines.push(line);
  const client = connect(ofGithub, { logger: { debug: log, info: log, warn: log }, logLevel: 'debug' });
  await register(client);
  const shown = JSON.stringify(lines) + JSON.stringify(client);
  expect(shown).not.toMatch(/eyJ|"d"|csr_/);
});
