/** Draws a progress bar on a terminal, and nothing elsewhere. */
import cliProgress from 'cli-progress';
import type { Io } from '../io.ts';

export interface Progress {
  update(done: { readonly bytes: number; readonly registered: number; readonly failed: number }): void;
  stop(): void;
}

const COUNTS = '{registered} registered, {failed} failed, {duration_formatted}';

/** @param size of the input in bytes, if known */
export function startProgress({ terminal }: Io, size: number | undefined, quiet: boolean): Progress {
  if (quiet || !terminal) return { update() {}, stop() {} };
  const bar = new cliProgress.SingleBar(
    {
      format: size ? `  {bar} {percentage}%  ${COUNTS}` : `  ${COUNTS}`,
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
    stop: () => bar.stop(),
  };
}
