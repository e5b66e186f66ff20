/** A copy of something in a store, in a function that Lambda freezes between two requests. */
import { expect, it } from 'vitest';
import { Copy } from '../../../lambda/request/copy.ts';

const MAX_AGE_MS = 10_000;

function frozen() {
  const clock = { nowMs: 0 };
  const reads: ((value: string | Error) => void)[] = [];
  const copy = new Copy<string>({
    part: 'a part',
    read: () =>
      new Promise((resolve, reject) => {
        reads.push((value) => (value instanceof Error ? reject(value) : resolve(value)));
      }),
    refreshMs: 5_000,
    cooldownMs: 0,
    maxAgeMs: MAX_AGE_MS,
    nowMs: () => clock.nowMs,
    failed: () => {},
  });
  return { clock, reads, copy };
}

/** A copy that was read at 0 s and whose refresh at 6 s is under way at 20 s. */
async function thawed() {
  const { clock, reads, copy } = frozen();
  const first = copy.current();
  reads[0]!('first');
  expect(await first).toBe('first');
  clock.nowMs = 6_000;
  expect(await copy.current()).toBe('first');
  clock.nowMs = 20_000;
  return { reads, copy };
}

it('a refresh that was frozen under way is followed by another one', async () => {
  const { reads, copy } = await thawed();
  const current = copy.current();
  reads[1]!('of 6 s');
  await expect.poll(() => reads).toHaveLength(3);
  reads[2]!('of 20 s');
  expect(await current).toBe('of 20 s');
});

it('one that fails is not repeated: the request waits for one failing read at most', async () => {
  const { reads, copy } = await thawed();
  const current = copy.current();
  reads[1]!(new Error('down'));
  await expect(current).rejects.toThrow('a part unavailable');
  expect(reads).toHaveLength(2);
});
