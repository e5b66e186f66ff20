/** The shell and Python in the documents run against the platform, each document's in one go, as its reader would. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { pythonWith } from '../../local/real/python.ts';
import { type Block, byFile, printed, runnable } from '../docs/blocks.ts';
import { startWorkspace, type Workspace } from '../docs/workspace.ts';

const run = promisify(execFile);

let workspace: Workspace;
beforeAll(async () => {
  workspace = await startWorkspace();
});
afterAll(() => workspace?.stop());

it.each(byFile(runnable('sh')))('the shell of %s', async (_, parts) => {
  const mark = '--- next block ---';
  const script = parts.map(({ code }) => `${code}\necho '${mark}'\n`).join('');
  const { path: cwd, env } = workspace;
  const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script], { cwd, env });
  const outputs = stdout.split(`${mark}\n`);
  expect(outputs).toHaveLength(parts.length + 1);
  for (const [i, part] of parts.entries())
    expect(printed(part, outputs[i]!), `${part.at}: ${outputs[i]}`).toBe(true);
});

it.each(runnable('python').map((block): [string, Block] => [block.at, block]))(
  'the Python of %s',
  async (_, block) => {
    const requirements = fileURLToPath(new URL('../../examples/python/requirements.txt', import.meta.url));
    const { stdout } = await run(await pythonWith(requirements), ['-c', block.code], {
      cwd: workspace.path,
      env: { ...workspace.env, ...workspace.given },
    });
    expect(printed(block, stdout), stdout).toBe(true);
  },
);
