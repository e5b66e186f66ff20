/** The decisions in test/vectors/sdk-*.json, to which every client library is held. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isBaseUrl, isWithin } from '../../protocol/base-url.ts';
import { DiscoveryCache } from '../../sdk/typescript/discovery.ts';
import {
  ApiError,
  ConnectionError,
  CountersignError,
  safe,
  TimeoutError,
  UnexpectedAnswerError,
} from '../../sdk/typescript/errors.ts';
import { type Answer, answerError } from '../../sdk/typescript/http.ts';
import { loggable, shownHeaders } from '../../sdk/typescript/loggable.ts';
import { nextAttempt, RetryBudget } from '../../sdk/typescript/retry.ts';

// biome-ignore lint/suspicious/noExplicitAny: the files' own form, which this test reads field by field
type Vector = any;
const vectors = (name: string): Vector =>
  JSON.parse(readFileSync(new URL(`../vectors/sdk-${name}.json`, import.meta.url), 'utf8'));

describe('sdk-retry.json', () => {
  const { cases, budget } = vectors('retry');

  it.each<Vector>(cases)('$name', ({ limits, steps }) => {
    const { max_retries = 4, other_region = false, other_key = false, random = 0.5 } = limits;
    let { permits = Number.POSITIVE_INFINITY } = limits;
    const tried = { remedies: new Set<never>(), retries: 0, quotaWaits: 0 };
    for (const { failure, next } of steps) {
      const found = nextAttempt(failureOf(failure), tried, {
        maxRetries: max_retries,
        otherRegion: other_region,
        otherKey: () => other_key,
        random: () => random,
        permit: () => permits-- > 0,
      });
      const { waitMs, nonce, region } = found ?? {};
      expect(found ? { wait_ms: waitMs, nonce, region } : null).toEqual(next);
    }
  });

  it('the budget', () => {
    const shared = new RetryBudget(budget.most);
    for (const { succeed = 0, by_retry = false, take } of budget.steps) {
      for (let i = 0; i < succeed; i++) shared.succeeded(by_retry);
      if (take === undefined) continue;
      let taken = 0;
      while (shared.take()) taken += 1;
      expect(taken).toBe(take);
    }
  });

  function failureOf({ kind, status, code, retry_after_ms: retryAfterMs }: Vector): CountersignError {
    if (kind === 'connection') return new ConnectionError('https://a.example.com', 'ECONNREFUSED');
    if (kind === 'timeout') return new TimeoutError('https://a.example.com', 10);
    if (kind === 'unexpected') return new UnexpectedAnswerError('https://a.example.com', status);
    return new ApiError({ status, problem: { code }, retryAfterMs });
  }
});

describe('sdk-problems.json', () => {
  const { asked, cases } = vectors('problems');
  it.each<Vector>(cases)('$name', ({ answer, error }) => {
    expect(shown(answerError(answerOf(asked, answer)))).toEqual(error);
  });

  function shown({ name, code, message, ...rest }: CountersignError): Vector {
    const { status, requestId, retryAfterMs, problem } = rest as Vector;
    const members = { status, request_id: requestId, retry_after_ms: retryAfterMs, problem };
    const known = Object.entries(members).map(([member, value]) => [member, value ?? null]);
    return { class: name, code, message, ...Object.fromEntries(known) };
  }
});

describe('sdk-discovery.json', () => {
  const { cases, base_urls, within } = vectors('discovery');

  it.each<Vector>(cases)('$name', async ({ name: _, url, trusted, answer, error, ...expected }) => {
    let nowMs = 0;
    let fetched = 0;
    const fetch = async () => {
      fetched += 1;
      return answerOf(`${url}/.well-known/countersign`, answer);
    };
    const cache = new DiscoveryCache(
      fetch,
      (r) => isWithin(url, r) || trusted.includes(r),
      () => nowMs,
    );
    if (error) {
      const thrown = await cache.current().catch((e: unknown) => e);
      expect(thrown).toBeInstanceOf(CountersignError);
      const { name, code, message } = thrown as CountersignError;
      expect({ class: name, code, message }).toEqual(error);
      return;
    }
    const { issuer, regions, proofMaxLifeS, maxNonceCount } = await cache.current();
    nowMs = expected.max_age_ms - 1;
    await cache.current();
    expect(fetched).toBe(1);
    nowMs = expected.max_age_ms;
    await cache.current();
    expect(fetched).toBe(2);
    const found = { issuer, regions, proof_max_life_s: proofMaxLifeS, max_nonce_count: maxNonceCount };
    expect({ max_age_ms: nowMs, ...found }).toEqual(expected);
  });

  it.each<Vector>(base_urls)('$url is a base URL: $is', ({ url, is }) => expect(isBaseUrl(url)).toBe(is));

  it.each<Vector>(within)('$region is trusted beside $entry: $is', ({ entry, region, is }) =>
    expect(isWithin(entry, region)).toBe(is),
  );
});

describe('sdk-redaction.json', () => {
  const { cases, fields, headers } = vectors('redaction');
  it.each<Vector>(cases)('%j', ({ text, shown }) => expect(safe(text)).toBe(shown));

  it.each<Vector>(fields)('$name', (vector) => {
    expect(loggable(inCamelCase(vector.fields))).toEqual(inCamelCase(vector.shown));
  });

  it.each<Vector>(headers)('$name', (vector) => {
    expect(shownHeaders(new Headers(vector.headers))).toEqual(vector.shown);
  });

  const inCamelCase = (members: object) =>
    Object.fromEntries(
      Object.entries(members).map(([name, value]) => [
        name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase()),
        value ?? undefined,
      ]),
    );
});

function answerOf(asked: string, { status, headers, body }: Vector): Answer {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    // Not JSON.
  }
  return { origin: new URL(asked).origin, asked, status, headers: new Headers(headers), text: body, json };
}
