/**
 * Shows how far a run is, how fast it is and how long it will take: by a bar on a terminal, by a line now and
 * then on a terminal that cannot be drawn on (`TERM=dumb`), and not at all elsewhere.
 */
import cliProgress from 'cli-progress';
import type { Io } from '../io.ts';
import { durationText } from '../time.ts';

interface Done {
  readonly bytes: number;
  readonly registered: number;
  readonly failed: number;
}

export interface Progress {
  update(done: Done): void;
  /** A line of our own for standard error, above the bar. */
  say(line: string): void;
  /** A line of results for standard output, above the bar. */
  result(line: string): void;
  stop(): void;
}

/** To the first column, and nothing left on the line: the bar is drawn again below. */
const CLEAR_LINE = '\r\u001b[K';
/** The widest bar, and what stands beside it for a large file. */
const WIDEST_BAR = 40;
const BESIDE_BAR = 62;
/** A narrower bar shows nothing that the percentage does not. */
const NARROWEST_BAR = 4;
/** Between two lines on a terminal that cannot be drawn on. */
const LINE_EVERY_MS = 5_000;

/**
 * @param size of the input in bytes, if known
 * @param before users that earlier runs have done
 */
export function startProgress(
  { terminal, stderr, stdout }: Io,
  size: number | undefined,
  quiet: boolean,
  before = 0,
): Progress {
  const say = (line: string) => stderr.write(`${line}\n`);
  const result = (line: string) => stdout.write(`${line}\n`);
  const pace = paceOf(size, before);
  if (quiet || !stderr.isTTY) return { update() {}, say, result, stop() {} };
  if (!terminal) {
    let saidMs = performance.now();
    return {
      update(done) {
        const paced = pace(done);
        if (performance.now() - saidMs < LINE_EVERY_MS) return;
        saidMs = performance.now();
        const share = size ? `${Math.floor((100 * Math.min(done.bytes, size)) / size)}%  ` : '';
        say(`${share}${done.registered} registered, ${done.failed} failed${paced}`);
      },
      say,
      result,
      stop() {},
    };
  }
  const columns = (terminal as { readonly columns?: number }).columns ?? WIDEST_BAR + BESIDE_BAR;
  const barsize = Math.min(WIDEST_BAR, columns - BESIDE_BAR);
  const drawn = barsize < NARROWEST_BAR ? '' : '{bar} ';
  const counts = '{registered} registered, {failed} failed{pace}';
  const bar = new cliProgress.SingleBar(
    {
      format: size ? `  ${drawn}{percentage}%  ${counts}` : `  ${counts}`,
      barsize,
      stream: terminal,
      hideCursor: true,
      // The command itself handles Ctrl-C.
      gracefulExit: false,
    },
    cliProgress.Presets.shades_classic,
  );
  bar.start(size || 1, 0, { registered: 0, failed: 0, pace: '' });
  const aboveBar = (write: (line: string) => void) => (line: string) => {
    terminal.write(CLEAR_LINE);
    write(line);
  };
  return {
    update(done) {
      const { bytes, ...counted } = done;
      bar.update(Math.min(bytes, size ?? 0), { ...counted, pace: pace(done) });
    },
    say: aboveBar(say),
    result: aboveBar(result),
    stop: () => bar.stop(),
  };
}

/**
 * @param before users that earlier runs have done: a run that continues passes over them in no time
 * @returns a function that words the rate since the first user of this run, and the time that is left
 */
function paceOf(size: number | undefined, before: number): (done: Done) => string {
  let first: { readonly bytes: number; readonly users: number; readonly atMs: number } | undefined;
  return ({ bytes, registered, failed }) => {
    const users = registered + failed;
    if (users <= before) return '';
    first ??= { bytes, users, atMs: performance.now() };
    const seconds = (performance.now() - first.atMs) / 1000;
    if (seconds < 1 || users === first.users) return '';
    const rate = (users - first.users) / seconds;
    const bytesPerS = (bytes - first.bytes) / seconds;
    const leftS = size !== undefined && bytesPerS > 0 ? Math.ceil((size - bytes) / bytesPerS) : 0;
    const left = leftS > 0 ? `, ${durationText(leftS * 1000)} left` : '';
    return `, ${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s${left}`;
  };
}
