/** A folder as somebody has it who checked this project out and ran `npm start`. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Platform, startPlatform } from '../../local/platform.ts';

const root = new URL('../../', import.meta.url).pathname;

export interface Workspace {
  readonly path: string;
  readonly platform: Platform;
  /** What the documents' code expects to be told. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

export async function startWorkspace(): Promise<Workspace> {
  const platform = await startPlatform({ port: 0 });
  const path = mkdtempSync(join(tmpdir(), 'countersign-docs-'));
  mkdirSync(join(path, '.countersign'));
  writeFileSync(join(path, '.countersign/local.json'), JSON.stringify(platform.info));
  cpSync(join(root, 'examples'), join(path, 'examples'), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(path, 'node_modules'));
  const { regions, clients } = platform.info;
  const env = {
    COUNTERSIGN_URL: regions[0]!.url,
    COUNTERSIGN_API_KEY: clients[0]!.api_key,
    COUNTERSIGN_BASIC_KEY: clients[1]!.api_key,
  };
  const stop = async () => {
    rmSync(path, { recursive: true, force: true });
    await platform.stop();
  };
  return { path, platform, env, stop };
}
