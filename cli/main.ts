/** Runs the command line of this process. */
import { run } from './program.ts';

const interrupts = new Set<() => void>();
/**
 * Counts each Ctrl-C that this process received, and that the launcher for an older Node (countersign.mjs)
 * passed on.
 */
const received = { here: 0, launcher: 0 };
let handled = 0;
function interrupt(by: keyof typeof received): void {
  received[by] += 1;
  // A terminal sends the same Ctrl-C to both processes: handle it once.
  if (received[by] <= handled) return;
  handled += 1;
  // No command handles Ctrl-C now: end at once, as a shell expects.
  if (interrupts.size === 0) process.exit(130);
  for (const each of interrupts) each();
}
process.on('SIGINT', () => interrupt('here'));
process.on('message', (message) => message === 'SIGINT' && interrupt('launcher'));
// A launcher that is killed by SIGKILL passes no signal on; the closed channel shows its end.
const end = () => process.kill(process.pid, 'SIGTERM');
process.on('disconnect', end);
if (process.connected === false) end();
process.channel?.unref();
// A reader may stop early (`| head`): that is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

process.exitCode = await run(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  onInterrupt(interrupt) {
    interrupts.add(interrupt);
    return () => interrupts.delete(interrupt);
  },
});
