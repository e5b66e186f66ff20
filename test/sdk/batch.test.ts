import { expect, test } from 'vitest';
import {
  AbortedError,
  type BatchResult,
  InvalidArgumentError,
  type User,
} from '../../sdk/typescript/index.ts';
import { FakePlatform } from './fake-platform.ts';

const users = (count: number) => Array.from({ length: count }, (_, i) => ({ user_id: `user-${i}` }));

async function collect<T>(results: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const result of results) all.push(result);
  return all;
}

test.each([1, 8, 40])(
  'with %i at a time a batch takes one round trip for each registration after the first',
  async (concurrency) => {
    const platform = new FakePlatform();
    const results = await collect(platform.client().registerBatch(users(200), { concurrency }));
    expect(results.filter(({ ok }) => ok)).toHaveLength(200);
    expect(results.map(({ index }) => index).sort((a, b) => a - b)).toEqual(users(200).map((_, i) => i));
    const others = platform.log.filter((line) => !line.startsWith('POST'));
    expect(others).toEqual(['GET entry/.well-known/countersign', 'GET a/v1/nonce']);
    expect(platform.log).toHaveLength(200 + others.length);
    expect(platform.seen[1]!.query.get('count')).toBe(concurrency === 1 ? null : `${concurrency}`);
  },
);

test('if a Region returns fewer nonces at once, the client requests more', async () => {
  const platform = new FakePlatform();
  platform.maxNonceCount = 10;
  const results = await collect(platform.client().registerBatch(users(50), { concurrency: 25 }));
  expect(results.every(({ ok }) => ok)).toBe(true);
});

test('a failure is an ordinary result with its user, and progress counts both', async () => {
  const platform = new FakePlatform();
  const progress: object[] = [];
  const source = [{ user_id: 'a' }, { user_id: 7 }, null, { user_id: 'b' }] as User[];
  const results = await collect(
    platform.client().registerBatch(source, { concurrency: 1, onProgress: (now) => progress.push(now) }),
  );
  expect(results.map(({ ok, index }) => [index, ok])).toEqual([
    [0, true],
    [1, false],
    [2, false],
    [3, true],
  ]);
  expect(results[1]).toMatchObject({ user: { user_id: 7 }, error: { code: 'invalid_registration' } });
  expect(results[2]).toMatchObject({ user: null, error: { code: 'invalid_argument' } });
  expect(progress.at(-1)).toEqual({ registered: 2, failed: 2 });
  expect(progress).toHaveLength(4);
});

test('the number of requests under way is bounded, and the source is not read further ahead', async () => {
  const platform = new FakePlatform();
  let underWay = 0;
  let most = 0;
  platform.fault = ({ method }) => {
    if (method === 'POST') most = Math.max(most, ++underWay);
    return undefined;
  };
  let read = 0;
  async function* source() {
    for (;;) yield { user_id: `${read++}` };
  }
  let taken = 0;
  for await (const { ok } of platform.client().registerBatch(source(), { concurrency: 5 })) {
    expect(ok).toBe(true);
    underWay -= 1;
    taken += 1;
    // The results taken, five under way or waiting to be taken, and one that the reader holds.
    expect(read).toBeLessThanOrEqual(taken + 6);
    if (taken === 100) break;
  }
  expect(most).toBe(5);
});

test('a reader that takes no results stops the batch', async () => {
  const platform = new FakePlatform();
  let read = 0;
  function* source() {
    for (;;) yield { user_id: `${read++}` };
  }
  const batch = platform.client().registerBatch(source(), { concurrency: 3 });
  await batch.next();
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  while (platform.log.filter((line) => line.startsWith('POST')).length < 4) await turn();
  for (let i = 0; i < 200; i++) await turn();
  expect(read).toBe(4);
  await batch.return();
});

test('leaving the loop ends requests under way and closes the source', async () => {
  const platform = new FakePlatform();
  const aborted: boolean[] = [];
  platform.fault = ({ method, body, signal }) => {
    if (method !== 'POST' || Buffer.from(body).includes('user-0')) return undefined;
    signal.addEventListener('abort', () => aborted.push(true));
    return 'hang';
  };
  let closed = false;
  function* source() {
    try {
      yield* users(100);
    } finally {
      closed = true;
    }
  }
  for await (const { index } of platform.client().registerBatch(source(), { concurrency: 4 })) {
    expect(index).toBe(0);
    break;
  }
  expect(closed).toBe(true);
  const posts = platform.log.filter((line) => line.startsWith('POST')).length;
  expect(aborted).toHaveLength(posts - 1);
  expect(posts).toBeLessThanOrEqual(5);
});

test('leaving the loop does not wait for a source that yields nothing', async () => {
  const platform = new FakePlatform();
  async function* source() {
    yield { user_id: 'only' };
    await new Promise(() => {});
  }
  for await (const { ok } of platform.client().registerBatch(source())) {
    expect(ok).toBe(true);
    break;
  }
});

test("a signal ends a batch: each user already started has a result, then the signal's reason is thrown", async () => {
  const platform = new FakePlatform();
  const controller = new AbortController();
  const reason = new Error('enough');
  let posts = 0;
  platform.fault = ({ method }) => {
    if (method !== 'POST') return undefined;
    posts += 1;
    if (posts === 10) queueMicrotask(() => controller.abort(reason));
    return posts > 6 ? 'hang' : undefined;
  };
  const results: BatchResult<{ user_id: string }>[] = [];
  const run = async () => {
    for await (const result of platform
      .client()
      .registerBatch(users(100), { concurrency: 4, signal: controller.signal }))
      results.push(result);
  };
  await expect(run()).rejects.toBe(reason);
  expect(results.filter(({ ok }) => ok)).toHaveLength(6);
  const errors = results.flatMap((result) => (result.ok ? [] : [result.error]));
  expect(errors).toHaveLength(4);
  for (const error of errors) {
    expect(error).toBeInstanceOf(AbortedError);
    expect(error).toMatchObject({ code: 'aborted', cause: reason });
  }
});

test('a signal ends a batch that waits for its source', async () => {
  const controller = new AbortController();
  async function* source(): AsyncGenerator<{ user_id: string }> {
    queueMicrotask(() => controller.abort());
    await new Promise(() => {});
  }
  const batch = new FakePlatform().client().registerBatch(source(), { signal: controller.signal });
  await expect(batch.next()).rejects.toMatchObject({ name: 'AbortError' });
});

test("a source's error comes after the results of all earlier users", async () => {
  const platform = new FakePlatform();
  function* source() {
    yield* users(3);
    throw new RangeError('line 4');
  }
  const results: unknown[] = [];
  const run = async () => {
    for await (const result of platform.client().registerBatch(source())) results.push(result);
  };
  await expect(run()).rejects.toThrow(new RangeError('line 4'));
  expect(results).toHaveLength(3);
});

test('a batch continues in the other Region when one is lost', async () => {
  const platform = new FakePlatform();
  let posts = 0;
  platform.fault = ({ method, at }) => {
    if (method === 'POST') posts += 1;
    return at === 'a' && posts > 30 ? 'refuse' : undefined;
  };
  const results = await collect(platform.client().registerBatch(users(100), { concurrency: 20 }));
  expect(results.filter(({ ok }) => ok)).toHaveLength(100);
  expect(platform.waits).toEqual([]);
});

test.each([0, -1, 1.5, Number.NaN])('a concurrency of %s is refused', (concurrency) => {
  const client = new FakePlatform().client();
  expect(() => client.registerBatch([], { concurrency })).toThrow(InvalidArgumentError);
});

test.each<[string, unknown[]]>([
  ['no users', []],
  ['one user', [{ user_id: 'ada' }]],
  ['a string', ['ab']],
  ['null', [null]],
  ['options that are none', [[], null]],
  ['a misspelt option', [[], { concurency: 2 }]],
  ['a callback that is none', [[], { onProgress: 1 }]],
])('a batch of %s is refused at once, as every wrong argument is', (_, args) => {
  const client = new FakePlatform().client();
  const batch = client.registerBatch.bind(client) as (...given: unknown[]) => unknown;
  expect(() => batch(...args)).toThrow(InvalidArgumentError);
});
