/** Which keys sign a callback, and that none is sent which no key signs. */
import { exportJWK, generateKeyPair } from 'jose';
import { expect, it } from 'vitest';
import { createSigner } from '../../../lambda/callbacks/sign.ts';
import type { Keyset, KeysetKey } from '../../../protocol/keyset.ts';
import {
  publicKeyText,
  readKey,
  readSignatures,
  signedContent,
  verifies,
} from '../../../protocol/webhook.ts';
import { newEndpoint } from '../../support/delivery.ts';
import { initialKeyset } from '../../support/keyset.ts';

const T0 = 1_795_430_000_000;
const HOUR_MS = 3_600_000;
const BODY = new Uint8Array([1]);

async function key(): Promise<KeysetKey> {
  const { privateKey } = await generateKeyPair('Ed25519', { extractable: true });
  const jwk = await exportJWK(privateKey);
  return initialKeyset({ alg: 'Ed25519', jwk, maxLifeMs: HOUR_MS }, T0).keys[0]!;
}
const keyset = (keys: readonly KeysetKey[], revoked: readonly string[] = []): Keyset => ({
  ...{ version: 1, seq: 1, based_on: null, fingerprints: [] },
  revoked,
  keys,
});
const roots = initialKeyset(
  {
    ...{ alg: 'HKDF-SHA-256', maxLifeMs: HOUR_MS },
    jwk: { kty: 'oct', k: Buffer.alloc(32, 7).toString('base64url') },
  },
  T0,
);
const endpoint = newEndpoint('ep_a', { rootKid: roots.keys[0]!.kid });
const signWith = (webhook: Keyset, root: Keyset) =>
  createSigner({ webhook: { current: async () => webhook }, roots: { current: async () => root } })(
    endpoint,
    {
      ...{ id: 'evt_1', body: BODY, nowMs: T0 },
    },
  );

it('a key of the platform signs once it is active, and until it retires', async () => {
  const [old, current, next, over] = await Promise.all([key(), key(), key(), key()]);
  const webhook = keyset([
    { ...over!, retires_at: T0 },
    { ...old!, retires_at: T0 + 1 },
    current!,
    { ...next!, activates_at: T0 + 1 },
  ]);
  const { header } = await signWith(webhook, keyset([]));
  const content = signedContent('evt_1', Math.floor(T0 / 1000), BODY);
  const signed = await Promise.all(
    [over!, old!, current!, next!].map(async ({ jwk }) =>
      verifies(await readKey(publicKeyText(jwk))!(), content, readSignatures(header)),
    ),
  );
  expect(signed).toEqual([false, true, true, false]);
});

it('says whether the secret of the endpoint signed', async () => {
  const webhook = keyset([await key()]);
  expect((await signWith(webhook, roots)).bySecret).toBe(true);
  expect((await signWith(webhook, keyset(roots.keys, [roots.keys[0]!.kid]))).bySecret).toBe(false);
  expect((await signWith(keyset([]), roots)).header).toMatch(/^v1,/);
});

it('without any key there is no callback: the turn fails, which has an alarm', async () => {
  const revoked = keyset(roots.keys, [roots.keys[0]!.kid]);
  await expect(signWith(keyset([]), revoked)).rejects.toThrow('no key can sign');
});
