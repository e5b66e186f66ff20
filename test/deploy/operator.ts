/** An operator at a terminal, with AWS credentials only. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Deployment } from '../../local/deploy/deployment.ts';

const run = promisify(execFile);
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const NODE = path('../../node_modules/.bin/node');
const COUNTERSIGN = path('../../cli/countersign.mjs');

/**
 * Runs `countersign … --stage … --region … --json`, by default of the home Region.
 *
 * @returns the document that it prints
 * @throws with its exit `code`, `stdout` and `stderr`
 */
export async function countersign(
  { stage, regions, env }: Deployment,
  args: readonly string[],
  names: readonly string[] = [regions[0]!.name],
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
): Promise<any> {
  const target = ['--stage', stage, '--region', names.join(','), '--json'];
  const { stdout } = await run(NODE, [COUNTERSIGN, ...args, ...target], {
    env: { PATH: process.env.PATH, ...env },
  });
  return JSON.parse(stdout);
}
