/** The shell and Python in the documents run against the platform, each document's in one go, as its reader would. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Block, blocks } from '../docs/blocks.ts';
import { startWorkspace, type Workspace } from '../docs/workspace.ts';
import { pythonWith } from './python.ts';

const run = promisify(execFile);
const runnable = (wanted: string) =>
  blocks().filter(({ language, notRun }) => language === wanted && notRun === undefined);

let workspace: Workspace;
beforeAll(async () => {
  workspace = await startWorkspace();
});
afterAll(() => workspace?.stop());

it.each([...Map.groupBy(runnable('sh'), ({ file }) => file)])('the shell of %s', async (_, parts) => {
  const mark = '--- next block ---';
  const script = parts.map(({ code }) => `${code}\necho '${mark}'\n`).join('');
  const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script], { cwd: workspace.path });
  const outputs = stdout.split(`${mark}\n`);
  for (const [i, { at, prints }] of parts.entries()) if (prints) expect(outputs[i], at).toContain(prints);
});

it.each(runnable('python').map((block): [string, Block] => [block.at, block]))(
  'the Python of %s',
  async (_, { code, prints }) => {
    const requirements = fileURLToPath(new URL('../../examples/python/requirements.txt', import.meta.url));
    const { stdout } = await run(await pythonWith(requirements), ['-c', code], {
      env: { ...process.env, ...workspace.env },
    });
    if (prints) expect(stdout).toContain(prints);
  },
);
