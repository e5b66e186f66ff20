import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, parseJson } from '../../protocol/json.ts';
import { entityTag } from '../../protocol/registration.ts';

const limits = { maxDepth: 32, refuseProto: true };
const parse = (text: string) => parseJson(Buffer.from(text), limits);
const json = fc
  .jsonValue({ maxDepth: 5, stringUnit: 'grapheme' })
  .filter((value) => !JSON.stringify(value).includes('__proto__'));

describe('parseJson', () => {
  it('accepts what JSON.parse accepts, and returns the same value', () => {
    fc.assert(
      fc.property(json, fc.boolean(), (value, spaced) => {
        const text = JSON.stringify(value, null, spaced ? 1 : 0);
        expect(parse(text)).toEqual({ value: JSON.parse(text) });
      }),
    );
  });

  it('refuses a duplicate member, however it is escaped and however deep it is', () => {
    const escaped = (name: string) =>
      [...name].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z":{}[\],\\]{1,8}$/), json, fc.nat(10), (name, value, depth) => {
        const first = JSON.stringify(name);
        for (const second of [first, `"${escaped(name)}"`]) {
          const object = `{${first}:${JSON.stringify(value)},"other ${name.length}":{},${second}:1}`;
          expect(parse(`${'[{"x":'.repeat(depth)}${object}${'}]'.repeat(depth)}`)).toBeUndefined();
        }
      }),
    );
  });

  it('accepts one name in two objects, and a name as a value', () => {
    expect(parse('{"a":{"a":"a"},"b":["a","a",{"a":1},{"a":1}]}')).toBeDefined();
  });

  it('counts depth from the outermost object', () => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const nested = (depth: number) => `${open.repeat(depth)}1${close.repeat(depth)}`;
      expect(parse(nested(32))).toBeDefined();
      expect(parse(nested(33))).toBeUndefined();
    }
  });

  it.each([
    '',
    ' ',
    '\ufeff{}',
    '{"a":1,}',
    "{'a':1}",
    '01',
    'NaN',
    '1e999',
    '-1e999',
    '"\\udc00"',
    '["\\ud800"]',
    '{"\\ud800":1}',
  ])('refuses %j', (text) => {
    expect(parse(text)).toBeUndefined();
  });

  it('refuses bytes that are not UTF-8', () => {
    for (const bytes of [
      [0x22, 0xff, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
      [0x22, 0xc0, 0x80, 0x22],
    ])
      expect(parseJson(Uint8Array.from(bytes), limits)).toBeUndefined();
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void parseJson(bytes, limits)));
    expect(parse('['.repeat(1e6))).toBeUndefined();
  });
});

describe('canonicalJson', () => {
  const shuffled = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(shuffled)
      : typeof value === 'object' && value !== null
        ? Object.fromEntries(
            Object.entries(value)
              .reverse()
              .map(([k, v]) => [k, shuffled(v)]),
          )
        : value;

  it('has one form per value, whatever the order of members, and different forms for different values', () => {
    fc.assert(
      fc.property(json, json, (x, y) => {
        expect(canonicalJson(shuffled(x))).toBe(canonicalJson(x));
        expect(entityTag(x)).toBe(entityTag(shuffled(x)));
        expect(JSON.parse(canonicalJson(x))).toEqual(JSON.parse(JSON.stringify(x)));
        const same =
          canonicalJson(JSON.parse(JSON.stringify(x))) === canonicalJson(JSON.parse(JSON.stringify(y)));
        if (same) expect(JSON.parse(JSON.stringify(x))).toEqual(JSON.parse(JSON.stringify(y)));
      }),
    );
  });
});
