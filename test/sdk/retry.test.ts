import { expect, test } from 'vitest';
import {
  ApiError,
  ConnectionError,
  type CountersignError,
  TimeoutError,
} from '../../sdk/typescript/errors.ts';
import { nextAttempt, RetryBudget, type RetryLimits, type Tried } from '../../sdk/typescript/retry.ts';

const api = (status: number, code: string, retryAfterMs?: number) =>
  new ApiError({ status, problem: { code }, retryAfterMs });
const fresh = (): Tried => ({ remedies: new Set(), retries: 0, quotaWaits: 0 });
const limits = (more: Partial<RetryLimits> = {}): RetryLimits => ({
  maxRetries: 4,
  otherRegion: false,
  otherKey: () => false,
  permit: () => true,
  random: () => 0.5,
  ...more,
});
const connection = new ConnectionError('https://a.example.com', 'ECONNREFUSED');
const timeout = new TimeoutError('https://a.example.com', 10);

test.each<[string, CountersignError, Partial<RetryLimits>, object | undefined]>([
  ['use_nonce', api(401, 'use_nonce'), {}, { waitMs: 0, nonce: 'fresh', region: 'same' }],
  [
    'use_nonce with Retry-After',
    api(401, 'use_nonce', 5000),
    {},
    { waitMs: 5000, nonce: 'new', region: 'same' },
  ],
  ['clock_skew', api(401, 'clock_skew'), {}, { waitMs: 0, nonce: 'fresh', region: 'same' }],
  [
    'clock_skew without a new nonce',
    api(401, 'clock_skew', 1_000),
    {},
    { waitMs: 1_000, nonce: 'fresh', region: 'same' },
  ],
  ['429', api(429, 'quota_exceeded', 2000), {}, { waitMs: 2100, nonce: 'fresh', region: 'same' }],
  ['500', api(500, 'internal'), {}, { waitMs: 100, nonce: 'fresh', region: 'best' }],
  ['502', api(502, 'internal'), {}, { waitMs: 100, nonce: 'fresh', region: 'best' }],
  ['504', api(504, 'internal'), {}, { waitMs: 100, nonce: 'fresh', region: 'best' }],
  ['503', api(503, 'unavailable', 1000), {}, { waitMs: 1100, nonce: 'fresh', region: 'best' }],
  [
    '503, another Region',
    api(503, 'unavailable', 1000),
    { otherRegion: true },
    { waitMs: 0, nonce: 'fresh', region: 'best' },
  ],
  [
    '503 for an hour, another Region',
    api(503, 'unavailable', 3_600_000),
    { otherRegion: true },
    { waitMs: 0, nonce: 'fresh', region: 'best' },
  ],
  ['a 503 for an hour', api(503, 'unavailable', 3_600_000), {}, undefined],
  ['no connection', connection, {}, { waitMs: 100, nonce: 'fresh', region: 'best' }],
  [
    'no connection, another Region',
    connection,
    { otherRegion: true },
    { waitMs: 0, nonce: 'fresh', region: 'best' },
  ],
  ['timeout, another Region', timeout, { otherRegion: true }, { waitMs: 0, nonce: 'fresh', region: 'best' }],
  [
    '429, another Region',
    api(429, 'quota_exceeded'),
    { otherRegion: true },
    { waitMs: 100, nonce: 'fresh', region: 'same' },
  ],
  ['a 429 for an hour', api(429, 'quota_exceeded', 3_600_000), {}, undefined],
  ['400', api(400, 'malformed_request'), {}, undefined],
  ['another 401', api(401, 'invalid_proof'), {}, undefined],
  ['403', api(403, 'client_disabled'), {}, undefined],
  ['404', api(404, 'not_found'), {}, undefined],
  ['409', api(409, 'registration_conflict'), {}, undefined],
  ['a 501', api(501, 'internal'), {}, undefined],
])('the step after %s', (_, failure, given, expected) => {
  expect(nextAttempt(failure, fresh(), limits(given))).toEqual(expected);
});

test.each([
  ['signing again', api(401, 'use_nonce')],
  ['waiting for a deletion', api(401, 'use_nonce', 5000)],
  ['correcting the clock', api(401, 'clock_skew')],
])('%s happens once per call', (_, failure) => {
  const tried = fresh();
  expect(nextAttempt(failure, tried, limits())).toBeDefined();
  expect(nextAttempt(failure, tried, limits())).toBeUndefined();
});

test('a wait for Retry-After is not a retry: it takes no permit, and ten windows are waited for', () => {
  const tried = fresh();
  const given = limits({ maxRetries: 0, permit: () => false });
  for (let i = 0; i < 10; i++)
    expect(nextAttempt(api(429, 'quota_exceeded', 60_000), tried, given)?.waitMs).toBeGreaterThan(60_000);
  expect(nextAttempt(api(429, 'quota_exceeded', 60_000), tried, given)).toBeUndefined();
});

test('failing over happens once per call, takes no permit, and backing off follows', () => {
  const tried = fresh();
  let permits = 0;
  const given = limits({ otherRegion: true, permit: () => ++permits > 0 });
  expect(nextAttempt(connection, tried, given)?.waitMs).toBe(0);
  expect(permits).toBe(0);
  expect(nextAttempt(connection, tried, given)?.waitMs).toBe(100);
  expect(permits).toBe(1);
});

test('backing off has full jitter: from zero to a cap that doubles up to ten seconds', () => {
  const waits = (random: number) => {
    const tried = fresh();
    return Array.from(
      { length: 8 },
      () => nextAttempt(connection, tried, limits({ maxRetries: 8, random: () => random }))!.waitMs,
    );
  };
  expect(waits(0)).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  expect(waits(1)).toEqual([200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
});

test('backing off ends after maxRetries; zero means never', () => {
  const tried = fresh();
  expect(nextAttempt(connection, tried, limits({ maxRetries: 1 }))).toBeDefined();
  expect(nextAttempt(connection, tried, limits({ maxRetries: 1 }))).toBeUndefined();
  expect(nextAttempt(connection, fresh(), limits({ maxRetries: 0 }))).toBeUndefined();
});

test('without a permit there is no backing off', () => {
  expect(nextAttempt(connection, fresh(), limits({ permit: () => false }))).toBeUndefined();
});

test('a budget holds fifty retries, and ten successes earn one more', () => {
  const budget = new RetryBudget(50);
  const takeAll = () => {
    let taken = 0;
    while (budget.take()) taken += 1;
    return taken;
  };
  expect(takeAll()).toBe(50);
  for (let i = 0; i < 11; i++) budget.succeeded(false);
  expect(takeAll()).toBe(1);
  for (let i = 0; i < 5_000; i++) budget.succeeded(false);
  expect(takeAll()).toBe(50);
});
