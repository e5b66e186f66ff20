/**
 * `npm start`: runs the platform on this machine until Ctrl-C, registers a first user, shows a standard
 * client, and suggests the next steps.
 */
import { once } from 'node:events';
import { interruption } from './interruption.ts';
import type { LocalFiles } from './local-files.ts';
import { parseOptions } from './options.ts';

const options = parseOptions(process.argv.slice(2));
const interrupted = interruption();
// Load the slow modules only now, so that a wrong flag or --help is answered at once.
const { showFirstUser } = await import('./demo.ts');
const { showStandardClient } = await import('./demo-oauth.ts');
const { openLocalFiles } = await import('./local-files.ts');
const { startPlatform } = await import('./platform.ts');
const { showNextSteps, showReady } = await import('./terminal.ts');

try {
  await run();
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
process.exit();

async function run(): Promise<void> {
  const startedMs = performance.now();
  const { json, demo, ...choices } = options;
  let files: LocalFiles | undefined;
  try {
    const platform = await startPlatform({
      ...choices,
      log: (entry) => files!.log(entry),
      // Only after the ports are taken: a second start on the same ports must not touch the first one's
      // files.
      onListening: async (port) => {
        files = await openLocalFiles(process.cwd(), port);
      },
    });
    try {
      if (!json) showReady(platform.info, options.consistency, performance.now() - startedMs);
      if (demo) {
        const print = json ? () => {} : console.log;
        await showFirstUser(platform.info, print);
        await showStandardClient(platform.info, print);
      }
      files!.announce(platform.info, platform.controlToken);
      if (json) process.stdout.write(`${JSON.stringify(platform.info)}\n`);
      else showNextSteps(platform.info, files!);
      if (!interrupted.aborted) await once(interrupted, 'abort');
    } finally {
      await platform.stop();
    }
  } finally {
    files?.close();
  }
  if (!json) process.stdout.write('\nStopped.\n');
}
