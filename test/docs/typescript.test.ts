/** The TypeScript in the documents is compiled as strictly as ours, and runs against the platform. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Block, byFile, printed, runnable } from './blocks.ts';
import { startWorkspace, type Workspace } from './workspace.ts';

const run = promisify(execFile);

/** What the text around the code says is there. */
const GIVEN = {
  url: 'const url: string = process.env.COUNTERSIGN_URL!;',
  apiKey: 'const apiKey: string = process.env.COUNTERSIGN_API_KEY!;',
  users: "const users: { user_id: string }[] = [{ user_id: 'one' }, { user_id: 'two' }];",
};

/** The blocks of a document build on each other. */
const moduleOf = (parts: readonly Block[]): string => {
  const code = parts.map((part) => part.code).join('\n');
  const given = Object.entries(GIVEN).filter(
    ([name]) => new RegExp(`\\b${name}\\b`).test(code) && !code.includes(`const ${name} =`),
  );
  return [...given.map(([, line]) => line), code, 'export {};\n'].join('\n');
};

describe.each(byFile(runnable('ts')))('the code of %s', (file, parts) => {
  const name = `${file.replaceAll(/\W/g, '-')}.ts`;
  let workspace: Workspace;
  beforeAll(async () => {
    // Followed with `npm start` running, which has registered a first user.
    workspace = await startWorkspace();
  });
  afterAll(() => workspace?.stop());

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
    const env = { ...workspace.env, ...workspace.given };
    const { stdout, stderr } = await run(process.execPath, [name], { cwd: workspace.path, env });
    expect(stderr).toBe('');
    for (const part of parts) expect(printed(part, stdout), `${part.at}: ${stdout}`).toBe(true);
  });
});

describe('the example', () => {
  let workspace: Workspace;
  beforeAll(async () => {
    workspace = await startWorkspace();
  });
  afterAll(() => workspace?.stop());

  it('registers, with the platform that it finds', async () => {
    const { path: cwd, env } = workspace;
    const { stdout } = await run(process.execPath, ['examples/register.ts'], { cwd, env });
    expect(stdout).toContain("user_id: 'grace'");
  });
});
