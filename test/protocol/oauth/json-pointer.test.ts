/** JSON Pointers into claims (RFC 6901). */
import { expect, test } from 'vitest';
import { valueAt } from '../../../protocol/oauth/json-pointer.ts';

/** RFC 6901 §5. */
const DOCUMENT = {
  foo: ['bar', 'baz'],
  '': 0,
  'a/b': 1,
  'c%d': 2,
  'e^f': 3,
  'g|h': 4,
  'i\\j': 5,
  'k"l': 6,
  ' ': 7,
  'm~n': 8,
  'o~1p': 9,
};

test.each<[string, unknown]>([
  ['/foo', ['bar', 'baz']],
  ['/foo/0', 'bar'],
  ['/', 0],
  ['/a~1b', 1],
  ['/c%d', 2],
  ['/e^f', 3],
  ['/g|h', 4],
  ['/i\\j', 5],
  ['/k"l', 6],
  ['/ ', 7],
  ['/m~0n', 8],
  ['/o~01p', 9],
])('%s', (pointer, value) => {
  expect(valueAt(DOCUMENT, pointer)).toEqual(value);
});

test.each([
  '',
  'foo',
  '/nothing',
  '/foo/2',
  '/foo/00',
  '/foo/-',
  '/foo/length',
  '/foo/0/0',
  '/m~n',
  '/m~2n',
  '/__proto__',
  '/toString',
  '/constructor/name',
])('%s points at nothing', (pointer) => {
  expect(valueAt(DOCUMENT, pointer)).toBeUndefined();
});
