/**
 * Applies one mutant at a time to a copy of the project, and runs the tests that must fail. `npm run mutants
 * [-- GUARANTEE|FILE…]`; exit code 1 if a mutant survives or does not apply.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type Mutant, mutated } from './mutant.ts';
import { MUTANTS } from './table.ts';

const root = new URL('../..', import.meta.url).pathname;
const LEFT_OUT = new Set(['node_modules', '.git', '.countersign', 'cdk.out', 'dist']);

function copyProject(): string {
  const copy = mkdtempSync(join(tmpdir(), 'countersign-mutants-'));
  cpSync(root, copy, { recursive: true, filter: (path) => !LEFT_OUT.has(basename(path)) });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** @returns whether the tests kill the mutant */
function judge(copy: string, mutant: Mutant): 'killed' | 'survived' | 'does not apply' {
  const path = join(copy, mutant.file);
  const original = readFileSync(path, 'utf8');
  const changed = mutated(mutant, original);
  if (changed === undefined) return 'does not apply';
  writeFileSync(path, changed);
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = [vitest, 'run', '--bail=1', '--root', copy, ...mutant.tests.split(' ')];
  const { status } = spawnSync(process.execPath, args, { cwd: copy, stdio: 'ignore' });
  writeFileSync(path, original);
  return status === 0 ? 'survived' : 'killed';
}

const wanted = process.argv.slice(2);
const chosen = MUTANTS.filter(
  ({ guarantee, file }) => wanted.length === 0 || wanted.includes(guarantee) || wanted.includes(file),
);
if (chosen.length === 0) {
  console.error(`error: no mutant has one of these guarantees or files: ${wanted.join(', ')}`);
  process.exit(2);
}
const copy = copyProject();
let alive = 0;
try {
  for (const [i, mutant] of chosen.entries()) {
    const verdict = judge(copy, mutant);
    if (verdict !== 'killed') alive += 1;
    console.log(`${i + 1}/${chosen.length} ${verdict.padEnd(14)} ${mutant.guarantee}: ${mutant.file}`);
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
console.log(`${chosen.length - alive} killed, ${alive} not`);
process.exitCode = alive === 0 ? 0 : 1;
