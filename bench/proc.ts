/** What Linux says of another process. */
import { readdirSync, readFileSync } from 'node:fs';

/** Microseconds of processor time of all its threads. */
export function cpuUsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, task) => {
    const [ns] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ');
    return sum + Number(ns) / 1_000;
  }, 0);
}

/** The most memory that was resident, in bytes. */
export function peakBytesOf(pid: number): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * 1024;
}
