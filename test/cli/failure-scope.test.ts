/**
 * The effect of each error on a run: it is that user's failure, or it stops the run, which can then be
 * resumed.
 */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as sdk from '@countersign/sdk';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { scopeOf } from '../../cli/register/failure-scope.ts';
import { deriveApiKey } from '../../protocol/api-key.ts';
import { PROBLEMS, type ProblemCode } from '../../protocol/problem.ts';
import { problemError } from '../../sdk/typescript/errors.ts';
import { Directory } from './cli.ts';

const OF_ONE_USER = [
  ...['aborted', 'body_too_large', 'invalid_argument', 'invalid_registration', 'malformed_request'],
  ...['not_found', 'registration_conflict', 'use_nonce', 'cursor_gone'],
];
const UNREACHABLE = ['connection_failed', 'timeout', 'unavailable'];
const FAULTY = ['internal'];
const ELSEWHERE = ['foreign_regions', 'unexpected_answer'];

/** Every error of the SDK: the classes it raises itself, and the codes of a platform's problems. */
const errors: readonly sdk.CountersignError[] = [
  ...Object.values(sdk).flatMap((Class) => {
    const { prototype } = Class;
    const isOwn = prototype instanceof sdk.CountersignError && !(prototype instanceof sdk.ApiError);
    return isOwn && Class !== (sdk.ApiError as unknown)
      ? [Reflect.construct(Class, ['https://api.example.com', []]) as sdk.CountersignError]
      : [];
  }),
  ...Object.entries(PROBLEMS).map(([code, { status }]) => problemError({ code }, { status })!),
];

test('there are errors of both kinds', () => {
  expect(errors.length).toBeGreaterThan(20);
  for (const name of ['ForeignRegionsError', 'ClockSkewError'])
    expect(errors.map((error) => error.name)).toContain(name);
});

test.each(errors.map((error) => [error.code, error] as const))('%s has a decided scope', (code, error) => {
  const expected = OF_ONE_USER.includes(code)
    ? 'user'
    : UNREACHABLE.includes(code)
      ? 'unreachable'
      : FAULTY.includes(code)
        ? 'faulty'
        : ELSEWHERE.includes(code)
          ? 'elsewhere'
          : 'everyone';
  expect(scopeOf(error)).toBe(expected);
});

test.each([
  [401, 'everyone'],
  [403, 'everyone'],
  [400, 'user'],
])('a code that nobody knows is judged by its status: %i', (status, expected) => {
  expect(scopeOf(problemError({ code: 'of_tomorrow' }, { status })!)).toBe(expected);
});

describe('a run', () => {
  let directory: Directory;
  let env: Record<string, string>;
  let refused: ProblemCode | undefined;
  let headers: Record<string, string> = {};
  /** This many requests are refused, and the ones after them served. */
  let refusals = Number.POSITIVE_INFINITY;
  let isElsewhere = false;
  const server = createServer((request, response) => {
    const url = `http://${request.headers.host}`;
    const region = { name: 'a', url: isElsewhere ? 'https://a.elsewhere.example' : url };
    const { method } = request;
    const nonce = 'n'.repeat(60);
    if (method !== 'POST') return response.end(JSON.stringify({ issuer: url, regions: [region], nonce }));
    let body = '';
    request.on('data', (data) => {
      body += data;
    });
    request.on('end', () => {
      if (refused === undefined || refusals-- <= 0) {
        const data = JSON.parse(body);
        const registration = { id: 'i', client_id: 'dev', user_id: data.user_id, created_at: 't', data };
        return response.writeHead(201).end(JSON.stringify(registration));
      }
      const { status } = PROBLEMS[refused];
      const type = `${url}/errors/${refused}`;
      response
        .writeHead(status, { 'Content-Type': 'application/problem+json', ...headers })
        .end(JSON.stringify({ type, title: refused, status, detail: 'so it is', code: refused }));
    });
  });

  beforeAll(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const key = deriveApiKey({
      ...{ root: Buffer.alloc(32), salt: Buffer.alloc(16) },
      ...{ clientId: 'dev', generation: 1, profile: 'strict' },
    });
    env = {
      COUNTERSIGN_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      COUNTERSIGN_API_KEY: key,
    };
  });
  afterAll(() => server.close());
  beforeEach(() => {
    directory = new Directory();
    refused = undefined;
    refusals = Number.POSITIVE_INFINITY;
    headers = {};
    isElsewhere = false;
    directory.write('in.csv', `user_id\n${Array.from({ length: 30 }, (_, i) => `u${i}`).join('\n')}\n`);
  });
  afterEach(() => directory.remove());

  const register = (...more: string[]) =>
    directory.run(['register', 'in.csv', '--json', '--concurrency', '1', ...more], { env });

  async function expectStopped(code: string, fix: string, exit = 1) {
    const { code: exitCode, json, stderr } = await register();
    expect({ code, exitCode, stderr }).toMatchObject({ exitCode: exit });
    expect(json).toMatchObject({ registered: 0, failed: 0, failures: null });
    expect(stderr).toContain(fix);
    expect(stderr).toMatch(/; then run it again\n$/);
    expect(existsSync(`${directory.path}/in.csv.failed.jsonl`)).toBe(false);
    refused = undefined;
    isElsewhere = false;
    expect((await register()).json).toMatchObject({ registered: 30, failed: 0 });
  }

  const everyones = Object.keys(PROBLEMS).filter(
    (code) => ![...OF_ONE_USER, ...UNREACHABLE, ...FAULTY].includes(code),
  ) as ProblemCode[];
  test.each(everyones)(
    '%s stops the run, fails no user, and the run resumes when it is fixed',
    async (code) => {
      refused = code;
      if (code === 'quota_exceeded') headers = { 'Retry-After': '120' };
      await expectStopped(code, '');
    },
  );

  test('a clock that is too far off stops the run, with both times and the remedy', async () => {
    refused = 'clock_skew';
    headers = { Date: new Date(Date.now() - 3_600_000).toUTCString() };
    await expectStopped('clock_skew', "set this machine's clock from a time server (NTP)");
  });

  test('if all Regions are on other hosts the run stops, and --regions uses them', async () => {
    isElsewhere = true;
    const fix = 'name those that are yours with --regions https://a.elsewhere.example;';
    await expectStopped('foreign_regions', fix, 3);
    isElsewhere = true;
    // Now the command calls it, and nothing listens there.
    const { code, stderr } = await register('--restart', '--regions', 'https://a.elsewhere.example/');
    expect(code).toBe(3);
    expect(stderr).toContain('no answer from https://a.elsewhere.example');
    expect(stderr).toContain('`countersign doctor --regions https://a.elsewhere.example/` says why');
  });

  test.each(['invalid_registration', 'registration_conflict'] as const)('%s fails one user', async (code) => {
    refused = code;
    const { json } = await register();
    expect(json).toMatchObject({ registered: 0, failed: 30, stopped: null });
  });

  test('a fault of the platform fails one user, even the first, until there are ten in a row', async () => {
    refused = 'internal';
    // One attempt and four retries.
    refusals = 5;
    expect((await register()).json).toMatchObject({ registered: 29, failed: 1, stopped: null });
    refusals = Number.POSITIVE_INFINITY;
    const { code, json, stderr } = await register('--restart', '--concurrency', '10');
    expect(code).toBe(3);
    expect(json).toMatchObject({ registered: 0, failed: 0 });
    expect(stderr).toContain('`countersign doctor` says why; then run it again');
  });

  test('a slash at the end of the URL names the same platform', async () => {
    refused = 'invalid_registration';
    const counts = { registered: 0, replayed: 0, failed: 0, mark: 0, line: 0, beyond: [], hash: '' };
    const owner = { url: env.COUNTERSIGN_URL, client_id: 'dev', pid: 0, started_ms: 0, failures_bytes: 0 };
    directory.write('in.csv.progress.json', JSON.stringify({ ...counts, ...owner }));
    const { json } = await register('--url', `${env.COUNTERSIGN_URL}/`);
    expect(json).toMatchObject({ failed: 30, resumed_after_line: 0 });
  });

  test('a run that waits for its quota says so once, and not among its results', async () => {
    refused = 'quota_exceeded';
    headers = { 'Retry-After': '1' };
    refusals = 4;
    const { code, json, stderr } = await register('--concurrency', '4');
    expect(code).toBe(0);
    expect(json).toMatchObject({ registered: 30 });
    expect(stderr).toMatch(/^waiting [12] s for the quota\n$/);
  });
});
