/**
 * Ten times as many registrations as the quota takes: against the real handlers, on a clock that the test
 * controls. Time passes only where every call waits for it.
 */
import { expect, test } from 'vitest';
import { CountersignClient } from '../../sdk/typescript/index.ts';
import { regionsForFile } from '../support/regions.ts';
import { makeClient } from '../support/signer.ts';

const { platform, a } = await regionsForFile();
const WINDOW_MS = 60_000;
const LIMIT = 100;
const CALLS = 50;

test('a client over its quota retries nothing before Retry-After, and uses nine tenths of each window', async () => {
  const { apiKey } = await makeClient(platform, undefined, LIMIT);
  const { clock } = platform;
  // A whole number of windows from here on.
  clock.nowMs = Math.ceil(clock.nowMs / WINDOW_MS) * WINDOW_MS;
  const startMs = clock.nowMs;
  const users = Array.from({ length: 10 * LIMIT }, (_, i) => ({ user_id: `u${i}` }));
  const notBefore = new Map<string, number>();
  const early: string[] = [];
  const accepted: number[] = [];
  let refused = 0;

  const through = (async (url: string, init: RequestInit) => {
    const { pathname, search } = new URL(url);
    const body = init.body as Uint8Array | undefined;
    const user = body ? JSON.parse(Buffer.from(body).toString()).user_id : '';
    if (clock.nowMs < (notBefore.get(user) ?? 0)) early.push(user);
    const answer = await a.send({
      ...{ method: init.method!, path: pathname + search, headers: init.headers as Record<string, string> },
      ...(body && { body }),
    });
    if (answer.status === 201) accepted.push(clock.nowMs);
    if (answer.status === 429) {
      refused += 1;
      notBefore.set(
        user,
        clock.nowMs + Number(answer.headers['retry-after'] ?? answer.headers['Retry-After']) * 1000,
      );
    }
    return new Response(answer.status === 204 ? null : answer.text, {
      ...{ status: answer.status, headers: { ...answer.headers, Date: new Date(clock.nowMs).toUTCString() } },
    });
  }) as unknown as typeof fetch;

  const asleep: { readonly untilMs: number; readonly wake: () => void }[] = [];
  let running = CALLS;
  const passTime = () => {
    if (asleep.length === 0 || asleep.length < running) return;
    asleep.sort((x, y) => x.untilMs - y.untilMs);
    const { untilMs, wake } = asleep.shift()!;
    clock.nowMs = Math.max(clock.nowMs, Math.ceil(untilMs));
    wake();
  };
  await using client = new CountersignClient(
    { url: 'https://api.example.com', apiKey, fetch: through, logLevel: 'off' },
    {
      now: () => clock.nowMs,
      sleep: (ms) =>
        new Promise((wake) => {
          asleep.push({ untilMs: clock.nowMs + ms, wake });
          passTime();
        }),
    },
  );
  const work = async () => {
    for (let user = users.shift(); user; user = users.shift()) await client.register(user);
    running -= 1;
    passTime();
  };
  await Promise.all(Array.from({ length: CALLS }, work));

  expect(early).toEqual([]);
  expect(accepted).toHaveLength(10 * LIMIT);
  const perWindow = Map.groupBy(accepted, (ms) => Math.floor((ms - startMs) / WINDOW_MS));
  const counts = [...perWindow].sort(([x], [y]) => x - y).map(([, times]) => times.length);
  // The last window has what is left.
  for (const count of counts.slice(0, -1)) {
    expect(count).toBeGreaterThanOrEqual(0.9 * LIMIT);
    expect(count).toBeLessThanOrEqual(LIMIT);
  }
  expect(perWindow.size).toBe(Math.max(...perWindow.keys()) + 1);
  // What was under way when a window ended.
  expect(refused).toBeLessThanOrEqual(CALLS * perWindow.size);
});
