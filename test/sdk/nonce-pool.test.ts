import { expect, test } from 'vitest';
import { NoncePool } from '../../sdk/typescript/nonce-pool.ts';

/** A pool over a Region that gives numbers, at most `most` at once, and how many it was asked for each time. */
function pool({ most = 100, nowMs = (): number => 0 } = {}) {
  const asked: number[] = [];
  let next = 0;
  const fetch = async (count: number) => {
    asked.push(count);
    return Array.from({ length: Math.min(count, most) }, () => `${next++}`);
  };
  return { asked, pool: new NoncePool(fetch, nowMs) };
}

test('those who ask together share one request, and no two get the same nonce', async () => {
  const { asked, pool: nonces } = pool();
  const taken = await Promise.all(Array.from({ length: 7 }, () => nonces.take([])));
  expect(asked).toEqual([7]);
  expect(new Set(taken).size).toBe(7);
});

test('those who got none are asked for again', async () => {
  const { asked, pool: nonces } = pool({ most: 2 });
  const taken = await Promise.all(Array.from({ length: 5 }, () => nonces.take([])));
  expect(new Set(taken).size).toBe(5);
  expect(asked).toEqual([5, 3, 1]);
});

test('a nonce that an answer brings goes to whoever waits longest', async () => {
  const { asked, pool: nonces } = pool();
  const waiting = [nonces.take([]), nonces.take([])];
  nonces.put('brought');
  expect(await waiting[0]).toBe('brought');
  expect(await waiting[1]).toBe('0');
  expect(asked).toEqual([1]);
});

test('a request that fails fails for those it was made for', async () => {
  const nonces = new NoncePool(
    async () => Promise.reject(new Error('down')),
    () => 0,
  );
  const outcomes = await Promise.allSettled([nonces.take([]), nonces.take([])]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
});

test('whoever leaves takes no nonce along', async () => {
  const { pool: nonces } = pool();
  const controller = new AbortController();
  const leaving = nonces.take([controller.signal]);
  controller.abort(new Error('enough'));
  await expect(leaving).rejects.toThrow('enough');
  nonces.put('brought');
  expect(await nonces.take([])).toBe('brought');
});

test('a nonce is good for five seconds, the newest goes first, and clearing drops all', async () => {
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

test('a nonce is no younger for a clock that was set back', async () => {
  let nowMs = 0;
  const { pool: nonces } = pool({ nowMs: () => nowMs });
  nonces.put('old');
  nowMs -= 86_400_000;
  expect(await nonces.take([])).toBe('0');
});
