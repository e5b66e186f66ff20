/** `countersign keys init --dev`, by Secrets Manager's protocol. */

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { initKeysets } from '../../cli/keys/init.ts';
import { EMPTY_KEYSET, secretName } from '../../lambda/contract/names.ts';
import { PURPOSES } from '../../lambda/contract/purposes.ts';
import { keyBytes, parseKeyset, signingKey } from '../../protocol/keyset.ts';

let endpoint: string;
const secrets = new Map<string, string>();
const written: string[] = [];

/** Get and Put of a secret, as AWS answers them. */
const server = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const { SecretId, SecretString } = JSON.parse(Buffer.concat(chunks).toString());
  const answer = (status: number, body: object) =>
    response.writeHead(status, { 'Content-Type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
  if (!secrets.has(SecretId))
    return answer(400, { __type: 'ResourceNotFoundException', message: 'not here' });
  if (request.headers['x-amz-target'] === 'secretsmanager.PutSecretValue') {
    secrets.set(SecretId, SecretString);
    written.push(SecretId);
  }
  answer(200, { Name: SecretId, SecretString: secrets.get(SecretId), VersionId: '0'.repeat(32) });
});

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  written.length = 0;
  secrets.clear();
  for (const purpose of PURPOSES) secrets.set(secretName('dev', purpose), EMPTY_KEYSET);
});

const NOW_MS = Date.UTC(2026, 10, 23, 12);
const init = () =>
  initKeysets(
    'dev',
    { region: 'eu-west-1', endpoint, credentials: { accessKeyId: 'x', secretAccessKey: 'y' } },
    NOW_MS,
  );

test('every empty keyset gets a key that signs at once, each its own', async () => {
  const filled = await init();
  expect(filled.map(({ secret }) => secret)).toEqual(PURPOSES.map((purpose) => secretName('dev', purpose)));
  const [nonce, root, token] = PURPOSES.map((purpose) =>
    signingKey(parseKeyset(secrets.get(secretName('dev', purpose))!), NOW_MS),
  );
  expect([nonce!.alg, root!.alg, token!.alg]).toEqual(['HKDF-SHA-256', 'HKDF-SHA-256', 'ES256']);
  expect(keyBytes(nonce!)).toHaveLength(32);
  expect(keyBytes(nonce!)).not.toEqual(keyBytes(root!));
  expect(token!.jwk).toMatchObject({ kty: 'EC', crv: 'P-256', d: expect.any(String) });
  expect(
    [nonce!, root!, token!].every(({ activates_at, retires_at }) => activates_at <= NOW_MS && !retires_at),
  ).toBe(true);
});

test('a keyset that holds keys is never touched, and where all do the command refuses', async () => {
  await init();
  const before = new Map(secrets);
  await expect(init()).rejects.toThrow('every keyset of stage dev holds keys already; nothing was changed');
  expect(secrets).toEqual(before);

  // As after a first run that broke off.
  secrets.set(secretName('dev', 'token'), EMPTY_KEYSET);
  written.length = 0;
  expect(await init()).toHaveLength(1);
  expect(written).toEqual([secretName('dev', 'token')]);
  expect(secrets.get(secretName('dev', 'nonce'))).toBe(before.get(secretName('dev', 'nonce')));
});

test('a stage that is not there, or a secret that is no keyset, is said in one line and nothing is written', async () => {
  secrets.delete(secretName('dev', 'token'));
  await expect(init()).rejects.toThrow(
    'countersign/dev/keys/token: there is none; is the stage deployed there',
  );
  secrets.set(secretName('dev', 'token'), 'swordfish');
  await expect(init()).rejects.toThrow('countersign/dev/keys/token holds no keyset: keyset: not JSON');
  expect(written).toEqual([]);
});
