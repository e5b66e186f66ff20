import { expect, it } from 'vitest';
import { limitOf } from '../../bench/limits.ts';

it('a limit has the server, one check of the signature, two nonces and one fingerprint', () => {
  const cost = { bare: 20, HS256: 3, ES256: 70, Ed25519: 90, nonce: 2, fingerprint: 1 };
  expect(limitOf('HS256', cost)).toBe(28);
  expect(limitOf('ES256', cost)).toBe(95);
  expect(limitOf('Ed25519', cost)).toBe(115);
});
