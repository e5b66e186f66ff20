/** The figures that a measured process reports about itself. */
import type { Profiler } from 'node:inspector';
import { Session } from 'node:inspector/promises';
import { layersOf } from '../layers.ts';
import type { Asks } from './ask.ts';

export interface Cpu {
  /** Of the whole process, in microseconds. */
  readonly total: number;
  /** Of the thread that runs JavaScript, in microseconds. */
  readonly main: number;
}

/** In bytes. */
export interface Memory {
  /** The part of V8's heap that is in use. */
  readonly heap: number;
  readonly rss: number;
  /** Resident memory outside V8's heap: code, buffers, OpenSSL's objects. */
  readonly native: number;
}

const SAMPLING_US = 250;

export function gauges(): Asks {
  const session = new Session();
  const sum = ({ user, system }: NodeJS.CpuUsage) => user + system;
  return {
    cpu: (): Cpu => ({ total: sum(process.cpuUsage()), main: sum(process.threadCpuUsage()) }),
    /** After a full collection. */
    memory: (): Memory => {
      gc?.();
      gc?.();
      const { heapUsed, heapTotal, rss } = process.memoryUsage();
      return { heap: heapUsed, rss, native: rss - heapTotal };
    },
    async startProfile() {
      session.connect();
      await session.post('Profiler.enable');
      await session.post('Profiler.setSamplingInterval', { interval: SAMPLING_US });
      await session.post('Profiler.start');
    },
    /** @returns the share of each layer in the time that the main thread was busy */
    async stopProfile(): Promise<Record<string, number>> {
      const { profile } = (await session.post('Profiler.stop')) as { profile: Profiler.Profile };
      session.disconnect();
      return layersOf(profile);
    },
  };
}
