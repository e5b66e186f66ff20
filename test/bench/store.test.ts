import { expect, it } from 'vitest';
import { memoryDynamodb } from '../../bench/store/memory-dynamodb.ts';
import { condition, update } from '../../local/dynamodb/expressions.ts';
import { storesContract } from '../contract/stores.ts';

storesContract('the stand-in that handlers are measured on', () => memoryDynamodb());

it('the stand-in refuses an expression that it does not know', () => {
  expect(() => condition('size(pk) > :n')).toThrow(SyntaxError);
  expect(() => condition('NOT attribute_exists(pk)')).toThrow(SyntaxError);
  expect(() => update('SET n = m + :one')).toThrow(SyntaxError);
  expect(() => update('DELETE names :some')).toThrow(SyntaxError);
  expect(() => condition('n < :n')({ n: { N: '1' } }, {})).toThrow(SyntaxError);
});
