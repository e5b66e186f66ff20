/** Ids and cursors of events. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cursorText, eventId, readCursor, readVersion, versionByTime } from '../../protocol/event.ts';

it("an id is a hash of the record's key and its version, each with its length", () => {
  const lp = (text: string) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(Buffer.byteLength(text));
    return Buffer.concat([length, Buffer.from(text)]);
  };
  const bytes = Buffer.concat(['countersign/event/v1', 'shop#abc', 'eu-west-1.5.x'].map(lp));
  const expected = `evt_${createHash('sha256').update(bytes).digest('base64url')}`;
  expect(eventId(['shop#abc'], 'eu-west-1.5.x')).toBe(expected);
  expect(eventId(['shop', '#abc'], 'eu-west-1.5.x')).not.toBe(expected);
});

it('a cursor is read as it was written, and no other text is one', () => {
  const cursor = fc.record({
    region: fc.stringMatching(/^[a-z][a-z0-9-]{0,14}$/),
    seq: fc.maxSafeNat(),
    atMs: fc.nat(2 ** 48 - 1),
  });
  fc.assert(
    fc.property(cursor, (each) => {
      const text = cursorText(each);
      expect(text).toMatch(/^[A-Za-z0-9_-]{1,40}$/);
      expect(readCursor(text)).toEqual(each);
    }),
  );
  fc.assert(
    fc.property(fc.base64String(), (text) => {
      const read = readCursor(text);
      if (read) expect(cursorText(read)).toBe(text);
    }),
  );
  const twice = Buffer.from(cursorText({ region: 'a', seq: 1, atMs: 1 }), 'base64url');
  twice[15]! |= 0x80;
  expect(readCursor(twice.toString('base64url'))).toBeUndefined();
  const big = Buffer.from(cursorText({ region: 'a', seq: 1, atMs: 1 }), 'base64url');
  big.fill(0xff, 1, 9);
  expect(readCursor(big.toString('base64url'))).toBeUndefined();
});

it('a version names its Region and its time', () => {
  expect(readVersion('eu-west-1.17.a_-b')).toEqual({ region: 'eu-west-1', atMs: 17 });
  expect(readVersion(versionByTime(17, 'deleted'))).toEqual({ region: '', atMs: 17 });
  expect(() => readVersion('yesterday')).toThrow('another form');
});
