/**
 * What a function's memory size does to its latency and its cost: Lambda gives processor time with memory.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MEMORY_MB } from '../../lib/functions/platform-function.ts';
import type { PlatformInfo } from '../../local/platform.ts';
import { PRICE } from '../../scripts/prices.ts';
import { build } from '../builds.ts';
import { CORES } from '../machine.ts';
import { cpuUsOf, peakBytesOf } from '../proc.ts';
import { type Child, startChild } from '../processes/child.ts';
import { startCold } from '../processes/cold.ts';
import type { Driven } from '../processes/load.ts';
import type { Signer } from '../processes/proofs.ts';
import { makeQuota } from '../quota.ts';
import { type Part, progress, type Row, type Section, spread } from '../report.ts';

/** A whole vCPU (docs/aws-truths.md). */
const VCPU_MB = 1769;
const SIZES = [128, 256, 512, MEMORY_MB, VCPU_MB] as const;
const STARTS = 3;
const WARM_UP = 200;
const REGISTRATIONS = 400;
const MILLION = 1e6;

/** What one size was measured at. */
interface Size {
  readonly mb: number;
  /** Milliseconds from the start of the process to its first 201, by start. */
  readonly first: readonly number[];
  readonly latencyMs: Driven['latencyMs'];
  readonly meanMs: number;
  /** Processor time per registration. */
  readonly cpuUs: number;
  readonly peakBytes: number;
}

/** Empty where the machine lets nobody limit a process. */
type Raw = readonly Size[];

export const sizes: Part<Raw> = {
  measure,
  sections: (raw) => (raw.length === 0 ? [none()] : [section(raw)]),
};

async function measure(): Promise<Raw> {
  const outdir = mkdtempSync(join(tmpdir(), 'countersign-sizes-'));
  const platform = await startChild('platform.ts', CORES.load);
  const load = await startChild('load.ts', CORES.load);
  try {
    const { server, deployed } = build(outdir);
    const info = await platform.ask<PlatformInfo>('info');
    const measured: Size[] = [];
    for (const mb of SIZES) {
      progress(`sizes: ${mb} MB`);
      const size = await measureSize(mb, [server, deployed], info, load);
      if (size) measured.push(size);
    }
    return measured;
  } finally {
    await load.stop();
    await platform.stop();
    rmSync(outdir, { recursive: true, force: true });
  }
}

async function measureSize(
  mb: number,
  args: readonly string[],
  info: PlatformInfo,
  load: Child,
): Promise<Size | undefined> {
  const quota = makeQuota(mb / VCPU_MB);
  if (!quota) return undefined;
  try {
    const { client_id: clientId, api_key: apiKey } = info.clients[0]!;
    const signers: Signer[] = [{ clientId, kid: '1', alg: 'HS256', apiKey }];
    const first: number[] = [];
    for (let start = 1; ; start++) {
      const began = performance.now();
      const cold = await startCold(args, { info, quota });
      try {
        const drive = (requests: number) =>
          load.ask<Driven>('drive', {
            ...{ url: info.regions[0]!.url, sendTo: [cold.url], issuer: info.entry, kind: 'registration' },
            ...{ signers, connections: 1, requests },
          });
        await drive(1);
        first.push(performance.now() - began);
        if (start < STARTS) continue;
        await drive(WARM_UP);
        const pid = cold.process.pid!;
        const before = cpuUsOf(pid);
        const { latencyMs, seconds, requests } = await drive(REGISTRATIONS);
        const cpuUs = (cpuUsOf(pid) - before) / requests;
        const meanMs = (seconds * 1_000) / requests;
        return { mb, first, latencyMs, meanMs, cpuUs, peakBytes: peakBytesOf(pid) };
      } finally {
        await cold.stop();
      }
    }
  } finally {
    quota.remove();
  }
}

const TITLE = 'Memory sizes: cost and latency';

const none = (): Section => ({
  title: TITLE,
  note: 'Not measured: this machine lets nobody limit a process to a part of a core.',
  rows: [],
});

/** USD for a million registrations: of what Lambda bills by time. */
const usd = ({ mb, meanMs }: Size): number =>
  MILLION * (Math.ceil(meanMs) / 1_000) * (mb / 1_024) * PRICE.gbSecond;

function section(all: Raw): Section {
  const row = (size: Size): Row => {
    const { mb, first, latencyMs, cpuUs, peakBytes } = size;
    return {
      figure: `${mb.toLocaleString('en')} MB: ${((100 * mb) / VCPU_MB).toFixed(0)} % of a core`,
      measured: `${usd(size).toFixed(2)} USD a million; ${latencyMs['50'].toFixed(1)} ms, 95 %: ${latencyMs['95'].toFixed(1)} ms, 99 %: ${latencyMs['99'].toFixed(1)} ms; ${cpuUs.toFixed(0)} µs of processor time; first 201 after ${spread(first, 0)} ms; ${(peakBytes / 2 ** 20).toFixed(0)} MiB resident at most${peakBytes > mb * 2 ** 20 ? ': **does not fit**' : ''}`,
      values: [usd(size)],
    };
  };
  return {
    title: TITLE,
    note: `The deployed register function, one registration at a time, in a control group that gives it the part of a core that Lambda gives to this size: memory / ${VCPU_MB.toLocaleString('en')} MB. Its store is the local platform’s AWS endpoint, where the write of a registration takes 10 ms and that of a nonce none. ${REGISTRATIONS} registrations after ${WARM_UP}; ${STARTS} starts. The cost is the mean latency, rounded up to a millisecond, at the price of [cost](cost.md) for arm64, without the price of a request. Lambda’s own runtime replaces the HTTP server that is in these figures, and needs memory of its own, as TLS does; initialisation, which Lambda may run with more of a core than this, is in the first 201.`,
    unit: 'USD a million registrations',
    rows: all.map(row),
    remarks: [advice(all)],
  };
}

function advice(all: Raw): string {
  const cheapest = all
    .filter(({ mb, peakBytes }) => peakBytes <= mb * 2 ** 20)
    .reduce((best, size) => (usd(size) < usd(best) ? size : best), all.at(-1)!);
  const ours = all.find(({ mb }) => mb === MEMORY_MB)!;
  const first = ({ first: ms }: Size) => spread(ms, 0);
  return `The cheapest size that fits is ${cheapest.mb.toLocaleString('en')} MB: ${usd(cheapest).toFixed(2)} USD a million, against ${usd(ours).toFixed(2)} at the ${MEMORY_MB.toLocaleString('en')} MB that the stacks set. The difference is small beside what a million registrations cost in all ([cost](cost.md)), and most of a registration is waiting for the store, which costs the more the more memory waits. The stacks set ${MEMORY_MB.toLocaleString('en')} MB for the requests that meet a cold start, ${first(ours)} instead of ${first(cheapest)} ms, and for the slowest of the others: ${ours.latencyMs['99'].toFixed(1)} instead of ${cheapest.latencyMs['99'].toFixed(1)} ms at 99 %.`;
}
