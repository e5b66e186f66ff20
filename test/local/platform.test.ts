import { createHash, randomUUID } from 'node:crypto';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LogEntry } from '../../lambda/contract/log-entry.ts';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { send } from './http.ts';

let platform: Platform;
const log: LogEntry[] = [];

beforeAll(async () => {
  platform = await startPlatform({ port: 0, log: (entry) => log.push(entry) });
});
afterAll(() => platform.stop());

const nonceOf = async (url: string): Promise<string> =>
  JSON.parse((await send(`${url}/v1/nonce?client_id=dev`)).text).nonce;

/** A minimal strict client, so that this test depends only on the wire format. */
async function proofFor(url: string, body: string, nonce: string): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    jti: randomUUID(),
    htm: 'POST',
    htu: `${url}/v1/register`,
    fingerprint: createHash('sha256').update(body).digest('base64url'),
    nonce,
  };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', typ: 'countersign-proof+jwt', kid: '1' })
    .setIssuer('dev')
    .setAudience(platform.info.entry)
    .setIssuedAt(now)
    .setExpirationTime(now + 60)
    .sign(Buffer.from(platform.info.clients[0]!.api_key));
}

const register = (url: string, proof: string, body: string) => {
  const headers = ['Authorization', `JWT ${proof}`, 'Content-Type', 'application/json'];
  return send(`${url}/v1/register`, { method: 'POST', headers, body });
};

test('the announcement has the documented form', () => {
  const url = expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect(platform.info).toEqual({
    entry: url,
    regions: [
      { name: 'local-a', url },
      { name: 'local-b', url },
    ],
    awsEndpoint: url,
    vault: url,
    console: null,
    clients: [
      { client_id: 'dev', profile: 'strict', api_key: expect.stringMatching(/^csk_dev_1_/) },
      { client_id: 'dev-basic', profile: 'basic', api_key: expect.stringMatching(/^csb_dev-basic_1_/) },
    ],
  });
});

test('a user is registered in either Region and by the entry, and both Regions share one registry', async () => {
  const urls = [...platform.info.regions.map(({ url }) => url), platform.info.entry];
  const body = JSON.stringify({ user_id: 'everywhere' });
  const answers = [];
  for (const url of urls)
    answers.push(await register(url, await proofFor(url, body, await nonceOf(url)), body));
  expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
});

test('a nonce of one Region is not accepted in the other', async () => {
  const [here, there] = platform.info.regions.map(({ url }) => url) as [string, string];
  const body = JSON.stringify({ user_id: 'traveller' });
  const proof = await proofFor(there, body, await nonceOf(here));
  const refused = await register(there, proof, body);
  expect(refused.status).toBe(401);
  expect(JSON.parse(refused.text).code).toBe('use_nonce');
  expect(refused.header('x-amzn-Remapped-WWW-Authenticate')).toContain('use_nonce');
});

test('invalid UTF-8 reaches the function unchanged, so that it refuses the body where no fingerprint would', async () => {
  const { url } = platform.info.regions[0]!;
  const { api_key: key } = platform.info.clients[1]!;
  const authorization = ['Authorization', `Bearer ${key}`];
  const answers = [];
  for (const userId of ['\xff', '\xfe', '\xc3\xbf']) {
    const { nonce } = JSON.parse((await send(`${url}/v1/nonce`, { headers: authorization })).text);
    const proof = await new SignJWT({ nonce })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer('dev-basic')
      .setExpirationTime('1 minute')
      .sign(Buffer.from(key));
    const body = Buffer.from(`{"user_id":"${userId}"}`, 'latin1');
    const headers = ['Authorization', `JWT ${proof}`, 'Content-Type', 'application/json; charset=utf-8'];
    const { status, text } = await send(`${url}/v1/register`, { method: 'POST', headers, body });
    answers.push([status, JSON.parse(text).code ?? JSON.parse(text).user_id]);
  }
  expect(answers).toEqual([
    [400, 'malformed_request'],
    [400, 'malformed_request'],
    [201, 'ÿ'],
  ]);
});

test('of 100 concurrent replays over HTTP one registers', async () => {
  const { url } = platform.info.regions[0]!;
  const body = JSON.stringify({ user_id: 'replayed' });
  const proof = await proofFor(url, body, await nonceOf(url));
  const replies = await Promise.all(Array.from({ length: 100 }, () => register(url, proof, body)));
  expect(replies.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(replies.filter(({ text }) => JSON.parse(text).code === 'use_nonce')).toHaveLength(99);
});

test('an operator calls the admin functions by their full names, in each Region', async () => {
  for (const { name } of platform.info.regions) {
    const lambda = new LambdaClient({
      endpoint: platform.info.awsEndpoint,
      region: name,
      credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
    });
    const Payload = JSON.stringify({ action: 'clients.show', params: { client_id: 'dev' } });
    const FunctionName = 'countersign-local-admin-read';
    const answer = await lambda.send(new InvokeCommand({ FunctionName, Payload }));
    expect(JSON.parse(answer.Payload!.transformToString())).toMatchObject({
      ok: true,
      result: { profile: 'strict' },
    });
    lambda.destroy();
  }
});

test("the functions' log has the same request id as the answer", async () => {
  const reply = await send(`${platform.info.regions[1]!.url}/v1/nonce?client_id=dev`);
  const entry = log.find(({ request_id }) => request_id === reply.header('Countersign-Request-Id'));
  expect(entry).toMatchObject({ region: 'local-b', route: '/v1/nonce', status: 200 });
});

test('answers, nonces and keys use the clock that is passed in', async () => {
  const clock = { nowMs: Date.UTC(2030, 0, 1) };
  const later = await startPlatform({ port: 0, regions: 3, nonceLifeMs: 60_000, nowMs: () => clock.nowMs });
  expect(later.info.regions.map(({ name }) => name)).toEqual(['local-a', 'local-b', 'local-c']);
  const reply = await send(`${later.info.regions[2]!.url}/v1/nonce?client_id=dev`);
  expect(reply.header('Date')).toBe('Tue, 01 Jan 2030 00:00:00 GMT');
  expect(JSON.parse(reply.text).expires_in).toBe(60);
  await later.stop();
});

test('after a stop nothing listens any more, and the ports are free again', async () => {
  const { info, stop } = await startPlatform({ port: 0 });
  await stop();
  for (const url of [info.entry, info.awsEndpoint, ...info.regions.map((region) => region.url)])
    await expect(send(url)).rejects.toThrow(expect.objectContaining({ code: 'ECONNREFUSED' }));
});

test('a port in use is named, and the ports already taken are released', async () => {
  const taken = Number(new URL(platform.info.regions[0]!.url).port);
  // The first Region would listen on the port that is taken; another program may have the one before it.
  await expect(startPlatform({ port: taken - 1 })).rejects.toThrow(
    /port \d+ is in use, and the (Region local-a|entry) needs it;/,
  );
});
