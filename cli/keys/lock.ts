/**
 * The project's file of frozen settings, as far as a promotion changes it (docs/deploy-config.md, "Frozen").
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KEYS_MANAGED_BY, LOCK_FILE } from '../../lambda/contract/lock-file.ts';
import { isJsonObject } from '../../protocol/json.ts';

export interface Lock {
  /** Names the Region that makes keys in a stage's entry, if there is one. */
  write(stage: string, region: string): { readonly done: boolean; readonly detail: string };
}

export function projectLock(directory: string): Lock {
  const path = join(directory, LOCK_FILE);
  return {
    write(stage, region) {
      const lock = read(path);
      const entry = lock?.[stage];
      if (!isJsonObject(entry)) {
        const line = `"${KEYS_MANAGED_BY}": "${region}"`;
        return {
          done: false,
          detail: `no ${LOCK_FILE} with an entry for ${stage} is here: run this command in the project's directory, or write ${line} into that entry`,
        };
      }
      const detail = `${LOCK_FILE} has ${KEYS_MANAGED_BY}: ${region}`;
      if (entry[KEYS_MANAGED_BY] === region) return { done: true, detail };
      const after = { ...lock, [stage]: { ...entry, [KEYS_MANAGED_BY]: region } };
      writeFileSync(path, `${JSON.stringify(after, undefined, 2)}\n`);
      return { done: true, detail: `${detail} from now on: commit it` };
    },
  };
}

/** @returns the Regions that a stage's entry names; none without an entry */
export function lockedRegions(directory: string, stage: string): readonly string[] {
  const entry = read(join(directory, LOCK_FILE))?.[stage];
  const regions = isJsonObject(entry) && Array.isArray(entry.regions) ? entry.regions : [];
  return regions.filter((each) => typeof each === 'string');
}

function read(path: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
