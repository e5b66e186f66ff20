/** Invites and registration access tokens: their form, and what they are bound to. */
import { describe, expect, it } from 'vitest';
import { deriveApiKey, parseApiKey } from '../../../protocol/api-key.ts';
import {
  type ClientTokenKind,
  deriveClientToken,
  isClientToken,
  parseClientToken,
} from '../../../protocol/oauth/client-token.ts';

const parts = {
  kind: 'invite',
  root: new Uint8Array(32).fill(1),
  salt: new Uint8Array(16).fill(2),
  clientId: 'billing',
  serial: 1,
} as const;

describe('a token', () => {
  it.each<[ClientTokenKind, RegExp]>([
    ['invite', /^csi_billing_1_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/],
    ['registration', /^csr_billing_1_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/],
  ])('of kind %s has the form of an API key, with a prefix of its own', (kind, form) => {
    const text = deriveClientToken({ ...parts, kind });
    expect(text).toMatch(form);
    expect(parseClientToken(text)).toEqual({ kind, clientId: 'billing', serial: 1 });
    expect(parseApiKey(text)).toBeUndefined();
  });

  it('depends on each of its parts, and on its kind', () => {
    const others = [
      { kind: 'registration' as const },
      { root: new Uint8Array(32).fill(9) },
      { salt: new Uint8Array(16).fill(9) },
      { clientId: 'other' },
      { serial: 2 },
    ];
    const secret = (text: string) => text.split('_')[3];
    const texts = [{}, ...others].map((other) => secret(deriveClientToken({ ...parts, ...other })));
    expect(new Set(texts).size).toBe(others.length + 1);
    const text = deriveClientToken(parts);
    expect(isClientToken(text, parts)).toBe(true);
    for (const other of others) expect(isClientToken(text, { ...parts, ...other })).toBe(false);
  });

  it('has another secret than an API key of the same root, salt, client and number', () => {
    const key = deriveApiKey({ ...parts, generation: 1, profile: 'strict' });
    expect(deriveClientToken(parts)).not.toContain(key.split('_')[3]);
  });

  it.each([
    '',
    'csi_billing_1',
    deriveApiKey({ ...parts, generation: 1, profile: 'strict' }),
    `${deriveClientToken(parts)}x`,
    deriveClientToken(parts).replace('csi_', 'csr_'),
    deriveClientToken(parts).replace('_billing_', '_billinh_'),
    deriveClientToken(parts).replace('_1_', '_0_'),
  ])('of another form or with a wrong checksum is none: %s', (text) => {
    expect(parseClientToken(text)).toBeUndefined();
  });
});
