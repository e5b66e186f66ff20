#!/usr/bin/env node
/**
 * The `countersign` command: plain JavaScript for any Node. An older one than 24, which cannot run TypeScript as it
 * is, hands over to the one that the project brings with it.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const main = join(here, 'main.ts');
const needed = 24;

if (Number(process.versions.node.split('.')[0]) >= needed) await import('./main.ts');
else {
  const bin = join(
    here,
    '..',
    'node_modules',
    process.platform === 'win32' ? 'node/bin/node.exe' : '.bin/node',
  );
  if (existsSync(bin)) {
    // It sees this process end, also by SIGKILL, since the channel to it closes then. Its own end is ours.
    const stdio = ['inherit', 'inherit', 'inherit', 'ipc'];
    const child = spawn(bin, [main, ...process.argv.slice(2)], { stdio });
    // A terminal's Ctrl-C reaches the child as well, which counts it once (main.ts). Other signals only end it.
    process.on('SIGINT', () => child.connected && child.send('SIGINT', () => {}));
    for (const name of ['SIGTERM', 'SIGHUP']) process.on(name, () => child.kill(name));
    child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
  } else {
    process.stderr.write(
      `error: countersign needs Node ${needed} or later, and this is ${process.version}; run \`npm ci\` in its project\n`,
    );
    process.exitCode = 3;
  }
}
