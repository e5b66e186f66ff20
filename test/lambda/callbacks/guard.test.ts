/** Endpoints that must never be called: by URL, and by what DNS answers. Connections are real. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Guard, PUBLIC_ONLY, type Resolve } from '../../../lambda/callbacks/guard.ts';
import { createSend, SEND_TIMEOUT_MS } from '../../../lambda/callbacks/send.ts';

/** Each leads, or could lead, somewhere else than to a public host at port 443. */
const HOSTILE_URLS = [
  // Addresses, however they are written.
  'https://127.0.0.1/',
  'https://127.1/',
  'https://127.0.1/',
  'https://2130706433/',
  'https://0x7f000001/',
  'https://0x7f.1/',
  'https://0X7F.0.0.1/',
  'https://0177.0.0.1/',
  'https://017700000001/',
  'https://0x7f.0.0.0x1/',
  'https://127.0.0.1./',
  'https://127.1./',
  'https://0/',
  'https://0.0.0.0/',
  'https://169.254.169.254/latest/meta-data/',
  'https://0xa9fea9fe/',
  'https://2852039166/',
  'https://0251.0376.0251.0376/',
  'https://169.254.43518/',
  'https://10.0.0.1/',
  'https://192.168.1.1/',
  'https://172.16.0.1/',
  'https://100.64.0.1/',
  'https://198.18.0.1/',
  'https://224.0.0.1/',
  'https://255.255.255.255/',
  'https://8.8.8.8/',
  'https://[::1]/',
  'https://[::]/',
  'https://[::ffff:127.0.0.1]/',
  'https://[::ffff:7f00:1]/',
  'https://[0:0:0:0:0:ffff:7f00:0001]/',
  'https://[::127.0.0.1]/',
  'https://[64:ff9b::7f00:1]/',
  'https://[64:ff9b:1::7f00:1]/',
  'https://[2002:7f00:1::]/',
  'https://[2001:0:7f00:1::]/',
  'https://[fd00:ec2::254]/',
  'https://[fe80::1]/',
  'https://[fec0::1]/',
  'https://[2606:4700::1111]/',
  'https://１２７.０.０.１/',
  'https://127。0。0。1/',
  'https://①②⑦.0.0.1/',
  'https://%31%32%37.0.0.1/',
  // Names of the machine itself and of its network.
  'https://localhost/',
  'https://LOCALHOST/',
  'https://localhost./',
  'https://ⓛocalhost/',
  'https://ｌｏｃａｌｈｏｓｔ/',
  'https://a.localhost/',
  'https://printer.local/',
  'https://metadata.google.internal/',
  'https://ip-10-0-0-1.eu-west-1.compute.internal/',
  'https://router.lan/',
  'https://wiki.intranet/',
  'https://nas.home.arpa/',
  'https://a.onion/',
  'https://intranet/',
  'https://example.com./',
  'https://example.com../',
  // Other schemes and ports.
  'http://example.com/',
  'HTTP://example.com/',
  'https://example.com:80/',
  'https://example.com:8443/',
  'https://example.com:22/',
  'ftp://example.com/',
  'file:///etc/passwd',
  'gopher://example.com/',
  'data:text/plain,a',
  'javascript:alert(1)',
  'ws://example.com/',
  'wss://example.com/',
  'blob:https://example.com/1',
  '//example.com/',
  '/v1/register',
  'example.com',
  '',
  'https://',
  'https:///',
  'https://?',
  // User names, fragments, and what parsers read in different ways.
  'https://user@example.com/',
  'https://user:password@example.com/',
  'https://:@example.com/',
  'https://@example.com/',
  'https://example.com@127.0.0.1/',
  'https://127.0.0.1#@example.com/',
  'https://example.com#@127.0.0.1/',
  'https://example.com/#',
  'https://example.com\\@127.0.0.1/',
  'https:\\\\example.com/',
  'https://127.0.0.1\\.example.com/',
  'https://exa\tmple.com/',
  'https://exam\nple.com/',
  'https://example.com/\r\nHost: localhost',
  ' https://example.com/',
  'https://example.com /',
  'https://example.com\u0000.localhost/',
  'https://[::1',
  'https://[example.com]/',
  'https://exam%70le.com:443@localhost/',
  'https://xn--/',
  'https://a..b@localhost/',
  `https://example.com/${'a'.repeat(2_048)}`,
];

/** Special addresses that a name may lead to. */
const HOSTILE_ADDRESSES = [
  ...['127.0.0.1', '127.255.255.254', '0.0.0.0', '10.1.2.3', '172.31.0.1', '192.168.0.1', '169.254.169.254'],
  ...['100.64.0.1', '192.0.0.8', '192.0.2.1', '192.88.99.1', '198.18.0.1', '198.51.100.1', '203.0.113.1'],
  ...['224.0.0.1', '240.0.0.1', '255.255.255.255', '::1', '::', '::ffff:10.0.0.1', '::127.0.0.1'],
  ...['64:ff9b::a00:1', '64:ff9b:1::1', '2002:a00:1::', '2001::1', '2001:db8::1', '3fff::1', '100::1'],
  ...[
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%eth0',
    'fec0::1',
    'ff02::1',
    '2001:10::1',
    '5f00::1',
    'localhost',
    '',
  ],
];

describe('the guard', () => {
  it('has a table of at least 100 URLs, each once', () => {
    expect(new Set(HOSTILE_URLS).size).toBe(HOSTILE_URLS.length);
    expect(HOSTILE_URLS.length).toBeGreaterThanOrEqual(100);
  });

  it.each(HOSTILE_URLS)('refuses %j', (url) => {
    expect(PUBLIC_ONLY.urlFault(url)).toMatch(/^must /);
  });

  it.each([
    'https://example.com/',
    'https://example.com',
    'https://hooks.example.com:443/a/b?c=d',
    'https://bücher.example/rückruf',
    'https://xn--bcher-kva.example/',
    'https://127-0-0-1.example.com/',
  ])('takes %j', (url) => {
    expect(PUBLIC_ONLY.urlFault(url)).toBeUndefined();
  });

  it.each(HOSTILE_ADDRESSES)('never calls %j', (address) => {
    expect(PUBLIC_ONLY.mayCall(address)).toBe(false);
  });

  it.each(['93.184.216.34', '1.1.1.1', '2606:4700:4700::1111'])('may call %s', (address) => {
    expect(PUBLIC_ONLY.mayCall(address)).toBe(true);
  });
});

describe('a callback', () => {
  let server: Server;
  let port: number;
  let requests: string[];
  let connections: number;
  let respond: (
    path: string,
  ) => { status: number; headers?: Record<string, string>; body?: string } | undefined;

  beforeAll(async () => {
    requests = [];
    connections = 0;
    server = createServer((request, response) => {
      requests.push(`${request.method} ${request.headers.host} ${request.url}`);
      const answer = respond(request.url!);
      if (!answer) return;
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
    server.on('connection', () => {
      connections += 1;
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
    vi.unstubAllEnvs();
  });

  /** Only `good` may be called here: it takes the part of a public address. */
  const PUBLIC = '127.0.0.1';
  const guard: Guard = { urlFault: () => undefined, mayCall: (address) => address === PUBLIC };
  const at = (...answers: string[][]): Resolve & { asked: number } => {
    const resolve = async () => {
      const list = answers[Math.min(resolve.asked, answers.length - 1)]!;
      resolve.asked += 1;
      return list.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    };
    resolve.asked = 0;
    return resolve;
  };
  const callback = (path = '/hook') => ({
    url: `http://hooks.example.com:${port}${path}`,
    headers: { 'content-type': 'application/json' },
    body: new TextEncoder().encode('{}'),
  });

  it('reaches the address that was checked, with the name of the URL', async () => {
    respond = () => ({ status: 204 });
    const sent = await createSend({ guard, resolve: at([PUBLIC]) })(callback());
    expect(sent).toEqual({ status: 204, retryAfter: undefined });
    expect(requests).toEqual([`POST hooks.example.com:${port} /hook`]);
  });

  it.each(HOSTILE_ADDRESSES)('to a name that leads to %j makes no connection', async (address) => {
    const before = connections;
    const send = createSend({ guard: { ...PUBLIC_ONLY, urlFault: () => undefined }, resolve: at([address]) });
    expect(await send(callback())).toEqual({ error: 'refused_address' });
    expect(connections).toBe(before);
  });

  it('is refused if one of several addresses is', async () => {
    const before = connections;
    for (const list of [
      [PUBLIC, '127.0.0.2'],
      ['::1', PUBLIC],
    ])
      expect(await createSend({ guard, resolve: at(list) })(callback())).toEqual({
        error: 'refused_address',
      });
    expect(connections).toBe(before);
  });

  it('is refused where a name leads elsewhere the second time: every dial looks it up and checks', async () => {
    // The second address listens, too: a connection would succeed.
    respond = () => ({ status: 200, headers: { connection: 'close' } });
    const resolve = at([PUBLIC], ['127.0.0.2']);
    const send = createSend({ guard, resolve });
    expect(await send(callback())).toMatchObject({ status: 200 });
    const before = connections;
    expect(await send(callback())).toEqual({ error: 'refused_address' });
    expect([resolve.asked, connections]).toEqual([2, before]);
  });

  it('checks the URL again before each call: undici asks no resolver for an address', async () => {
    const before = connections;
    const resolve = at([PUBLIC]);
    const send = createSend({ guard: PUBLIC_ONLY, resolve });
    for (const host of ['127.0.0.1', '0x7f.1', '2130706433', '[::ffff:127.0.0.1]'])
      expect(await send({ ...callback(), url: `http://${host}:${port}/` })).toEqual({ error: 'refused_url' });
    expect([resolve.asked, connections]).toEqual([0, before]);
  });

  it('follows no redirect', async () => {
    requests.length = 0;
    respond = () => ({ status: 302, headers: { location: `http://127.0.0.1:${port}/elsewhere` } });
    expect(await createSend({ guard, resolve: at([PUBLIC]) })(callback())).toMatchObject({ status: 302 });
    expect(requests).toHaveLength(1);
  });

  it('goes through no proxy of the environment', async () => {
    requests.length = 0;
    respond = () => ({ status: 200 });
    for (const name of ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY']) vi.stubEnv(name, 'http://127.0.0.1:9');
    vi.stubEnv('NODE_USE_ENV_PROXY', '1');
    expect(await createSend({ guard, resolve: at([PUBLIC]) })(callback())).toMatchObject({ status: 200 });
    expect(requests).toEqual([`POST hooks.example.com:${port} /hook`]);
  });

  it('reads the beginning of an answer only', async () => {
    respond = () => ({ status: 200, body: 'a'.repeat(50_000_000) });
    expect(await createSend({ guard, resolve: at([PUBLIC]) })(callback())).toMatchObject({ status: 200 });
  });

  it('waits for no end of an answer that has none', async () => {
    const endless = createServer((_, response) => {
      const writing = setInterval(() => response.write('a'.repeat(1_024)), 10);
      response.on('close', () => clearInterval(writing));
    });
    endless.listen(0, '127.0.0.1');
    await once(endless, 'listening');
    const url = `http://hooks.example.com:${(endless.address() as AddressInfo).port}/`;
    const send = createSend({ guard, resolve: at([PUBLIC]), timeoutMs: 2_000 });
    expect(await send({ ...callback(), url })).toMatchObject({ status: 200 });
    endless.closeAllConnections();
    endless.close();
  });

  it('gives up an answer that comes later than its time', async () => {
    const late = createServer((_, response) => void setTimeout(() => response.end(), 1_500));
    late.listen(0, '127.0.0.1');
    await once(late, 'listening');
    const url = `http://hooks.example.com:${(late.address() as AddressInfo).port}/`;
    const send = createSend({ guard, resolve: at([PUBLIC]), timeoutMs: 100 });
    expect(await send({ ...callback(), url })).toEqual({ error: 'timeout' });
    expect(SEND_TIMEOUT_MS).toBe(10_000);
    late.closeAllConnections();
    late.close();
  });

  it('ends where the endpoint does not answer', async () => {
    respond = () => undefined;
    const send = createSend({ guard, resolve: at([PUBLIC]), timeoutMs: 100 });
    expect(await send(callback())).toEqual({ error: 'timeout' });
  });

  it('reports a name that leads nowhere, a host that refuses, and one without TLS', async () => {
    expect(await createSend({ guard, resolve: at([]) })(callback())).toEqual({ error: 'dns' });
    const refused = createSend({ guard: { ...guard, mayCall: () => true }, resolve: at(['127.0.0.3']) });
    expect(await refused({ ...callback(), url: 'http://hooks.example.com:1/' })).toEqual({
      error: 'connection',
    });
    const plain = { ...callback(), url: callback().url.replace('http', 'https') };
    expect(await createSend({ guard, resolve: at([PUBLIC]) })(plain)).toEqual({ error: 'tls' });
  });

  it('returns Retry-After', async () => {
    respond = () => ({ status: 429, headers: { 'retry-after': '7' } });
    expect(await createSend({ guard, resolve: at([PUBLIC]) })(callback())).toEqual({
      status: 429,
      retryAfter: '7',
    });
  });
});
