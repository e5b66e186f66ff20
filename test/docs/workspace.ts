/** A folder like that of a reader who checked the project out and ran `npm start`. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { showFirstUser } from '../../local/demo.ts';
import { type Platform, startPlatform } from '../../local/platform.ts';

const root = new URL('../../', import.meta.url).pathname;

export interface Workspace {
  readonly path: string;
  readonly platform: Platform;
  /**
   * For the documents' code, which reaches no AWS account: a block with `cdk deploy` must fail here, not
   * deploy.
   */
  readonly env: NodeJS.ProcessEnv;
  /** The variables that the guide exports before its code. */
  readonly given: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

export async function startWorkspace(): Promise<Workspace> {
  const platform = await startPlatform({ port: 0 });
  await showFirstUser(platform.info, () => {});
  const path = mkdtempSync(join(tmpdir(), 'countersign-docs-'));
  mkdirSync(join(path, '.countersign'));
  writeFileSync(join(path, '.countersign/local.json'), JSON.stringify(platform.info));
  for (const folder of ['examples', 'sdk/python', 'test/vectors', 'package.json'])
    cpSync(join(root, folder), join(path, folder), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(path, 'node_modules'));
  const { regions, clients } = platform.info;
  // A receiver in a document takes any port.
  const env = { ...withoutAws(process.env), PORT: '0' };
  const given = {
    COUNTERSIGN_URL: regions[0]!.url,
    COUNTERSIGN_API_KEY: clients[0]!.api_key,
    COUNTERSIGN_BASIC_KEY: clients[1]!.api_key,
  };
  const stop = async () => {
    rmSync(path, { recursive: true, force: true });
    await platform.stop();
  };
  return { path, platform, env, given, stop };
}

const withoutAws = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('AWS_'))),
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
});
