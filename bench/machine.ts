/** The machine that the figures come from, and how a process is pinned to one of its cores. */
import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';

/** A description, which does not identify a machine among others of its kind. */
export const MACHINE = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${process.platform} ${process.arch}`;

export interface Cores {
  /** The core of the measured process. */
  readonly server: number | undefined;
  /** The core of the load generator. */
  readonly load: number | undefined;
  /** A sentence for the report. */
  readonly note: string;
}

/** The first two cores that this process may use. */
export const CORES: Cores = chooseCores(allowedCores());

function chooseCores([server, load]: readonly number[]): Cores {
  if (server === undefined)
    return {
      server,
      load,
      note: 'There is no `taskset` here, so no process is kept to a core: the figures are the scheduler’s too.',
    };
  if (load === undefined)
    return { server, load: server, note: 'Server and load generator share the one core there is.' };
  return { server, load, note: 'The server is pinned to one core, the load generator to another.' };
}

/** @returns none if there is no `taskset` (util-linux) */
function allowedCores(): number[] {
  try {
    const answer = execFileSync('taskset', ['-cp', String(process.pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const list = answer.slice(answer.lastIndexOf(':') + 1).trim();
    return list.split(',').flatMap((range) => {
      const [first = 0, last = first] = range.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
  } catch {
    return [];
  }
}

/** @returns the command that runs Node with these arguments, pinned to a core if one is given */
export function pinned(core: number | undefined, args: readonly string[]): [command: string, args: string[]] {
  return core === undefined
    ? [process.execPath, [...args]]
    : ['taskset', ['-c', String(core), process.execPath, ...args]];
}
