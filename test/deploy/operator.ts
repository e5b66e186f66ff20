/** An operator at a terminal, with AWS credentials alone. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Deployment, REGION, STAGE } from './deployment.ts';

const run = promisify(execFile);
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const NODE = path('../../node_modules/.bin/node');
const COUNTERSIGN = path('../../cli/countersign.mjs');

/**
 * Runs `countersign … --stage … --region … --json`.
 *
 * @returns the document that it prints
 * @throws with its exit `code` and `stderr`
 */
// biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
export async function countersign({ env }: Deployment, ...args: string[]): Promise<any> {
  const target = ['--stage', STAGE, '--region', REGION, '--json'];
  const { stdout } = await run(NODE, [COUNTERSIGN, ...args, ...target], {
    env: { PATH: process.env.PATH, ...env },
  });
  return JSON.parse(stdout);
}
