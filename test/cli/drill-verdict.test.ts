/** What a drill concludes from what clients saw, and what its report shows. */
import { expect, test } from 'vitest';
import { DRILLS, type Recovery } from '../../cli/drill/drills.ts';
import { type Attempt, type Call, History } from '../../cli/drill/history.ts';
import { report, seconds } from '../../cli/drill/report.ts';
import { judge } from '../../cli/drill/verdict.ts';

const attempt = (region: string, endMs: number, outcome: Attempt['outcome'], code?: string): Attempt => ({
  ...{ region, startMs: endMs - 10, endMs, outcome, code },
});
const call = (userId: string, endMs: number, more: Partial<Call> = {}): Call => ({
  ...{ userId, prefers: 'b', endMs, transportFailures: 0 },
  attempts: [attempt('b', endMs, 'acknowledged')],
  acknowledged: { id: `id of ${userId}`, createdAt: 'then', region: 'b' },
  ...more,
});
const elsewhere = (userId: string, endMs: number, more: Partial<Call> = {}): Call =>
  call(userId, endMs, {
    attempts: [attempt('b', endMs - 20, 'failed'), attempt('a', endMs, 'acknowledged')],
    transportFailures: 1,
    acknowledged: { id: `id of ${userId}`, createdAt: 'then', region: 'a' },
    ...more,
  });

const history = (...calls: Call[]): History => {
  const made = new History();
  made.calls.push(...calls);
  return made;
};
const drill = { does: 'x', run: async () => undefined };
const strict = { ...drill, oneFailure: true } as const;
const leaving: Recovery = { fromMs: 1_000, leaving: 'b' };

test('a drill passes where all holds; recovery is the first registration elsewhere of who preferred the lost Region', () => {
  const seen = history(
    call('before', 900),
    call('of another', 1_050, { prefers: 'a', acknowledged: { id: 'x', createdAt: 'then', region: 'a' } }),
    elsewhere('second', 1_500),
    elsewhere('first', 1_200),
  );
  expect(judge(seen, strict, 'strong', leaving)).toEqual({
    ...{ passed: true, acknowledged: 4, lost: 0, duplicated: 0, clientErrors: 0, maxAttempts: 2 },
    ...{ eventsMissed: null, recoveryMs: 200, broken: [] },
  });
  expect(judge(seen, drill, 'strong', { fromMs: 1_000 }).recoveryMs).toBe(50);
  expect(judge(seen, drill, 'strong', undefined).recoveryMs).toBeNull();
});

test.each(['region-loss', 'home-loss'])(
  '%s: a registration or an event that is missing only while a Region is away is lost',
  async (name) => {
    const seen = history(call('u', 900), elsewhere('v', 1_100));
    const away = new Set<string>();
    const run = DRILLS[name]!;
    await run.run({
      consistency: 'strong',
      regions: ['a', 'b', 'c'],
      history: seen,
      wait: async () => {},
      async cause(fault) {
        if (fault.kind !== 'region') return;
        if (fault.lost) away.add(fault.region);
        else away.delete(fault.region);
      },
      command: async () => '',
      async readBack(region) {
        expect(away).not.toContain(region);
        if (away.size > 0) seen.lost.add('u');
      },
      async readEvents(region) {
        expect(away).not.toContain(region);
        seen.missed = new Set(away.size > 0 ? ['v'] : []);
      },
    });
    expect(away.size).toBe(0);
    const { broken, eventsMissed } = judge(seen, run, 'strong', leaving);
    expect(broken).toContain('1 acknowledged registrations were lost: u');
    expect(broken).toContain('1 acknowledged registrations have no event: v');
    expect(eventsMissed).toBe(1);
  },
);

const failed = call('u', 1_100, { error: 'unavailable', acknowledged: undefined as never });
test.each<[string, () => History, RegExp]>([
  [
    'a registration is lost',
    () => Object.assign(history(elsewhere('u', 1_100)), { lost: new Set(['u']) }),
    /1 acknowledged registrations were lost: u/,
  ],
  [
    'a registration cannot be read',
    () => Object.assign(history(elsewhere('u', 1_100)), { unread: new Set(['u in a: gone']) }),
    /1 acknowledged registrations could not be read, so it is not known whether they are lost: u in a: gone/,
  ],
  [
    'a registration has no event',
    () => Object.assign(history(elsewhere('u', 1_100)), { missed: new Set(['u in a']) }),
    /1 acknowledged registrations have no event: u in a/,
  ],
  [
    'a request is accepted twice',
    () => Object.assign(history(elsewhere('u', 1_100)), { duplicated: new Set(['u twice']) }),
    /u twice/,
  ],
  [
    'a Region answers no repeated request',
    () => Object.assign(history(elsewhere('u', 1_100)), { unrepeated: new Set(['a']) }),
    /no repeated request was answered in a, so it is not known whether a request is accepted twice/,
  ],
  [
    'a client sees an error',
    () => history(elsewhere('u', 1_100), failed),
    /1 calls of clients failed: unavailable/,
  ],
  [
    'nobody is served elsewhere',
    () => history(call('u', 1_100)),
    /no client that prefers b was served elsewhere/,
  ],
  ['nothing is acknowledged', () => history(), /no registration was acknowledged at all/],
  [
    'transport fails twice',
    () => history(elsewhere('u', 1_100, { transportFailures: 2 })),
    /met 2 failures of transport/,
  ],
  [
    'use_nonce comes twice',
    () =>
      history(
        elsewhere('u', 1_100, {
          attempts: [1, 2].map((ms) => attempt('a', ms, 'refused', 'use_nonce')),
        }),
      ),
    /met 2 times use_nonce/,
  ],
  ['a step fails', () => Object.assign(history(elsewhere('u', 1_100)), { broken: ['a step'] }), /a step/],
])('it fails where %s', (_, make, why) => {
  const { passed, broken } = judge(make(), strict, 'strong', leaving);
  expect(passed).toBe(false);
  expect(broken.join('; ')).toMatch(why);
});

test('in eventual mode what is lost is counted, and fails no drill', () => {
  const seen = Object.assign(history(elsewhere('u', 1_100)), {
    lost: new Set(['u']),
    missed: new Set(['u']),
  });
  expect(judge(seen, drill, 'eventual', leaving)).toMatchObject({ passed: true, lost: 1, eventsMissed: 1 });
});

test('errors are allowed where a drill allows them', () => {
  const seen = history(elsewhere('v', 1_100), failed);
  expect(judge(seen, { ...drill, noErrors: () => false }, 'strong', leaving)).toMatchObject({
    ...{ passed: true, clientErrors: 1 },
  });
});

test('a user whose registration was made at another time than acknowledged has two', () => {
  const seen = history(call('u', 1), call('v', 2));
  const [first, second] = seen.acknowledged();
  seen.compare(first!, 'then');
  seen.compare(second!, 'later');
  expect([...seen.duplicated]).toEqual(['v has two registrations']);
});

test('a report shows each Region second by second, and no text of anybody as HTML', () => {
  const seen = history(call('u', 500), elsewhere('v', 1_600));
  seen.marks.push({ atMs: 1_000, text: '<b> is lost' });
  expect(seconds(seen, 'b', 2)).toEqual([
    { acknowledged: 1, refused: 0, failed: 0, latenciesMs: [10] },
    { acknowledged: 0, refused: 0, failed: 1, latenciesMs: [] },
  ]);
  const html = report({
    ...{ drill: 'region-loss', does: 'kills', consistency: 'strong', clients: 2, regions: ['a', 'b'] },
    ...{ history: seen, verdict: judge(seen, strict, 'strong', leaving) },
  });
  expect(html).toContain('<title>second 1: 0 acknowledged, 0 refused, 1 failed</title>');
  expect(html).toContain('1.0 s: &lt;b&gt; is lost');
  expect(html).not.toContain('<b> is lost');
  expect(html).toContain('prefers-color-scheme: dark');
});
