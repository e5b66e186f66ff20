/** Runs the command line of this process. */
import { run } from './program.ts';

const interrupts = new Set<() => void>();
process.on('SIGINT', () => {
  // Nobody finishes anything: the shell's own meaning of Ctrl-C.
  if (interrupts.size === 0) process.exit(130);
  for (const interrupt of interrupts) interrupt();
});
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
