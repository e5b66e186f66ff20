import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkNonce, deriveNonceKey, mintNonce, readNonce } from '../../protocol/nonce.ts';

const root = new Uint8Array(32).fill(1);
const region = fc.stringMatching(/^[a-z0-9-]{1,15}$/);
const content = fc.record({
  kid: fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
  region,
  issuedMs: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  lifeMs: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
});
const clientId = fc.stringMatching(/^[a-z][a-z0-9-]{2,31}$/);

describe('a nonce', () => {
  it('contains its inputs, in at most 79 characters', () => {
    fc.assert(
      fc.property(content, clientId, (made, client) => {
        const key = deriveNonceKey(root, made.region, 'ledger');
        const text = mintNonce({ ...made, key, clientId: client });
        expect(text.length).toBeLessThanOrEqual(79);
        expect(readNonce(text)).toEqual(made);
        const check = { key, clientId: client, region: made.region, nowMs: made.issuedMs, clockErrorMs: 0 };
        expect(checkNonce(text, check)).toEqual(made);
      }),
    );
  });

  it('is valid from issued − E to issued + life, to the millisecond', () => {
    fc.assert(
      fc.property(content, fc.integer({ min: 0, max: 10_000 }), (made, clockErrorMs) => {
        const key = deriveNonceKey(root, made.region, 'ledger');
        const text = mintNonce({ ...made, key, clientId: 'dev' });
        const at = (nowMs: number) =>
          checkNonce(text, { key, clientId: 'dev', region: made.region, nowMs, clockErrorMs }) !== undefined;
        const { issuedMs, lifeMs } = made;
        expect([at(issuedMs - clockErrorMs), at(issuedMs - clockErrorMs - 1)]).toEqual([true, false]);
        expect([at(issuedMs + lifeMs), at(issuedMs + lifeMs + 1)]).toEqual([true, false]);
      }),
    );
  });

  it('is invalid if any bit is changed, or if it is shortened or extended', () => {
    fc.assert(
      fc.property(content, fc.nat(), (made, position) => {
        const key = deriveNonceKey(root, made.region, 'ledger');
        const text = mintNonce({ ...made, key, clientId: 'dev' });
        const check = { key, clientId: 'dev', region: made.region, nowMs: made.issuedMs, clockErrorMs: 1e15 };
        const bytes = Buffer.from(text, 'base64url');
        const bit = position % (bytes.length * 8);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        expect(checkNonce(bytes.toString('base64url'), check)).toBeUndefined();
        expect(checkNonce(text.slice(0, -1), check)).toBeUndefined();
        for (const more of ['A', '=', ' ', '\n', 'AAAA'])
          expect(checkNonce(text + more, check)).toBeUndefined();
      }),
    );
  });

  it('is invalid for another client, Region, or ledger', () => {
    fc.assert(
      fc.property(content, region, clientId, (made, otherRegion, otherClient) => {
        fc.pre(otherRegion !== made.region && otherClient !== 'dev');
        const key = deriveNonceKey(root, made.region, 'ledger');
        const text = mintNonce({ ...made, key, clientId: 'dev' });
        const check = { key, clientId: 'dev', region: made.region, nowMs: made.issuedMs, clockErrorMs: 0 };
        expect(checkNonce(text, { ...check, clientId: otherClient })).toBeUndefined();
        expect(checkNonce(text, { ...check, region: otherRegion })).toBeUndefined();
        expect(
          checkNonce(text, { ...check, key: deriveNonceKey(root, otherRegion, 'ledger') }),
        ).toBeUndefined();
        expect(
          checkNonce(text, { ...check, key: deriveNonceKey(root, made.region, 'ledger-2') }),
        ).toBeUndefined();
      }),
    );
  });

  it('is invalid with a Region of more than 15 bytes, whatever else it contains', () => {
    const key = deriveNonceKey(root, 'r', 'ledger');
    const check = { key, clientId: `c${'-'.repeat(31)}`, region: 'r', nowMs: 0, clockErrorMs: 0 };
    for (let length = 16; length <= 255; length++) {
      const text = Buffer.concat([
        Buffer.from([1, 0, 0, 0, 0, length]),
        Buffer.alloc(length, 'r'),
        Buffer.alloc(6 + 4 + 12 + 16),
      ]).toString('base64url');
      expect([length, readNonce(text), checkNonce(text, check)]).toEqual([length, undefined, undefined]);
    }
  });

  it('never throws, whatever the input', () => {
    const check = {
      key: deriveNonceKey(root, 'r', 'l'),
      clientId: 'dev',
      region: 'r',
      nowMs: 0,
      clockErrorMs: 0,
    };
    fc.assert(fc.property(fc.anything(), (text) => checkNonce(text, check) === undefined));
  });

  it('cannot be made if a part is too long', () => {
    const made = {
      kid: 'AAAAAA',
      region: 'r',
      issuedMs: 0,
      lifeMs: 0,
      key: deriveNonceKey(root, 'r', 'l'),
      clientId: 'dev',
    };
    expect(() => mintNonce({ ...made, region: 'x'.repeat(16) })).toThrow(RangeError);
    expect(() => mintNonce({ ...made, kid: 'AAAA' })).toThrow(RangeError);
    expect(() => mintNonce({ ...made, lifeMs: 2 ** 32 })).toThrow(RangeError);
  });
});
