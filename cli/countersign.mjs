#!/usr/bin/env node
/**
 * The `countersign` command, in plain JavaScript that any Node can run. Node before 24 cannot run this
 * TypeScript, so it starts the Node that is installed with the project.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const start = join(here, 'start.ts');
const needed = 24;

if (Number(process.versions.node.split('.')[0]) >= needed) await import('./start.ts');
else {
  const bin = join(
    here,
    '..',
    'node_modules',
    process.platform === 'win32' ? 'node/bin/node.exe' : '.bin/node',
  );
  if (existsSync(bin)) {
    // The IPC channel closes when this process ends, even by SIGKILL: the child notices. The child's end ends
    // this process.
    const stdio = ['inherit', 'inherit', 'inherit', 'ipc'];
    const child = spawn(bin, [start, ...process.argv.slice(2)], { stdio });
    // A terminal sends Ctrl-C to the child too; main.ts counts it once. The other signals only end the child.
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
