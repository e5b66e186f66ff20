/** What a function reads before its first request, so that no request waits for it. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import { EMPTY_KEYSET } from '../../../lambda/contract/names.ts';
import { servingEnvironment } from '../../../lambda/contract/serving-environment.ts';
import defaultSchema from '../../../lambda/schema/default.json' with { type: 'json' };
import { buildBundles } from '../../../lib/functions/bundles.ts';

const outdir = mkdtempSync(join(tmpdir(), 'countersign-start-'));
const bundles = buildBundles({ outdir, registrationSchema: defaultSchema });

let waiting: { operation: string; of: string; response: ServerResponse }[] = [];
const server = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const { SecretId, Key } = JSON.parse(body);
  const operation = String(request.headers['x-amz-target']).split('.')[1]!;
  waiting.push({ operation, of: SecretId ?? Key.pk.S, response });
});
await once(server.listen(0, '127.0.0.1'), 'listening');
afterAll(() => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  server.close();
  rmSync(outdir, { recursive: true });
});

const answerAll = () => {
  const answered = waiting;
  waiting = [];
  for (const { operation, response } of answered)
    response.end(operation === 'GetSecretValue' ? JSON.stringify({ SecretString: EMPTY_KEYSET }) : '{}');
  return answered.map(({ operation, of }) => `${operation} ${of}`).sort();
};

const KEYS = (...purposes: string[]) =>
  purposes.flatMap((purpose) => [
    `GetItem revoked#${purpose}`,
    `GetSecretValue countersign/start/keys/${purpose}`,
  ]);
/** Of the keys of tokens, and the revoked ones of them. */
const PUBLIC_COPY = ['GetItem revoked#token', 'GetItem revoked#token'];
const WRITES = ['GetItem evacuated#eu-west-1', 'GetItem stop#writes'];

it.each([
  ['nonce', KEYS('nonce')],
  ['jwks', [...KEYS('webhook'), ...PUBLIC_COPY]],
  ['register', [...KEYS('client-root', 'nonce'), ...WRITES]],
  ['registration', [...KEYS('client-root', 'nonce'), ...WRITES]],
  ['health', KEYS('client-root', 'nonce')],
  ['oauth-token', KEYS('nonce', 'token')],
  ['register-oauth', [...KEYS('client-root', 'nonce', 'nonce'), ...PUBLIC_COPY, ...WRITES]],
] as const)('%s reads all at once, and is ready when it has read', async (name, expected) => {
  const url = 'https://api.example.com';
  const env = servingEnvironment({
    stage: 'start',
    region: 'eu-west-1',
    baseUrl: url,
    entryUrl: url,
    regions: [{ name: 'eu-west-1', url }],
    consistency: 'single',
    oauth: { tokenLifeMs: 600_000, bodyBinding: false, scopes: [], resources: [] },
  });
  const aws = {
    AWS_REGION: 'eu-west-1',
    AWS_ENDPOINT_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    POWERTOOLS_LOG_LEVEL: 'SILENT',
  };
  for (const [variable, value] of Object.entries({ ...env, ...aws })) vi.stubEnv(variable, value);
  let ready = false;
  const loading = import(/* @vite-ignore */ join(bundles[name], 'index.mjs')).then(() => {
    ready = true;
  });
  // None waits for the answer to another.
  await vi.waitFor(() => expect(waiting).toHaveLength(expected.length), { timeout: 10_000 });
  expect(ready).toBe(false);
  expect(answerAll()).toEqual([...expected].sort());
  await loading;
});
