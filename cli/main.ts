/** Runs the command line of this process. */
import { run } from './program.ts';

const interrupts = new Set<() => void>();
/** How often Ctrl-C was pressed, as far as this process and the launcher of an older Node (countersign.mjs) were told. */
const told = { here: 0, launcher: 0 };
let handled = 0;
function interrupt(who: keyof typeof told): void {
  told[who] += 1;
  // A terminal tells both of the same one.
  if (told[who] <= handled) return;
  handled += 1;
  // Nobody finishes anything: the shell's own meaning of Ctrl-C.
  if (interrupts.size === 0) process.exit(130);
  for (const each of interrupts) each();
}
process.on('SIGINT', () => interrupt('here'));
process.on('message', (message) => message === 'SIGINT' && interrupt('launcher'));
// A launcher that was killed outright passes nothing on.
const end = () => process.kill(process.pid, 'SIGTERM');
process.on('disconnect', end);
if (process.connected === false) end();
process.channel?.unref();
// A reader that has seen enough (`| head`) is no fault.
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
