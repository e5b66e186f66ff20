/**
 * The TypeScript in the documents is compiled as strictly as the project's own, and runs against the
 * platform.
 */
import { execFile } from 'node:child_process';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPlatform } from '../../local/platform.ts';
import { CountersignClient } from '../../sdk/typescript/index.ts';
import { closedUrl } from '../cli/cli.ts';
import { FOLLOWED, moduleOf, printed, runnable } from './blocks.ts';
import { startWorkspace, type Workspace } from './workspace.ts';

const run = promisify(execFile);

const typescript = FOLLOWED.map(
  (file) => [file, runnable(file).filter(({ language }) => language === 'ts')] as const,
);

describe.each(typescript)('the code of %s', (file, parts) => {
  const name = `${file.replaceAll(/\W/g, '-')}.ts`;
  let workspace: Workspace;
  beforeAll(async () => {
    // The reader has `npm start` running, which registered a first user.
    workspace = await startWorkspace();
  });
  afterAll(() => workspace?.stop());

  it('compiles', async () => {
    const { compilerOptions } = JSON.parse(
      readFileSync(new URL('../../tsconfig.json', import.meta.url), 'utf8'),
    );
    // A document may declare things that it does not use.
    const options = { ...compilerOptions, noUnusedLocals: false };
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

  const example = (env: Record<string, string> = {}) =>
    run(process.execPath, ['examples/register.ts'], {
      cwd: workspace.path,
      env: { ...workspace.env, ...env },
    });

  it('registers with the platform that it finds', async () => {
    expect((await example()).stdout).toContain("user_id: 'grace'");
  });

  it('registers with the platform that the environment names, even if a local one runs', async () => {
    const elsewhere = await startPlatform({ port: 0 });
    try {
      const { entry, clients } = elsewhere.info;
      const key = clients[0]!.api_key;
      const { stdout } = await example({ COUNTERSIGN_URL: entry, COUNTERSIGN_API_KEY: key });
      expect(stdout).toContain("user_id: 'grace'");
      await using client = new CountersignClient({ url: entry, apiKey: key });
      const { replayed } = await client.register({
        ...{ user_id: 'grace', email: 'grace@example.com', display_name: 'Grace Hopper' },
      });
      expect(replayed).toBe(true);
    } finally {
      await elsewhere.stop();
    }
  });

  it('does not register with only half of its settings', async () => {
    const half = example({ COUNTERSIGN_URL: 'https://api.example.com' });
    await expect(half).rejects.toThrow('set COUNTERSIGN_URL and COUNTERSIGN_API_KEY, or neither');
  });

  it('says in one line that no platform runs, or that none answers', async () => {
    const { url, key } = { url: await closedUrl(), key: workspace.platform.info.clients[0]!.api_key };
    const refused = { COUNTERSIGN_URL: url, COUNTERSIGN_API_KEY: key };
    const failed = async (env: Record<string, string>) =>
      (await example(env).catch((error) => error)).stderr as string;
    expect(await failed(refused)).toMatch(/^error: no answer from .*: ECONNREFUSED\n$/);
    const file = join(workspace.path, '.countersign/local.json');
    renameSync(file, `${file}.aside`);
    expect(await failed({})).toMatch(/^error: no platform runs here: start one with `npm start`.*\n$/);
    renameSync(`${file}.aside`, file);
  });
});
