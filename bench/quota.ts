/** A share of a core, enforced by the kernel, for processes that are started in it. */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';

/** In microseconds: as the shares are small, a longer period would let a whole request through at once. */
const PERIOD_US = 20_000;
const ROOT = '/sys/fs/cgroup';

export interface Quota {
  /** @returns the command that runs another one in the share */
  wrap(command: string, args: readonly string[]): [command: string, args: string[]];
  /** When all its processes have ended. */
  remove(): void;
}

/** @returns undefined where this process may not make a control group */
export function makeQuota(share: number): Quota | undefined {
  const quotaUs = String(Math.round(share * PERIOD_US));
  const name = `countersign-bench-${process.pid}-${quotaUs}`;
  return (
    group(`${ROOT}/cpu/${name}`, { 'cpu.cfs_period_us': String(PERIOD_US), 'cpu.cfs_quota_us': quotaUs }) ??
    group(`${ROOT}/${name}`, { 'cpu.max': `${quotaUs} ${PERIOD_US}` })
  );
}

/** @param settings by file; a file that does not exist means that this kind of group is not mounted here */
function group(path: string, settings: Readonly<Record<string, string>>): Quota | undefined {
  try {
    mkdirSync(path);
  } catch {
    return undefined;
  }
  try {
    for (const [file, text] of Object.entries(settings)) {
      readFileSync(`${path}/${file}`);
      writeFileSync(`${path}/${file}`, text);
    }
  } catch {
    rmdirSync(path);
    return undefined;
  }
  return {
    wrap: (command, args) => [
      'sh',
      ['-c', 'echo $$ > "$0" && exec "$@"', `${path}/cgroup.procs`, command, ...args],
    ],
    remove: () => rmdirSync(path),
  };
}
