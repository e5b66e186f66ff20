import { expect, test } from 'vitest';
import { readResult } from '../../../local/gateway/result.ts';

test('single and multi-value headers become one list; a pair in both appears once', () => {
  const result = readResult({
    statusCode: 200,
    headers: { A: '1', B: 'single', 'Content-Type': 'text/plain' },
    multiValueHeaders: { a: ['1', '2'], B: ['many'] },
    body: '',
  });
  expect(result?.headers).toEqual([
    ['B', 'single'],
    ['Content-Type', 'text/plain'],
    ['a', '1'],
    ['a', '2'],
    ['B', 'many'],
  ]);
});

test.each(['WWW-Authenticate', 'Authorization', 'Server', 'Date', 'Connection', 'User-Agent'])(
  '%s is renamed',
  (name) => {
    const headers = readResult({ statusCode: 401, headers: { [name]: 'x' }, body: '' })?.headers;
    expect(headers).toContainEqual([`x-amzn-Remapped-${name}`, 'x']);
    expect(headers?.map(([sent]) => sent)).not.toContain(name);
  },
);

test('an answer without Content-Type gets application/json', () => {
  expect(readResult({ statusCode: 200, body: '{}' })?.headers).toEqual([
    ['Content-Type', 'application/json'],
  ]);
});

test('a Base64 body is decoded', () => {
  expect(readResult({ statusCode: 200, body: 'AP8=', isBase64Encoded: true })?.body).toEqual(
    Buffer.from([0, 255]),
  );
});

test.each([
  ['nothing', undefined],
  ['text', 'ok'],
  ['no status', { body: '' }],
  ['a status that is none', { statusCode: 'fine', body: '' }],
  ['a body that is no text', { statusCode: 200, body: { ok: true } }],
  ['headers that are no object', { statusCode: 200, headers: 'a: 1', body: '' }],
  ['a header that is an object', { statusCode: 200, headers: { a: {} }, body: '' }],
  ['multi-value headers without lists', { statusCode: 200, multiValueHeaders: { a: '1' }, body: '' }],
])('a result that is %s is malformed', (_, result) => {
  expect(readResult(result)).toBeUndefined();
});
