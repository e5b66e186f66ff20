/** What `verifyWebhook` accepts, and what it refuses. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readKey, sign, signedContent } from '../../../protocol/webhook.ts';
import type { SignedWebhook, WebhookKeys } from '../../../sdk/typescript/webhooks/index.ts';
import { signWebhook, verifyWebhook } from '../../../sdk/typescript/webhooks/index.ts';
import { closedUrl } from '../../cli/cli.ts';
import { CREATED, PRIVATE_KEY, PUBLIC_KEY, SECRET } from './events.ts';

const OTHER_SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const INVALID = { name: 'InvalidWebhookError', code: 'invalid_webhook' };

const verify = ({ body, headers }: SignedWebhook, keys: WebhookKeys = SECRET, clientId?: string) =>
  verifyWebhook(body, headers, keys, clientId === undefined ? {} : { clientId });

describe('a signed event', () => {
  it('is returned with its id', async () => {
    expect(await verify(await signWebhook(CREATED, SECRET))).toEqual(CREATED);
  });

  it('may be signed by any of several keys', async () => {
    const both = await signWebhook(CREATED, [OTHER_SECRET, SECRET]);
    expect(await verify(both)).toEqual(CREATED);
    expect(await verify(await signWebhook(CREATED, SECRET), [OTHER_SECRET, SECRET])).toEqual(CREATED);
    expect(await verify(await signWebhook(CREATED, [SECRET, PRIVATE_KEY]), PUBLIC_KEY, 'dev')).toEqual(
      CREATED,
    );
  });

  it('is read from headers in any form, and from bytes', async () => {
    const { body, headers } = await signWebhook(CREATED, SECRET);
    const upper = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]),
    );
    for (const form of [headers, upper, new Headers(headers)])
      expect(await verifyWebhook(Buffer.from(body), form, SECRET)).toEqual(CREATED);
  });

  it.each([
    ['another key', OTHER_SECRET],
    ['the secret under a public key', PUBLIC_KEY],
  ])('by %s is refused', async (_, keys) => {
    await expect(verify(await signWebhook(CREATED, SECRET), keys, 'dev')).rejects.toMatchObject(INVALID);
  });

  it('of which one byte changed is refused, wherever the byte is', async () => {
    const { body, headers } = await signWebhook(CREATED, [SECRET, PRIVATE_KEY]);
    const changes: [string, Record<string, string>][] = [
      [body.replace('dev', 'dew'), headers],
      [`${body} `, headers],
      [body, { ...headers, 'webhook-id': `${CREATED.id}x` }],
      [body, { ...headers, 'webhook-timestamp': String(Number(headers['webhook-timestamp']) + 1) }],
    ];
    for (const [changedBody, changed] of changes)
      for (const keys of [SECRET, PUBLIC_KEY])
        await expect(verifyWebhook(changedBody, changed, keys, { clientId: 'dev' })).rejects.toMatchObject(
          INVALID,
        );
  });

  it('whose bytes are no UTF-8 is refused, and not read with replacements', async () => {
    const text = JSON.stringify({ ...CREATED, data: { ...CREATED.data, id: '?' } });
    const body = Buffer.from(text.replace('"?"', '"\u00ff"'), 'latin1');
    const timestampS = Math.floor(Date.now() / 1000);
    const signature = await sign(await readKey(SECRET)!(), signedContent(CREATED.id, timestampS, body));
    const headers = {
      'webhook-id': CREATED.id,
      'webhook-timestamp': String(timestampS),
      'webhook-signature': signature,
    };
    await expect(verifyWebhook(body, headers, SECRET)).rejects.toThrow('the body is not an event');
  });

  it('whose id has a point is refused: the signed content would be that of another id and time, too', async () => {
    const request = await signWebhook({ ...CREATED, id: 'evt.1' }, SECRET);
    await expect(verify(request)).rejects.toThrow('webhook-id');
  });

  it('is good for five minutes before and after its time, to the second', async () => {
    const sentAtMs = Date.UTC(2026, 10, 23, 12);
    const { body, headers } = await signWebhook(CREATED, SECRET, { sentAtMs });
    const at = (offsetMs: number) =>
      verifyWebhook(body, headers, SECRET, { receivedAtMs: sentAtMs + offsetMs }).then(
        () => true,
        ({ message }) => /five minutes/.test(message) && false,
      );
    expect(await Promise.all([-300_001, -300_000, 300_000, 300_001].map(at))).toEqual([
      false,
      true,
      true,
      false,
    ]);
    // Now, unless it says when.
    await expect(verifyWebhook(body, headers, SECRET)).rejects.toMatchObject(INVALID);
  });
});

it.each([
  ['webhook-id', undefined],
  ['webhook-id', ''],
  ['webhook-timestamp', undefined],
  ['webhook-timestamp', '0x65'],
  ['webhook-timestamp', '-1'],
  ['webhook-timestamp', '1e9'],
  ['webhook-timestamp', '99999999999999999999'],
  ['webhook-signature', undefined],
  ['webhook-signature', 'v1'],
  ['webhook-signature', ''],
])('a request with %s %s is refused', async (name, value) => {
  const { body, headers } = await signWebhook(CREATED, SECRET);
  await expect(verifyWebhook(body, { ...headers, [name]: value }, SECRET)).rejects.toMatchObject(INVALID);
});

it.each([{}, { type: 1 }, { data: null }, { timestamp: undefined }])(
  'a signed body that is no event is refused: %j',
  async (change) => {
    const sent = change && Object.keys(change).length > 0 ? { ...CREATED, ...change } : { id: CREATED.id };
    await expect(verify(await signWebhook(sent as never, SECRET))).rejects.toMatchObject(INVALID);
  },
);

describe('public keys', () => {
  it('are for events of the client that the receiver names', async () => {
    const request = await signWebhook(CREATED, PRIVATE_KEY);
    await expect(verify(request, PUBLIC_KEY)).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('clientId'),
    });
    expect(await verify(request, PUBLIC_KEY, 'dev')).toEqual(CREATED);
    expect(await verify(request, PUBLIC_KEY, '*')).toEqual(CREATED);
    // The client `other` gets its own events, signed with the same key, and could send them on.
    await expect(verify(request, PUBLIC_KEY, 'other')).rejects.toMatchObject(INVALID);
  });

  describe('of a JWKS', () => {
    let keys: object[];
    let fetched: number;
    let server: ReturnType<typeof createServer>;
    let url: string;
    beforeEach(async () => {
      keys = [];
      fetched = 0;
      server = createServer((_, response) => {
        fetched += 1;
        response.end(JSON.stringify({ keys }));
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/.well-known/jwks.json`;
    });
    afterEach(() => {
      vi.useRealTimers();
      server.close();
    });

    const jwk = (text: string, more: object = {}) => ({
      ...{ kty: 'OKP', crv: 'Ed25519', use: 'sig', alg: 'Ed25519' },
      x: Buffer.from(text.replace('whpk_', ''), 'base64').toString('base64url'),
      ...more,
    });
    const token = { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', use: 'sig', alg: 'ES256' };

    it('are fetched once, and again where none of them signed, but not soon after', async () => {
      vi.useFakeTimers({ toFake: ['Date'] });
      keys = [token, jwk(PUBLIC_KEY, { x: 'A'.repeat(43) })];
      const request = async () => verify(await signWebhook(CREATED, PRIVATE_KEY), url, 'dev');
      await expect(request()).rejects.toMatchObject(INVALID);
      // The key was rotated.
      keys = [token, jwk(PUBLIC_KEY)];
      await expect(request()).rejects.toMatchObject(INVALID);
      expect(fetched).toBe(1);
      vi.setSystemTime(Date.now() + 31_000);
      expect(await request()).toEqual(CREATED);
      expect(await request()).toEqual(CREATED);
      expect(fetched).toBe(2);
    });

    it('of another use sign no callback', async () => {
      keys = [jwk(PUBLIC_KEY, { use: 'enc' })];
      await expect(verify(await signWebhook(CREATED, PRIVATE_KEY), url, 'dev')).rejects.toMatchObject(
        INVALID,
      );
    });

    it('are forgotten five minutes after the fetch, as the platform says', async () => {
      vi.useFakeTimers({ toFake: ['Date'] });
      keys = [jwk(PUBLIC_KEY)];
      const request = async () => verify(await signWebhook(CREATED, PRIVATE_KEY), url, 'dev');
      expect(await request()).toEqual(CREATED);
      keys = [];
      vi.setSystemTime(Date.now() + 299_000);
      expect(await request()).toEqual(CREATED);
      vi.setSystemTime(Date.now() + 2_000);
      await expect(request()).rejects.toMatchObject(INVALID);
    });

    it('are not fetched for a request without such a signature', async () => {
      await expect(verify(await signWebhook(CREATED, SECRET), url, 'dev')).rejects.toMatchObject(INVALID);
      expect(fetched).toBe(0);
    });

    it('that cannot be fetched are no reason to accept or to refuse', async () => {
      const gone = `${await closedUrl()}/.well-known/jwks.json`;
      await expect(verify(await signWebhook(CREATED, PRIVATE_KEY), gone, 'dev')).rejects.toMatchObject({
        code: 'connection_failed',
      });
    });
  });
});

it.each([
  undefined,
  '',
  [],
  [''],
  SECRET.slice(0, -3),
  PRIVATE_KEY,
  [SECRET, 'nonsense'],
  5,
  'http://example.com/jwks',
])('refuses wrong keys, and does not quote them: %j', async (keys) => {
  const { body, headers } = await signWebhook(CREATED, SECRET);
  const failure = await verifyWebhook(body, headers, keys as WebhookKeys, { clientId: 'dev' }).catch(
    (e) => e,
  );
  expect(failure).toMatchObject({ code: 'invalid_argument' });
  if (typeof keys === 'string' && keys) expect(failure.message).not.toContain(keys.slice(8));
});

it('refuses an option of another name, and a body that was parsed', async () => {
  const { body, headers } = await signWebhook(CREATED, SECRET);
  const wrong = { client: 'dev' } as never;
  await expect(verifyWebhook(body, headers, SECRET, wrong)).rejects.toMatchObject({
    code: 'invalid_argument',
  });
  await expect(verifyWebhook(JSON.parse(body), headers, SECRET)).rejects.toMatchObject({
    code: 'invalid_argument',
  });
  await expect(signWebhook(CREATED, 'nonsense')).rejects.toMatchObject({ code: 'invalid_argument' });
  await expect(signWebhook(CREATED, PUBLIC_KEY)).rejects.toMatchObject({ code: 'invalid_argument' });
});
