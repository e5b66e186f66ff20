import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterEach, expect, test } from 'vitest';
import { ConnectionError, CountersignClient, TimeoutError } from '../../sdk/typescript/index.ts';
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
