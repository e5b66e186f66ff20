/** Signatures against the specification, and against other implementations. */
import { createHmac, createPublicKey, generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { readKey, readSignatures, sign, signedContent, verifies } from '../../../protocol/webhook.ts';
import { signWebhook, verifyWebhook } from '../../../sdk/typescript/webhooks/index.ts';
import { CREATED, PRIVATE_KEY, PUBLIC_KEY, SECRET } from './events.ts';

const ID = 'msg_p5jXN8AQM9LWM0D4loKWxJek';
const TIMESTAMP_S = 1614265330;
const CONTENT = signedContent(ID, TIMESTAMP_S, Buffer.from('{"test": 2432232314}'));

describe('the vectors', () => {
  it.each([
    // The libraries of the specification test themselves with it.
    [
      'v1',
      'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    ],
    // The specification's own example of v1a.
    [
      'v1a',
      PRIVATE_KEY,
      PUBLIC_KEY,
      'v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==',
    ],
  ])('of %s are what is signed, and verify', async (_, signing, verifying, signature) => {
    expect(await sign(await readKey(signing)!(), CONTENT)).toBe(signature);
    const key = await readKey(verifying)!();
    expect(await verifies(key, CONTENT, readSignatures(signature))).toBe(true);
    expect(await verifies(key, Buffer.concat([CONTENT, Buffer.of(0)]), readSignatures(signature))).toBe(
      false,
    );
  });
});

describe('node:crypto', () => {
  it('makes and accepts the same v1a', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (body) => {
        const { publicKey, privateKey } = generateKeyPairSync('ed25519');
        const { d, x } = privateKey.export({ format: 'jwk' });
        const content = signedContent(ID, TIMESTAMP_S, body);
        const text = await sign(await readKey(`whsk_${base64(d!)}`)!(), content);
        expect(verify(null, content, publicKey, Buffer.from(text.slice('v1a,'.length), 'base64'))).toBe(true);
        const key = await readKey(`whpk_${base64(x!)}`)!();
        expect(await verifies(key, content, readSignatures(text))).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it('makes the same v1', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 24, maxLength: 64 }),
        fc.uint8Array(),
        async (secret, body) => {
          const content = signedContent(ID, TIMESTAMP_S, body);
          const key = await readKey(`whsec_${Buffer.from(secret).toString('base64')}`)!();
          expect(await sign(key, content)).toBe(
            `v1,${createHmac('sha256', secret).update(content).digest('base64')}`,
          );
        },
      ),
    );
  });

  it('reads the same public key', async () => {
    const x = Buffer.from(PUBLIC_KEY.slice('whpk_'.length), 'base64').toString('base64url');
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    const [signature] = readSignatures(await sign(await readKey(PRIVATE_KEY)!(), CONTENT));
    expect(verify(null, CONTENT, key, signature!.bytes)).toBe(true);
  });
});

describe('the standardwebhooks package', () => {
  const library = new Webhook(SECRET);

  it('verifies what signWebhook signs, beside a v1a that it does not know', async () => {
    for (const keys of [SECRET, [PRIVATE_KEY, SECRET]]) {
      const { body, headers } = await signWebhook(CREATED, keys);
      const { id: _, ...event } = CREATED;
      expect(library.verify(body, headers)).toEqual(event);
    }
    const { body, headers } = await signWebhook(CREATED, `whsec_${randomBytes(32).toString('base64')}`);
    expect(() => library.verify(body, headers)).toThrow('No matching signature');
  });

  it('signs what verifyWebhook verifies', async () => {
    const { id, ...event } = CREATED;
    const body = JSON.stringify({ ...event, data: { ...event.data, client_id: 'ünïcode' } });
    const now = new Date();
    const headers = {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
      'webhook-signature': library.sign(id, now, body),
    };
    expect(await verifyWebhook(body, headers, SECRET)).toMatchObject({ id, data: { client_id: 'ünïcode' } });
    await expect(verifyWebhook(`${body} `, headers, SECRET)).rejects.toMatchObject({
      code: 'invalid_webhook',
    });
  });
});

it('a signature counts only for the version that it names', async () => {
  const key = await readKey(SECRET)!();
  const [v1] = readSignatures(await sign(key, CONTENT));
  expect(await verifies(key, CONTENT, [v1!])).toBe(true);
  expect(await verifies(key, CONTENT, [{ ...v1!, version: 'v1a' }])).toBe(false);
});

it('a key has one form', () => {
  const secret = (bytes: number) => `whsec_${Buffer.alloc(bytes, 1).toString('base64')}`;
  expect([23, 24, 64, 65].map((bytes) => readKey(secret(bytes)) !== undefined)).toEqual([
    false,
    true,
    true,
    false,
  ]);
  const spellings = [
    SECRET.slice(0, -1),
    `${SECRET} `,
    SECRET.replace('whsec_', ''),
    SECRET.replace('whsec', 'whsk'),
  ];
  // Spare bits: another text of the same bytes.
  const spare = `whsec_${'A'.repeat(42)}B=`;
  for (const text of [...spellings, spare, 'whpk_AAAA', 'whsk_AAAA', 'whsec_', ''])
    expect(readKey(text), text).toBeUndefined();
});

it('of a header, signatures of another form are left out, and few are looked at', () => {
  const one = `v1,${base64('AAAA')}`;
  expect(readSignatures(`v2,AAAA v1 v1,AA v1,AAAA,x ${one} v1a,AAAA`)).toHaveLength(2);
  expect(readSignatures(Array(100).fill(one).join(' '))).toHaveLength(8);
});

const base64 = (base64url: string) => Buffer.from(base64url, 'base64url').toString('base64');
