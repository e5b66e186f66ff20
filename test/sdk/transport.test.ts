import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createServer, request as httpRequest, type Server } from 'node:http';
import { type AddressInfo, createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { ProxyAgent, fetch as undiciFetch } from 'undici';
import { afterEach, expect, test, vi } from 'vitest';
import { ConnectionError, CountersignClient, TimeoutError } from '../../sdk/typescript/index.ts';
import { createTransport } from '../../sdk/typescript/transport/node.ts';
import { API_KEY } from './keys.ts';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A local server that answers discovery with its own URL, and all other requests as scripted. */
async function serve(answer: Parameters<typeof createServer>[1]): Promise<string> {
  server = createServer((request, response) => {
    if (request.url !== '/.well-known/countersign') return answer!(request, response);
    const document = {
      issuer: url,
      regions: [{ name: 'a', url }],
      proof_max_life: 300,
      max_nonce_count: 100,
    };
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(document));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return url;
}

test('an answer that does not arrive in time is a timeout, not a connection error', async () => {
  const url = await serve(() => {});
  await using client = new CountersignClient({ url, apiKey: API_KEY, timeoutMs: 200, maxRetries: 0 });
  await expect(client.register({ user_id: 'ada' })).rejects.toThrow(TimeoutError);
});

test('an answer that ends within its body is a connection error', async () => {
  const url = await serve((_, response) => {
    response.writeHead(200, { 'Content-Length': 100 }).write('{');
    setImmediate(() => response.destroy());
  });
  await using client = new CountersignClient({ url, apiKey: API_KEY, maxRetries: 0 });
  await expect(client.register({ user_id: 'ada' })).rejects.toThrow(ConnectionError);
});

test('a redirect is not followed', async () => {
  const paths: (string | undefined)[] = [];
  const url = await serve((request, response) => {
    paths.push(request.url);
    response.writeHead(307, { Location: '/elsewhere' }).end();
  });
  await using client = new CountersignClient({ url, apiKey: API_KEY });
  await expect(client.get('x'.repeat(43))).rejects.toMatchObject({ code: 'unexpected_answer', status: 307 });
  expect(paths).toEqual([`/v1/registrations/${'x'.repeat(43)}`]);
});

test('connections are reused between calls, and closed with the client', async () => {
  // Neither side would close a connection on its own.
  const url = await serve((_, response) => response.writeHead(404, { 'Keep-Alive': 'timeout=600' }).end());
  server!.keepAliveTimeout = 0;
  let opened = 0;
  const closed: Promise<unknown>[] = [];
  server!.on('connection', (socket) => {
    opened += 1;
    closed.push(once(socket, 'close'));
  });
  const client = new CountersignClient({ url, apiKey: API_KEY });
  for (let i = 0; i < 5; i++) await client.get('x'.repeat(43)).catch(() => {});
  expect(opened).toBe(1);
  await client.close();
  await Promise.all(closed);
});

test('a connection that is five minutes old is not used again', async () => {
  const url = await serve((_, response) => response.writeHead(404, { 'Keep-Alive': 'timeout=600' }).end());
  server!.keepAliveTimeout = 0;
  let opened = 0;
  server!.on('connection', () => {
    opened += 1;
  });
  vi.useFakeTimers({ toFake: ['Date'] });
  const { fetch, close } = createTransport();
  try {
    const ask = async () => {
      await (await fetch(`${url}/x`)).arrayBuffer();
      // Until then the connection is not idle.
      await new Promise((resolve) => setImmediate(resolve));
    };
    await ask();
    vi.setSystemTime(Date.now() + 299_000);
    await ask();
    expect(opened).toBe(1);
    vi.setSystemTime(Date.now() + 2_000);
    await ask();
    expect(opened).toBe(2);
  } finally {
    vi.useRealTimers();
    await close();
  }
});

/** A proxy that makes tunnels (RFC 9110, section 9.3.6). @returns its URL, and where tunnels led */
async function startProxy(): Promise<{ readonly url: string; readonly tunnels: string[]; stop(): void }> {
  const tunnels: string[] = [];
  const open = new Set<{ destroy(): unknown }>();
  const proxy = createServer((request, response) => {
    // Some clients ask for plain HTTP without a tunnel.
    tunnels.push(new URL(request.url!).host);
    const { method, headers } = request;
    const onward = httpRequest(request.url!, { method: method!, headers }, (answer) =>
      answer.pipe(response.writeHead(answer.statusCode!, answer.headers)),
    );
    request.pipe(onward);
  });
  proxy.on('connect', ({ url }, socket) => {
    tunnels.push(url!);
    const [host, port] = url!.split(':') as [string, string];
    const onward = createConnection(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    for (const each of [socket, onward]) {
      open.add(each);
      each.on('error', () => {});
    }
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const stop = () => {
    for (const socket of open) socket.destroy();
    proxy.closeAllConnections();
    proxy.close();
  };
  return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, tunnels, stop };
}

test('a fetch of the application goes through its proxy', async () => {
  const url = await serve((_, response) => response.writeHead(404).end());
  const proxy = await startProxy();
  const dispatcher = new ProxyAgent(proxy.url);
  const through = ((to: string, init: object) =>
    undiciFetch(to, { ...init, dispatcher })) as unknown as typeof fetch;
  await using client = new CountersignClient({ url, apiKey: API_KEY, fetch: through });
  try {
    await client.get('x'.repeat(43)).catch(() => {});
    expect(new Set(proxy.tunnels)).toEqual(new Set([new URL(url).host]));
  } finally {
    await dispatcher.destroy();
    proxy.stop();
  }
});

test.each([
  ['the built-in transport uses none', '', false],
  ["Node's own fetch uses it", ', fetch', true],
])('%s, where the environment names a proxy, as README.md says', async (_, option, through) => {
  const url = await serve((_, response) => response.writeHead(404).end());
  const proxy = await startProxy();
  const sdk = new URL('../../sdk/typescript/index.ts', import.meta.url).href;
  const script = `import { CountersignClient } from ${JSON.stringify(sdk)};
    const client = new CountersignClient({ url: ${JSON.stringify(url)}, apiKey: '${API_KEY}'${option} });
    const { code, status } = await client.get('x'.repeat(43)).catch((error) => error);
    console.log(code, status);
    await client.close();`;
  try {
    const env = { ...process.env, NODE_USE_ENV_PROXY: '1', HTTP_PROXY: proxy.url, NO_PROXY: '' };
    const args = ['--input-type=module', '--eval', script];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env });
    expect(stdout).toBe('unexpected_answer 404\n');
    expect(proxy.tunnels.length > 0).toBe(through);
  } finally {
    proxy.stop();
  }
});

test('a bundle for browsers contains no part of Node', async () => {
  const entry = fileURLToPath(new URL('../../sdk/typescript/index.ts', import.meta.url));
  const options = { bundle: true, format: 'esm', platform: 'browser', write: false, metafile: true } as const;
  const { metafile, outputFiles } = await build({ ...options, entryPoints: [entry] });
  const inputs = Object.keys(metafile.inputs);
  expect(inputs).toContainEqual(expect.stringMatching(/transport\/browser\.ts$/));
  expect(
    inputs.filter((path) =>
      /undici|transport\/node|protocol\/(?!proof\/build|base-url|client-id)/.test(path),
    ),
  ).toEqual([]);
  expect(outputFiles[0]!.text).not.toMatch(/\bBuffer\b|from\s*"node:|\bprocess\./);
});

test('a bundle for Node, built as README.md says, starts', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const readme = readFileSync(join(root, 'sdk/typescript/README.md'), 'utf8');
  const [, flags] = /`esbuild (--bundle [^`]+)`/.exec(readme.replace(/\s+/g, ' '))!;
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bundle-'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  try {
    const outfile = join(folder, 'bundle.mjs');
    const esbuild = join(root, 'node_modules/.bin/esbuild');
    execFileSync(esbuild, ['sdk/typescript/index.ts', ...flags!.split(' '), `--outfile=${outfile}`], {
      cwd: root,
      stdio: 'ignore',
    });
    const script = `const { CountersignClient } = await import(${JSON.stringify(outfile)});
console.log(new CountersignClient({ url: 'https://a.example', apiKey: '${API_KEY}' }).clientId)`;
    const args = ['--input-type=module', '--eval', script];
    expect(execFileSync(process.execPath, args, { encoding: 'utf8' })).toBe('test\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
