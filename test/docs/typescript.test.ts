/** The TypeScript in the documents is compiled as strictly as ours, and runs against the platform. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Block, blocks, RUNNABLE } from './blocks.ts';
import { startWorkspace, type Workspace } from './workspace.ts';

const run = promisify(execFile);
const all = blocks();
const documents = new Map<string, Block[]>();
for (const block of all.filter(({ language, notRun }) => language === 'ts' && notRun === undefined))
  documents.set(block.file, [...(documents.get(block.file) ?? []), block]);

let workspace: Workspace;
beforeAll(async () => {
  workspace = await startWorkspace();
});
afterAll(() => workspace?.stop());

/** What the text around the code says is there. The blocks of a document build on each other. */
const GIVEN = `
const url: string = process.env.COUNTERSIGN_URL!;
const apiKey: string = process.env.COUNTERSIGN_API_KEY!;
const users: { user_id: string }[] = [{ user_id: 'one' }, { user_id: 'two' }];
`;

const moduleOf = (parts: readonly Block[]): string => {
  const code = parts.map(({ code }) => code).join('\n');
  const given = GIVEN.split('\n').filter((line) =>
    new RegExp(`\\b${/const (\w+)/.exec(line)?.[1]}\\b`).test(code),
  );
  return `${given.join('\n')}\n${code}\nexport {};\n`;
};

describe.each([...documents])('the code of %s', (file, parts) => {
  const name = `${file.replaceAll(/\W/g, '-')}.ts`;

  it('is compiled', async () => {
    const { compilerOptions } = JSON.parse(
      readFileSync(new URL('../../tsconfig.json', import.meta.url), 'utf8'),
    );
    // A document shows what there is, used or not.
    const options = { ...compilerOptions, noUnusedLocals: false };
    writeFileSync(join(workspace.path, 'package.json'), '{"type":"module"}');
    writeFileSync(join(workspace.path, name), moduleOf(parts));
    writeFileSync(
      join(workspace.path, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: options, files: [name] }),
    );
    const tsc = new URL('../../node_modules/typescript/bin/tsc', import.meta.url).pathname;
    const { stdout } = await run(process.execPath, [tsc, '-p', workspace.path]).catch((error) => error);
    expect(stdout).toBe('');
  });

  it('runs', async () => {
    writeFileSync(join(workspace.path, name), moduleOf(parts));
    const env = { ...process.env, ...workspace.env };
    const { stderr } = await run(process.execPath, [name], { cwd: workspace.path, env });
    expect(stderr).toBe('');
  });
});

it('every block of a language that runs is run, or says why not', () => {
  const runnable = all.filter(({ language }) => RUNNABLE.includes(language));
  expect(runnable.length).toBeGreaterThan(10);
  for (const { at, notRun } of runnable) expect(notRun, at).not.toBe('');
  // A language under another name would go unnoticed.
  const others = new Set(all.map(({ language }) => language).filter((name) => !RUNNABLE.includes(name)));
  expect([...others].sort()).toEqual(['http', 'json', 'text']);
});
