/** The client against the whole platform: the real handlers, over HTTP, on real stores. */

import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { exportJWK, generateKeyPair } from 'jose';
import { fetch as undiciFetch } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Platform, startPlatform } from '../../local/platform.ts';
import {
  CountersignClient,
  NotAllowedError,
  NotFoundError,
  RegistrationConflictError,
} from '../../sdk/typescript/index.ts';

let platform: Platform;
let client: CountersignClient;
const requests: string[] = [];

beforeAll(async () => {
  platform = await startPlatform({ port: 0 });
  client = connect();
});
afterAll(async () => {
  await client?.close();
  await platform?.stop();
});

/** Counts the requests over the network. */
const counting = ((url: string, init: RequestInit) => {
  requests.push(`${init.method} ${new URL(url).pathname}`);
  return undiciFetch(url, init as object);
}) as unknown as typeof fetch;

const connect = (url = platform.info.entry, apiKey = platform.info.clients[0]!.api_key) =>
  new CountersignClient({ url, apiKey, fetch: counting });

test('a user is registered, read, and registered again with the same result', async () => {
  const user = { user_id: 'ada', email: 'ada@example.com', attributes: { born: 1815 } };
  const registration = await client.register(user);
  expect(registration).toMatchObject({ client_id: 'dev', user_id: 'ada', data: user, replayed: false });
  const { replayed: _, ...stored } = registration;
  expect(await client.get(registration.id)).toEqual(stored);
  expect(await client.register(user)).toEqual({ ...stored, replayed: true });
  await expect(client.register({ ...user, email: 'ada@example.org' })).rejects.toThrow(
    RegistrationConflictError,
  );
});

test('a deleted user is gone, and can be registered again with a newer nonce', async () => {
  const first = await client.register({ user_id: 'grace' });
  await client.delete(first.id);
  await expect(client.get(first.id)).rejects.toThrow(NotFoundError);
  await expect(client.delete(first.id)).rejects.toThrow(NotFoundError);
  const second = await client.register({ user_id: 'grace' });
  expect(second).toMatchObject({ id: first.id, replayed: false });
});

test('a batch of 200 takes 200 round trips, one for nonces and one for discovery', async () => {
  const batchClient = connect();
  requests.length = 0;
  const source = Array.from({ length: 200 }, (_, i) => ({ user_id: `batch-${i}` }));
  let registered = 0;
  for await (const { ok } of batchClient.registerBatch(source)) if (ok) registered += 1;
  await batchClient.close();
  expect(registered).toBe(200);
  expect(requests.slice(0, 2)).toEqual(['GET /.well-known/countersign', 'GET /v1/nonce']);
  expect(requests.slice(2)).toEqual(Array.from({ length: 200 }, () => 'POST /v1/register'));
});

test("with a Region's own URL the client uses that Region", async () => {
  const { url } = platform.info.regions[1]!;
  const own: string[] = [];
  const regional = new CountersignClient({
    url,
    apiKey: platform.info.clients[0]!.api_key,
    fetch: ((to: string, init: object) => {
      own.push(new URL(to).origin);
      return undiciFetch(to, init);
    }) as unknown as typeof fetch,
  });
  await regional.register({ user_id: 'regional' });
  expect(new Set(own)).toEqual(new Set([url]));
});

test('a basic key registers and reads, and cannot delete', async () => {
  const basic = connect(platform.info.entry, platform.info.clients[1]!.api_key);
  const { id } = await basic.register({ user_id: 'basic' });
  expect((await basic.get(id)).user_id).toBe('basic');
  await expect(basic.delete(id)).rejects.toThrow(NotAllowedError);
});

test.each(['ES256', 'Ed25519', 'EdDSA'])('a client with its own key pair signs with %s', async (alg) => {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const client_id = `pair-${alg.toLowerCase()}`;
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const lambda = new LambdaClient({ endpoint: platform.info.awsEndpoint, region: 'local-a', credentials });
  const params = { client_id, profile: 'strict', jwk: { ...(await exportJWK(publicKey)), alg } };
  const payload = JSON.stringify({ action: 'clients.create', params });
  await lambda.send(new InvokeCommand({ FunctionName: 'countersign-local-admin-write', Payload: payload }));
  lambda.destroy();
  const pair = new CountersignClient({
    url: platform.info.entry,
    clientId: client_id,
    privateKey: { ...(await exportJWK(privateKey)), alg },
    fetch: counting,
  });
  expect(await pair.register({ user_id: 'ada' })).toMatchObject({ client_id });
});
