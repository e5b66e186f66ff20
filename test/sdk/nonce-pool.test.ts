import { expect, test } from 'vitest';
import { NoncePool } from '../../sdk/typescript/nonce-pool.ts';

/**
 * A pool over a Region that returns numbers, at most `most` at once. It records the count of each request.
 */
function pool({ most = 100, nowMs = (): number => 0 } = {}) {
  const asked: number[] = [];
  let next = 0;
  const fetch = async (count: number) => {
    asked.push(count);
    return Array.from({ length: Math.min(count, most) }, () => `${next++}`);
  };
  return { asked, pool: new NoncePool(fetch, nowMs) };
}

test('concurrent callers share one request, and no two get the same nonce', async () => {
  const { asked, pool: nonces } = pool();
  const taken = await Promise.all(Array.from({ length: 7 }, () => nonces.take([])));
  expect(asked).toEqual([7]);
  expect(new Set(taken).size).toBe(7);
});

test('callers who got none cause another request', async () => {
  const { asked, pool: nonces } = pool({ most: 2 });
  const taken = await Promise.all(Array.from({ length: 5 }, () => nonces.take([])));
  expect(new Set(taken).size).toBe(5);
  expect(asked).toEqual([5, 3, 1]);
});

test('a nonce from an answer goes to the caller who has waited longest', async () => {
  const { asked, pool: nonces } = pool();
  const waiting = [nonces.take([]), nonces.take([])];
  nonces.put('brought');
  expect(await waiting[0]).toBe('brought');
  expect(await waiting[1]).toBe('0');
  expect(asked).toEqual([1]);
});

test('a request that fails, fails only for the callers it was made for', async () => {
  const nonces = new NoncePool(
    async () => Promise.reject(new Error('down')),
    () => 0,
  );
  const outcomes = await Promise.allSettled([nonces.take([]), nonces.take([])]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
});

test('a caller who aborts takes no nonce along', async () => {
  const { pool: nonces } = pool();
  const controller = new AbortController();
  const leaving = nonces.take([controller.signal]);
  controller.abort(new Error('enough'));
  await expect(leaving).rejects.toThrow('enough');
  nonces.put('brought');
  expect(await nonces.take([])).toBe('brought');
});

test('a nonce is good for five seconds, the newest is used first, and clearing drops all', async () => {
  let nowMs = 0;
  const { asked, pool: nonces } = pool({ nowMs: () => nowMs });
  nonces.put('old');
  nowMs = 1;
  nonces.put('newer');
  nowMs = 4_999;
  expect(await nonces.take([])).toBe('newer');
  nowMs = 5_000;
  expect(await nonces.take([])).toBe('0');
  nonces.put('cleared');
  nonces.clear();
  expect(await nonces.take([])).toBe('1');
  expect(asked).toEqual([1, 1]);
});

test('a clock that is set back does not make a nonce younger', async () => {
  let nowMs = 0;
  const { pool: nonces } = pool({ nowMs: () => nowMs });
  nonces.put('old');
  nowMs -= 86_400_000;
  expect(await nonces.take([])).toBe('0');
});
