/** The folder of a proof on AWS: a CDK project of its own, with the settings that the proof changed. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { LOCK_CONTEXT } from '../../lib/config/lock.ts';
import type { ConfigInput } from '../../lib/config/schema.ts';
import type { Changes } from './tools.ts';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const NODE = path('../../node_modules/.bin/node');

/** In the proof's folder. */
export const CHANGES_FILE = 'changes.json';

/** Content of that file, which the app reads: the project's config, and the proof's changes to it. */
export interface ChangedConfig {
  /** Path of the project's config. */
  readonly file: string;
  readonly changes: Changes;
}

export async function changedConfig({ file, changes }: ChangedConfig): Promise<ConfigInput> {
  const { default: input } = (await import(pathToFileURL(file).href)) as { default: ConfigInput };
  const { keys, tables } = changes;
  const schema = input.registrationSchema;
  return {
    ...input,
    // The app runs in another folder than the project's own.
    ...(typeof schema === 'string' && { registrationSchema: resolve(dirname(file), schema) }),
    ...(keys && { keys: { ...input.keys, ...keys } }),
    ...(tables && { tables: { ...input.tables, ...tables } }),
  };
}

export interface Project {
  readonly directory: string;
  /** Adds to what was changed before. */
  change(changes: Changes): void;
}

/** Makes the folder, or finds that of an earlier run. */
export function openProject(directory: string, file: string): Project {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const changesFile = join(directory, CHANGES_FILE);
  const write = (changes: Changes) => {
    const content: ChangedConfig = { file, changes };
    writeFileSync(changesFile, `${JSON.stringify(content, undefined, 2)}\n`);
  };
  const before = (): Changes =>
    existsSync(changesFile) ? (JSON.parse(readFileSync(changesFile, 'utf8')) as ChangedConfig).changes : {};
  write(before());
  const { context } = JSON.parse(readFileSync(path('../../cdk.json'), 'utf8')) as { context: object };
  // The lock of this stage begins and ends with the proof, and lies in its folder.
  const cdk = { app: `"${NODE}" "${path('app.ts')}"`, context: { ...context, [LOCK_CONTEXT]: 'write' } };
  writeFileSync(join(directory, 'cdk.json'), `${JSON.stringify(cdk, undefined, 2)}\n`);
  return { directory, change: (changes) => write({ ...before(), ...changes }) };
}
