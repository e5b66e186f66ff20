/** Draws a progress bar on a terminal, and nothing elsewhere. */
import cliProgress from 'cli-progress';
import type { Io } from '../io.ts';

export interface Progress {
  update(done: { readonly bytes: number; readonly registered: number; readonly failed: number }): void;
  /** A line of our own for standard error, above the bar. */
  say(line: string): void;
  stop(): void;
}

/** To the first column, and nothing left on the line: the bar is drawn again below. */
const CLEAR_LINE = '\r\u001b[K';
/** The widest bar, and what stands beside it for a large file. */
const WIDEST_BAR = 40;
const BESIDE_BAR = 46;
/** A narrower bar shows nothing that the percentage does not. */
const NARROWEST_BAR = 4;
const COUNTS = '{registered} registered, {failed} failed, {duration_formatted}';

/** @param size of the input in bytes, if known */
export function startProgress({ terminal, stderr }: Io, size: number | undefined, quiet: boolean): Progress {
  const write = (line: string) => stderr.write(`${line}\n`);
  if (quiet || !terminal) return { update() {}, say: write, stop() {} };
  const columns = (terminal as { readonly columns?: number }).columns ?? WIDEST_BAR + BESIDE_BAR;
  const barsize = Math.min(WIDEST_BAR, columns - BESIDE_BAR);
  const drawn = barsize < NARROWEST_BAR ? '' : '{bar} ';
  const bar = new cliProgress.SingleBar(
    {
      format: size ? `  ${drawn}{percentage}%  ${COUNTS}` : `  ${COUNTS}`,
      barsize,
      stream: terminal,
      hideCursor: true,
      // The command itself handles Ctrl-C.
      gracefulExit: false,
    },
    cliProgress.Presets.shades_classic,
  );
  bar.start(size || 1, 0, { registered: 0, failed: 0 });
  return {
    update: ({ bytes, ...counts }) => bar.update(Math.min(bytes, size ?? 0), counts),
    say(line) {
      terminal.write(CLEAR_LINE);
      write(line);
    },
    stop: () => bar.stop(),
  };
}
