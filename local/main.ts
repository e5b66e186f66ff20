/** `npm start`: the platform on this machine, a first user, and what to try next; until Ctrl-C. */
import { parseOptions } from './options.ts';

const options = parseOptions(process.argv.slice(2));
// Only then what takes its time to load: a wrong flag, or --help, is answered at once.
const { showFirstUser } = await import('./demo.ts');
const { openLocalFiles } = await import('./local-files.ts');
const { startPlatform } = await import('./platform.ts');
const { showNextSteps, showReady } = await import('./terminal.ts');

// Taken from the start, so that an early Ctrl-C also ends in order; a second one changes nothing.
const interrupted = new Promise<void>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve());
});

try {
  await run();
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
process.exit();

async function run(): Promise<void> {
  const startedMs = performance.now();
  const { json, demo, port, regions, consistency, vault } = options;
  const files = openLocalFiles(process.cwd());
  try {
    const platform = await startPlatform({ port, regions, consistency, vault, log: files.log });
    try {
      if (!json) showReady(platform.info, consistency, performance.now() - startedMs);
      if (demo) await showFirstUser(platform.info, json ? () => {} : console.log);
      files.announce(platform.info);
      if (json) process.stdout.write(`${JSON.stringify(platform.info)}\n`);
      else showNextSteps(platform.info, files);
      await interrupted;
    } finally {
      await platform.stop();
    }
  } finally {
    files.close();
  }
  if (!json) process.stdout.write('\nStopped.\n');
}
