/** A strict key in a request raises the alarm, on any route and in any encoding. */
import type { APIGatewayProxyEvent } from 'aws-lambda';
import { beforeEach, describe, expect, it } from 'vitest';
import { ROUTES } from '../../../lambda/contract/routes.ts';
import type { RoutedRequest } from '../../../lambda/http/event.ts';
import { exposedKey } from '../../../lambda/http/exposed-key.ts';
import { type HttpAsk, regionsForFile } from '../../support/regions.ts';
import { b64, makeBasicClient, makeClient, prepare, read } from '../../support/signer.ts';

const { platform, a } = await regionsForFile();
const strict = await makeClient(platform);
const basic = await makeBasicClient(platform);
beforeEach(() => {
  platform.log.length = 0;
});

const ID = 'i'.repeat(43);
const nonce = (query: string, headers: HttpAsk['headers'] = {}): HttpAsk => ({
  method: 'GET',
  path: `/v1/nonce${query}`,
  headers,
});
const authorized = (value: string): HttpAsk => nonce('?client_id=dev', { Authorization: value });
const posted = (body: string): HttpAsk => ({
  method: 'POST',
  path: '/v1/register',
  headers: { 'Content-Type': 'application/json' },
  body,
});
const escaped = (value: object) => JSON.stringify(value).replaceAll('_', '\\u005f');
const jwt = (claims: unknown) => `${b64({ alg: 'HS256' })}.${b64(claims)}.AA`;
const base64 = (text: string) => Buffer.from(text).toString('base64');

/** @returns the request's only log line */
async function lineOf(ask: HttpAsk) {
  await a.send(ask);
  expect(platform.log).toHaveLength(1);
  return platform.log[0]!;
}

async function expectAlarm(ask: HttpAsk, key = strict.apiKey): Promise<void> {
  const line = await lineOf(ask);
  expect(line).toMatchObject({ level: 'WARN', exposed_key: `${strict.clientId}/1` });
  const [, , , secret] = key.split('_');
  expect(JSON.stringify(line)).not.toContain(secret);
}

describe('a strict key raises the alarm once, and is not logged', () => {
  it.each<[string, (key: string) => HttpAsk]>([
    ['as Bearer', (key) => authorized(`Bearer ${key}`)],
    ['as bearer', (key) => authorized(`bearer ${key}`)],
    ['after a tab', (key) => authorized(`Bearer\t${key}`)],
    ['after no scheme', (key) => authorized(key)],
    ['after another scheme', (key) => authorized(`JWT ${key}`)],
    ['in quotes', (key) => authorized(`Token token="${key}"`)],
    ['as a user of Basic', (key) => authorized(`Basic ${base64(`${key}:`)}`)],
    ['as a password of basic', (key) => authorized(`basic  ${base64(`me:${key}`)}`)],
    ['beside a proof', (key) => nonce('?client_id=dev', { Authorization: ['JWT a.b.c', `Bearer ${key}`] })],
    ['in lower case of the name', (key) => nonce('?client_id=dev', { authorization: `Bearer ${key}` })],
    ['in another header', (key) => nonce('?client_id=dev', { 'X-Api-Key': key })],
    ['as a cookie', (key) => nonce('?client_id=dev', { Cookie: `session=1; key=${key}; x=y` })],
    ['as client_id', (key) => nonce(`?client_id=${key}`)],
    ['in the query', (key) => nonce(`?client_id=dev&api_key=${key}`)],
    ['as the query', (key) => nonce(`?${key}`)],
    ['with an underscore encoded', (key) => nonce(`?api_key=${key.replaceAll('_', '%5F')}`)],
    ['in the path', (key) => ({ method: 'GET', path: `/v1/registrations/${key}` })],
    ['encoded twice in the query', (key) => nonce(`?api_key=${key.replaceAll('_', '%255F')}`)],
    ['encoded twice in a cookie', (key) => nonce('?client_id=dev', { Cookie: key.replaceAll('_', '%255F') })],
    [
      'encoded in a cookie',
      (key) => nonce('?client_id=dev', { Cookie: `key=${key.replaceAll('_', '%5f')}` }),
    ],
    [
      'in Basic for a proxy',
      (key) => nonce('?client_id=dev', { 'Proxy-Authorization': `Basic ${base64(`${key}:`)}` }),
    ],
    [
      'as the kid of a JWT',
      (key) => authorized(`JWT ${b64({ alg: 'HS256', kid: key })}.${b64({ iss: 'x' })}.AA`),
    ],
    ['as the iss of a JWT', (key) => authorized(`Bearer ${b64({ alg: 'HS256' })}.${b64({ iss: key })}.AA`)],
    ['as the name of a header', (key) => nonce('?client_id=dev', { [key]: 'x' })],
    ['escaped in a body', (key) => posted(JSON.stringify({ key }).replaceAll('_', '\\u005f'))],
    ['in a form', (key) => posted(`api_key=${key.replaceAll('_', '%5F')}&x=y`)],
    ['in a JWT in a body', (key) => posted(JSON.stringify({ token: jwt({ iss: key }) }))],
    ['in a JWT that is the body', (key) => posted(jwt({ iss: key }))],
    ['in a JWT in a form', (key) => posted(`client_assertion=${jwt({ iss: key })}&x=y`)],
    [
      'in a JWT in a cookie',
      (key) => nonce('?client_id=dev', { Cookie: `session=${jwt({ iss: key })}; x=y` }),
    ],
    ['in a JWT in the query', (key) => nonce(`?client_id=dev&t=${jwt({ iss: key })}`)],
    ['in a JWT in quotes', (key) => authorized(`Token token="${jwt({ iss: key })}"`)],
    ['in a JWT before another word', (key) => authorized(`Bearer ${jwt({ iss: key })} x`)],
    ['in a JWT after another one', (key) => authorized(`JWT a.b.c, Bearer ${jwt({ iss: key })}`)],
    ['escaped in a JWT', (key) => authorized(`Bearer ${jwt(escaped({ iss: key }))}`)],
    ['in the header of a JWE', (key) => authorized(`Bearer ${b64({ alg: 'dir', kid: key })}.a.b.c.d`)],
    ['in Basic in a body', (key) => posted(JSON.stringify({ authorization: `Basic ${base64(`${key}:`)}` }))],
    ['in Basic in the query', (key) => nonce(`?auth=${encodeURIComponent(`Basic ${base64(`${key}:`)}`)}`)],
    ['encoded in Basic', (key) => authorized(`Basic ${base64(`${key.replaceAll('_', '%5F')}:`)}`)],
    ['in base64', (key) => nonce('?client_id=dev', { 'X-Api-Key': base64(key) })],
    ['in base64 as Bearer', (key) => authorized(`Bearer ${base64(key)}`)],
    ['in base64 in lines', (key) => posted(base64(`${'x'.repeat(50)} ${key}`).replace(/.{76}/g, '$&\r\n'))],
    [
      'in base64 in indented lines',
      (key) => posted(base64(`${'x'.repeat(50)} ${key}`).replace(/.{76}/g, '$&\r\n \t')),
    ],
    [
      'in base64 in indented lines in JSON',
      (key) => posted(JSON.stringify({ text: base64(`key: ${key}`).replace(/.{76}/g, '$&\n \t') })),
    ],
    [
      'in base64 in lines in JSON',
      (key) => posted(JSON.stringify({ text: base64(`key: ${key}`).replace(/.{76}/g, '$&\n') })),
    ],
    [
      'in base64 with escaped slashes in JSON',
      (key) => posted(`{"text":"${base64(`???${key}`).replaceAll('/', '\\/')}"}`),
    ],
    ['in base64 in base64', (key) => authorized(`Bearer ${base64(`Basic ${base64(key)}`)}`)],
    ['escaped in JSON in JSON', (key) => posted(JSON.stringify({ text: escaped({ key }) }))],
    ['encoded in JSON in a form', (key) => posted(`json=${escaped({ key }).replaceAll('\\', '%5C')}`)],
    [
      'encoded three times in a cookie',
      (key) => nonce('?client_id=dev', { Cookie: key.replaceAll('_', '%25255F') }),
    ],
    ['as the password of a name with other letters', (key) => authorized(`Basic ${base64(`ÿÿ:${key}`)}`)],
    [
      'escaped in a body that is too long',
      (key) => posted(escaped({ text: 'x'.repeat(17_000), key, more: 'x'.repeat(80_000) })),
    ],
    [
      'at the end of a body that is far too long',
      (key) => posted(JSON.stringify({ text: 'x'.repeat(80_000), key })),
    ],
    ['twice', (key) => nonce(`?api_key=${key}`, { Authorization: `Bearer ${key}` })],
    ['after one that is none', (key) => authorized(`csk_dev_1_${'0'.repeat(43)}_000000 ${key}`)],
  ])('%s', (_, ask) => expectAlarm(ask(strict.apiKey)));

  it.each(ROUTES.flatMap(({ resource, methods }) => methods.map((method) => [method, resource] as const)))(
    'at %s %s',
    async (method, resource) => {
      const path = resource.replace('{id}', ID);
      await expectAlarm({ method, path, headers: { Authorization: `Bearer ${strict.apiKey}` } });
    },
  );

  it.each([
    ['backslashes', '\\'],
    ['percent signs', '%25'],
    ['prefixes of keys', 'csk_'],
    ['escapes', '\\u00'],
    ['line breaks', '\r\n'],
    ['escaped line breaks', '\\n\\t'],
    ['indented lines', '\n\t'],
  ])('the search takes time in proportion to a text of %s', (_, unit) => {
    const search = (bytes: number) => {
      const body = Buffer.from(unit.repeat(bytes / unit.length), 'latin1');
      const ask = { headers: new Map(), query: new Map(), body } as unknown as RoutedRequest;
      const times = Array.from({ length: 5 }, () => {
        const startMs = performance.now();
        exposedKey({ pathParameters: null, multiValueHeaders: {} } as APIGatewayProxyEvent, ask);
        return performance.now() - startMs;
      });
      return times.sort((a, b) => a - b)[2]!;
    };
    search(1_024);
    // 16 times the text. In proportion to its square, it would be 256 times the work.
    expect(search(16_384) / search(1_024)).toBeLessThan(100);
  });

  it('in a body', async () => {
    const ask = await prepare(platform, a, strict, { user_id: 'u', attributes: { key: strict.apiKey } });
    platform.log.length = 0;
    await expectAlarm(ask);
  });
});

describe('no alarm is raised by', () => {
  const noAlarm = async (ask: HttpAsk) =>
    expect(await lineOf(ask)).not.toHaveProperty('exposed_key', expect.anything());

  it('a basic key, which may travel', () => noAlarm(nonce('', { Authorization: `Bearer ${basic.apiKey}` })));

  it('text that only resembles a key', async () => {
    const flipped = strict.apiKey.slice(0, -1) + (strict.apiKey.endsWith('0') ? '1' : '0');
    await noAlarm(nonce('?client_id=dev', { 'X-Api-Key': flipped }));
  });

  it('registering and reading', async () => {
    const ask = await prepare(platform, a, strict, { user_id: 'quiet' });
    platform.log.length = 0;
    await noAlarm(ask);
    platform.log.length = 0;
    await read(platform, a, strict, ID);
    expect(platform.log[0]).not.toHaveProperty('exposed_key', expect.anything());
  });
});
