/** Bad input gets a 4xx problem, never a 5xx, and stores nothing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HttpAnswer, type HttpAsk, regionsForFile, toEvent } from '../../support/regions.ts';
import {
  fetchNonce,
  hs256,
  makeBasicClient,
  makeClient,
  prepare,
  registerAsk,
} from '../../support/signer.ts';

const { platform, a } = await regionsForFile();
const signer = await makeClient(platform);
const basic = await makeBasicClient(platform);

async function refused(body: string, headers: Record<string, string> = {}): Promise<HttpAnswer> {
  const before = [await platform.items('ledger'), await platform.items('registry')];
  const ask = await prepare(platform, a, signer, body);
  const answer = await a.send({ ...ask, headers: { ...ask.headers, ...headers } });
  expect([await platform.items('ledger'), await platform.items('registry')]).toEqual(before);
  expect(answer.headers['content-type']).toBe('application/problem+json');
  return answer;
}

const deep = (depth: number) =>
  `{"user_id":"a","attributes":{"x":${'['.repeat(depth - 2)}${']'.repeat(depth - 2)}}}`;

it.each([
  ['a body of 16,385 bytes', `{"user_id":"a"}${' '.repeat(16_385 - 15)}`, 413, 'body_too_large'],
  ['no body', '', 400, 'malformed_request'],
  ['text that is not JSON', '{"user_id":', 400, 'malformed_request'],
  ['a member twice', '{"user_id":"a","user_id":"b"}', 400, 'malformed_request'],
  ['a member twice, once escaped', '{"user_id":"a","\\u0075ser_id":"b"}', 400, 'malformed_request'],
  [
    'a duplicate member, deep inside',
    '{"user_id":"a","attributes":{"x":[{"y":1,"y":2}]}}',
    400,
    'malformed_request',
  ],
  ['a __proto__ member', '{"user_id":"a","attributes":{"__proto__":{"x":1}}}', 400, 'malformed_request'],
  [
    'a __proto__ member, escaped',
    '{"user_id":"a","attributes":{"\\u005f_proto__":{}}}',
    400,
    'malformed_request',
  ],
  ['a byte-order mark', '\ufeff{"user_id":"a"}', 400, 'malformed_request'],
  ['JSON 33 deep', deep(33), 400, 'malformed_request'],
  ['JSON 8,000 deep', deep(8_000), 400, 'malformed_request'],
  ['a lone surrogate', '{"user_id":"\\ud800"}', 400, 'malformed_request'],
  ['a number over all doubles', '{"user_id":"a","attributes":{"n":1e400}}', 400, 'malformed_request'],
  ['an array', '[]', 422, 'invalid_registration'],
  ['null', 'null', 422, 'invalid_registration'],
])('%s', async (_, body, status, code) => {
  const answer = await refused(body);
  expect([answer.status, answer.code]).toEqual([status, code]);
});

it('JSON that is 10,000 levels deep, in body and proof alike', async () => {
  // The body's own limit applies first. A proof of that depth is refused for its signature, like any other.
  expect((await refused(deep(10_000))).code).toBe('body_too_large');
  const nested = `{"iss":"${signer.clientId}","x":${'['.repeat(10_000)}${']'.repeat(10_000)}}`;
  const header = Buffer.from('{"alg":"HS256","typ":"countersign-proof+jwt","kid":"1"}').toString('base64url');
  const proof = `${header}.${Buffer.from(nested).toString('base64url')}.${'A'.repeat(43)}`;
  expect((await a.send(registerAsk(proof, '{}'))).code).toBe('invalid_proof');
});

it('16,384 bytes and 32 levels are allowed', async () => {
  const big = `{"user_id":"big"}${' '.repeat(16_384 - 17)}`;
  expect((await a.send(await prepare(platform, a, signer, big))).status).toBe(201);
  expect((await a.send(await prepare(platform, a, signer, deep(32)))).status).toBe(201);
});

it.each(['text/plain', 'application/jsonp', 'application/x-www-form-urlencoded', ''])(
  'media type %j',
  async (type) => {
    expect((await refused('{"user_id":"a"}', { 'Content-Type': type })).code).toBe('unsupported_media_type');
  },
);

describe('invalid UTF-8', () => {
  const bytes = (userId: string) => Buffer.from(`{"user_id":"${userId}"}`, 'latin1');
  const REPLACED = '{"user_id":"\ufffd"}';
  /** The profile whose proof does not cover the body. */
  const basicAsk = async (body: string | Uint8Array) => {
    const nonce = await fetchNonce(a, basic.clientId);
    const exp = Math.floor(platform.clock.nowMs / 1000) + 120;
    const proof = hs256(basic.apiKey, { alg: 'HS256' }, { iss: basic.clientId, nonce, exp });
    return { ...registerAsk(proof, ''), body };
  };
  /** As from an API without binary media types: invalid bytes have been replaced. */
  const sendText = async (ask: HttpAsk, body: string) => {
    const result = await a.functions.register({ ...toEvent(ask), body, isBase64Encoded: false });
    return [result.statusCode, JSON.parse(result.body).code];
  };

  it('is malformed_request in either profile, so that two users never become one', async () => {
    const before = await platform.items('registry');
    for (const userId of ['\xff', '\xfe', '\xed\xa0\x80']) {
      expect((await a.send(await basicAsk(bytes(userId)))).code).toBe('malformed_request');
      const strict = await prepare(platform, a, signer, bytes(userId));
      expect((await a.send(strict)).code).toBe('malformed_request');
    }
    expect(await platform.items('registry')).toEqual(before);
  });

  it('does not match a fingerprint of the replaced text: a fingerprint covers the original bytes', async () => {
    const strict = await prepare(platform, a, signer, bytes('\xff'));
    expect((await a.send({ ...strict, body: REPLACED })).code).toBe('invalid_proof');
  });

  it('that may have been replaced on the way is refused, unless a fingerprint proves the original bytes', async () => {
    const basicAnswer = await sendText(await basicAsk(REPLACED), REPLACED);
    expect(basicAnswer).toEqual([400, 'malformed_request']);
    expect(platform.log.at(-1)).toMatchObject({ reason: 'body_in_doubt' });
    const strict = await prepare(platform, a, signer, REPLACED);
    expect(await sendText(strict, REPLACED)).toEqual([201, undefined]);
    const altered = await prepare(platform, a, signer, bytes('\xff'));
    expect(await sendText(altered, REPLACED)).toEqual([401, 'invalid_proof']);
  });

  it('differs from a body that really contains U+FFFD', async () => {
    expect((await a.send(await basicAsk(REPLACED))).status).toBe(201);
    const text = '{"user_id":"of-an-api-without-binary-media-types"}';
    expect(await sendText(await basicAsk(text), text)).toEqual([201, undefined]);
  });
});

it('a refusal names every bad field; a missing field has the path it would have', async () => {
  const answer = await refused('{"email":"x","display_name":5,"a/b~c":1}');
  expect(answer.json.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
    '/a~1b~0c',
    '/display_name',
    '/email',
    '/user_id',
  ]);
  expect(answer.json.errors).toContainEqual({ pointer: '/user_id', message: 'is missing' });
  expect(answer.json.errors).toContainEqual({ pointer: '/a~1b~0c', message: 'is not a known member' });
});

describe('an answer that lists bad fields', () => {
  const members = (count: number, name: (i: number) => string) =>
    `{"user_id":"u",${Array.from({ length: count }, (_, i) => `"${name(i)}":1`).join()}}`;

  it('lists twenty at most, and counts the rest', async () => {
    const twenty = await refused(members(20, (i) => `x${i}`));
    expect(twenty.json.errors).toHaveLength(20);
    expect(twenty.json.detail).toBe('The registration does not fit the schema; see errors.');
    const { json } = await refused(members(1_500, (i) => `x${i}`));
    expect(json.errors).toHaveLength(20);
    expect(json.detail).toBe('The registration does not fit the schema; see errors. There are 1480 more.');
  });

  it('lists at most 8 KB as written, and at least one field', async () => {
    const bytes = (errors: object[]) =>
      errors.reduce((sum, error) => sum + Buffer.byteLength(JSON.stringify(error)), 0);
    for (const letter of ['y', '"', '/', 'é', '\u0001']) {
      const written = JSON.stringify(letter.repeat(30)).slice(1, -1);
      const { json } = await refused(members(20, (i) => `${String(i).padStart(560, 'x')}${written}`));
      const { length } = json.errors;
      expect(bytes(json.errors)).toBeLessThanOrEqual(8_192);
      expect(bytes([...json.errors, json.errors[0]])).toBeGreaterThan(8_192);
      expect(json.detail).toContain(`There are ${20 - length} more.`);
    }
    const longest = await refused(members(1, () => 'y'.repeat(16_000)));
    expect(longest.json.errors).toHaveLength(1);
  });
});

it('random bytes cause no 5xx and store nothing, as body and as proof', async () => {
  const headers = { 'Content-Type': 'application/json' };
  await fc.assert(
    fc.asyncProperty(fc.string(), fc.json(), fc.string({ unit: 'binary' }), async (text, json, proof) => {
      for (const body of [text, json]) {
        const signed = await a.send(await prepare(platform, a, signer, body));
        expect([400, 401, 415, 422]).toContain(signed.status);
        const forged = await a.send({
          ...registerAsk('', body),
          headers: { ...headers, Authorization: `JWT ${proof}` },
        });
        expect(forged.status).toBeLessThan(500);
        expect(forged.status).toBeGreaterThanOrEqual(400);
      }
    }),
    { numRuns: 60 },
  );
});
