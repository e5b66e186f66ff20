/** Signatures of callbacks, against node:crypto as a second implementation. */
import { createHmac, createPublicKey, hkdfSync, verify as nodeVerify } from 'node:crypto';
import { exportJWK, generateKeyPair } from 'jose';
import { expect, test } from 'vitest';
import { deriveEndpointSecret } from '../../protocol/endpoint-secret.ts';
import {
  publicKeyText,
  readKey,
  readPrivateJwk,
  readSignatures,
  sign,
  signedContent,
  verifies,
} from '../../protocol/webhook.ts';

const root = Buffer.alloc(32, 7);
const salt = Buffer.alloc(16, 9);
const body = new TextEncoder().encode('{"type":"registration.created"}');
const content = signedContent('evt_1', 1_764_300_000, body);
const keyPair = async () => exportJWK((await generateKeyPair('Ed25519', { extractable: true })).privateKey);

test('what is signed is the id, the time and the body, joined by full stops', () => {
  expect(Buffer.from(content).toString()).toBe('evt_1.1764300000.{"type":"registration.created"}');
});

test("an endpoint's secret follows from the root, the salt and the id, and has the standard form", async () => {
  const secret = deriveEndpointSecret({ root, salt, endpointId: 'ep_a' });
  const label = 'countersign/webhook-secret/v1';
  const info = Buffer.from(`\0${String.fromCharCode(label.length)}${label}\0\x04ep_a`, 'latin1');
  const bytes = Buffer.from(hkdfSync('sha256', root, salt, info, 32));
  expect(secret).toBe(`whsec_${bytes.toString('base64')}`);
  for (const other of [{ endpointId: 'ep_b' }, { salt: Buffer.alloc(16) }, { root: Buffer.alloc(32) }])
    expect(deriveEndpointSecret({ root, salt, endpointId: 'ep_a', ...other })).not.toBe(secret);
  const signature = await sign(await readKey(secret)!(), content);
  expect(signature).toBe(`v1,${createHmac('sha256', bytes).update(content).digest('base64')}`);
});

test('a signature by a private key is verified with the public half, as text and by node:crypto', async () => {
  const jwk = await keyPair();
  const signature = await sign(await readPrivateJwk(jwk), content);
  const [{ version, bytes } = { version: '', bytes: new Uint8Array() }] = readSignatures(signature);
  expect(version).toBe('v1a');
  const { d: _, ...publicHalf } = jwk;
  const key = createPublicKey({ key: publicHalf as never, format: 'jwk' });
  expect(nodeVerify(null, content, key, bytes)).toBe(true);
  const own = await readKey(publicKeyText(jwk))!();
  expect(await verifies(own, content, readSignatures(signature))).toBe(true);
  const other = await readKey(publicKeyText(await keyPair()))!();
  expect(await verifies(other, content, readSignatures(signature))).toBe(false);
  const changed = signedContent('evt_1', 1_764_300_001, body);
  expect(await verifies(own, changed, readSignatures(signature))).toBe(false);
});

test.each(['', 'v2,AAAA', 'v1,AA=A', 'v1,AAAA,AAAA', 'v1,AAA'])(
  'the header %j has no signature',
  (header) => {
    expect(readSignatures(header)).toEqual([]);
  },
);

test.each([
  'whsec_',
  `whsec_${Buffer.alloc(23).toString('base64')}`,
  `whpk_${Buffer.alloc(31).toString('base64')}`,
])('%j is no key', (text) => {
  expect(readKey(text)).toBeUndefined();
});
