/** Processor time, memory and size of the TypeScript SDK, beside a loop that a developer writes by hand. */
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { buildSync } from 'esbuild';
import type { PlatformInfo } from '../../local/platform.ts';
import { CORES } from '../machine.ts';
import { startChild } from '../processes/child.ts';
import type { Target } from '../processes/client.ts';
import { median, type Part, progress, type Row, ratios, spread } from '../report.ts';

const ENTRY = fileURLToPath(new URL('../../sdk/typescript/index.ts', import.meta.url));
const ROUNDS = 7;
const USERS = 400;
const CONCURRENCY = 16;
const MOST_RATIO = 1.3;
const FIRST = 1_000;
const LAST = 100_000;
/** Growth of the client's memory between the two, in bytes: caches fill, and nothing else grows. */
const MOST_GROWTH = 1_000_000;
const KIB = 1024;

type Way = 'byHand' | 'bySdk';

interface Raw {
  /** Processor time of each round, in microseconds a registration: one after the other, and side by side. */
  readonly serial: Readonly<Record<Way, readonly number[]>>;
  readonly batch: Readonly<Record<Way, readonly number[]>>;
  /** Bytes held after so many registrations. */
  readonly memory: readonly [first: number, last: number];
  /** Bytes of a minified bundle for browsers. */
  readonly bundle: { readonly bytes: number; readonly gzipped: number };
}

export const sdk: Part<Raw> = {
  async measure() {
    const platform = await startChild('platform.ts', CORES.server);
    const client = await startChild('client.ts', CORES.load);
    try {
      const { entry: url, regions, clients } = await platform.ask<PlatformInfo>('info');
      const target = { url, region: regions[0]!.url, apiKey: clients[0]!.api_key, users: USERS };
      const measured = async (concurrency: number) => {
        const micros = { byHand: [] as number[], bySdk: [] as number[] };
        for (let round = 0; round <= ROUNDS; round++) {
          progress(`sdk: ${concurrency} at a time, round ${round} of ${ROUNDS}`);
          for (const way of ['byHand', 'bySdk'] as const) {
            const spent = await client.ask<number>(way, { ...target, concurrency } satisfies Target);
            // The first round only warms up.
            if (round > 0) micros[way].push(spent);
          }
        }
        return micros;
      };
      const serial = await measured(1);
      const batch = await measured(CONCURRENCY);
      progress('sdk: memory');
      const memory = await client.ask<[number, number]>('memory', { first: FIRST, last: LAST });
      return { serial, batch, memory, bundle: bundled() };
    } finally {
      await client.stop();
      await platform.stop();
    }
  },
  sections({ serial, batch, memory: [first, last], bundle }) {
    const [from, to] = [FIRST, LAST].map((count) => count.toLocaleString('en'));
    return [
      {
        title: 'The TypeScript SDK',
        note: `Processor time of the client for a registration at the local platform, beside a loop of \`fetch\` and jose that knows no retry; ${USERS} registrations a round, ${ROUNDS} rounds in turn. The memory of a client. The size of a bundle for browsers, minified, with jose.`,
        rows: [
          beside('`register`, one after the other', serial),
          beside(`\`registerBatch\`, ${CONCURRENCY} at a time`, batch),
          {
            figure: `memory from ${from} to ${to} registrations`,
            measured: `${((last - first) / 1000).toFixed(0)} KB more`,
            target: `≤ ${MOST_GROWTH / 1000} KB`,
            missed: last - first > MOST_GROWTH,
          },
          {
            figure: 'size in a browser',
            measured: `${(bundle.bytes / KIB).toFixed(0)} KiB, gzipped ${(bundle.gzipped / KIB).toFixed(0)} KiB`,
          },
        ],
      },
    ];
  },
};

function bundled(): Raw['bundle'] {
  const options = { bundle: true, minify: true, format: 'esm', platform: 'browser', write: false } as const;
  const { contents } = buildSync({ ...options, entryPoints: [ENTRY] }).outputFiles[0]!;
  return { bytes: contents.length, gzipped: gzipSync(contents).length };
}

function beside(figure: string, { byHand, bySdk }: Readonly<Record<Way, readonly number[]>>): Row {
  const ratio = median(ratios(bySdk, byHand));
  return {
    figure,
    measured: `${spread(bySdk, 0)} µs beside ${spread(byHand, 0)}: ${ratio.toFixed(2)} ×`,
    target: `≤ ${MOST_RATIO} ×`,
    missed: ratio > MOST_RATIO,
  };
}
