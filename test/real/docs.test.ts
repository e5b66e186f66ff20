/**
 * The code in the documents runs in one shell, in reading order. Variables and files of one block are there
 * for the next one, also in the next document.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Block, FOLLOWED, moduleOf, printed, runnable } from '../docs/blocks.ts';
import { startWorkspace, type Workspace } from '../docs/workspace.ts';

const run = promisify(execFile);
/** The longest time that a test waits for all documents, in which pip installs twice. */
const FOLLOW_MS = 300_000;

let workspace: Workspace;
beforeEach(async () => {
  workspace = await startWorkspace();
});
afterEach(() => workspace?.stop());

const [readme, guide, ...others] = FOLLOWED as [string, string, ...string[]];

it.each([
  ['in the order in which they stand', FOLLOWED],
  // The guide's variables are set when the README's commands run.
  ['with the guide first', [guide, readme, ...others]],
])('every document, %s', { timeout: FOLLOW_MS }, async (_, files) => {
  const steps = files.flatMap((file) => stepsOf(runnable(file)));
  const mark = '--- next block ---';
  const script = steps.map(({ command }) => `${command}\necho '${mark}'\n`).join('');
  const { path: cwd, env } = workspace;
  const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script], { cwd, env });
  const outputs = stdout.split(`${mark}\n`);
  expect(outputs).toHaveLength(steps.length + 1);
  for (const [i, { blocks }] of steps.entries())
    for (const block of blocks) expect(printed(block, outputs[i]!), `${block.at}: ${outputs[i]}`).toBe(true);
});

interface Step {
  readonly blocks: readonly Block[];
  /** The input that a reader types. */
  readonly command: string;
}

/**
 * The TypeScript of a document is one file that grows from block to block. It runs once, at the place of its
 * last block.
 */
function stepsOf(blocks: readonly Block[]): Step[] {
  const typescript = blocks.filter(({ language }) => language === 'ts');
  return blocks.flatMap((block): Step[] => {
    if (block.language === 'sh') return [{ blocks: [block], command: block.code }];
    if (block.language === 'python')
      return [{ blocks: [block], command: `.venv/bin/python - <<'END'\n${block.code}END` }];
    if (block !== typescript.at(-1)) return [];
    const save = `cat > first.ts <<'END'\n${moduleOf(typescript)}END`;
    return [{ blocks: typescript, command: `${save}\nnode_modules/.bin/node first.ts` }];
  });
}
