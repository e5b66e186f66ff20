/** How a run's progress is shown, by the kind of terminal. */
import { Writable } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { commandIo } from '../../cli/io.ts';
import { startProgress } from '../../cli/register/progress.ts';

beforeEach(() => vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout', 'Date'] }));
afterEach(() => vi.useRealTimers());

function streams(TERM: string, isTTY = true) {
  const written = { text: '' };
  const stderr = Object.assign(
    new Writable({
      write(chunk, _, done) {
        written.text += chunk;
        done();
      },
    }),
    { isTTY, columns: 120 },
  );
  const io = commandIo({
    ...{ stdin: process.stdin, stdout: stderr, stderr, env: { TERM } },
    ...{ cwd: '/', onInterrupt: () => () => {} },
  });
  return { io, written };
}

/** A run that continues: 1,000 of 2,000 users are done, and 10 follow each second. */
function follow(progress: ReturnType<typeof startProgress>, seconds: number): void {
  progress.update({ bytes: 100_000, registered: 990, failed: 10 });
  for (let second = 0; second <= seconds; second += 1) {
    progress.update({ bytes: 100_100 + second * 1_000, registered: 991 + second * 10, failed: 10 });
    vi.advanceTimersByTime(1_000);
  }
}

test('under TERM=dumb a line every five seconds has no escapes, the rate, and the time that is left', () => {
  const { io, written } = streams('dumb');
  const progress = startProgress(io, 200_000, false, 1_000);
  follow(progress, 12);
  progress.stop();
  expect(written.text.split('\n')).toEqual([
    '52%  1041 registered, 10 failed, 10/s, 1 min 35 s left',
    '55%  1091 registered, 10 failed, 10/s, 1 min 30 s left',
    '',
  ]);
});

test('a terminal has a bar with the rate and the time that is left', () => {
  const { io, written } = streams('xterm');
  const progress = startProgress(io, 200_000, false, 1_000);
  follow(progress, 12);
  progress.stop();
  expect(written.text).toContain('registered, 10 failed, 10/s, 1 min ');
  expect(written.text).toContain('\u001b[');
});

test('of an input of unknown size no time is left, and without a terminal nothing is shown', () => {
  const unknown = streams('dumb');
  follow(startProgress(unknown.io, undefined, false, 1_000), 6);
  expect(unknown.written.text).toBe('1041 registered, 10 failed, 10/s\n');
  for (const { io, written } of [streams('xterm', false), streams('dumb', false)]) {
    follow(startProgress(io, 200_000, false), 12);
    expect(written.text).toBe('');
  }
});
