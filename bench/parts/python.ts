/** CPU time and memory of the Python SDK, beside a loop that a developer writes by hand, in one run. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startPlatform } from '../../local/platform.ts';
import { pythonWith } from '../../local/real/python.ts';
import { median, type Part, progress, type Row, ratios, spread } from '../report.ts';

const SDK = fileURLToPath(new URL('../../sdk/python', import.meta.url));
const SCRIPT = fileURLToPath(new URL('../processes/python_sdk.py', import.meta.url));
const MOST_RATIO = 1.3;
/** Growth of the client's memory over 99,000 registrations, in bytes: caches fill, and nothing else grows. */
const MOST_GROWTH = 100_000;

interface Raw {
  /** CPU time of each round, in microseconds a registration. */
  readonly micros: Readonly<Record<'hand' | 'sdk' | 'hand_async' | 'sdk_async', readonly number[]>>;
  /** Bytes held after so many registrations. */
  readonly memory: readonly [first: number, begin: number, last: number, end: number];
}

export const python: Part<Raw> = {
  async measure() {
    progress('python: installing');
    const command = await pythonWith(`${SDK}/requirements-dev.txt`);
    const platform = await startPlatform({ port: 0 });
    try {
      const { entry, regions, clients } = platform.info;
      const env = {
        ...process.env,
        PYTHONPATH: `${SDK}/src`,
        PYTHONDONTWRITEBYTECODE: '1',
        BENCH_URL: entry,
        BENCH_REGION: regions[0]!.url,
        COUNTERSIGN_API_KEY: clients[0]!.api_key,
      };
      progress('python: by hand and with the SDK in turn');
      const { stdout } = await promisify(execFile)(command, [SCRIPT], { env });
      return JSON.parse(stdout) as Raw;
    } finally {
      await platform.stop();
    }
  },
  sections({ micros, memory }) {
    const [first, begin, last, end] = memory;
    return [
      {
        title: 'The Python SDK',
        note: 'CPU time of the client for a registration at the local platform, beside a loop of httpx and joserfc that knows no retry, and the memory of a client.',
        rows: [
          beside('`Client`, one after the other', micros.sdk, micros.hand),
          beside('`AsyncClient`, 16 at a time', micros.sdk_async, micros.hand_async),
          {
            figure: `memory from ${first.toLocaleString('en')} to ${last.toLocaleString('en')} registrations`,
            measured: `${((end - begin) / 1000).toFixed(1)} KB more`,
            target: `≤ ${MOST_GROWTH / 1000} KB`,
            missed: end - begin > MOST_GROWTH,
          },
        ],
      },
    ];
  },
};

function beside(figure: string, sdk: readonly number[], hand: readonly number[]): Row {
  const ratio = median(ratios(sdk, hand));
  return {
    figure,
    measured: `${spread(sdk, 0)} µs beside ${spread(hand, 0)}: ${ratio.toFixed(2)} ×`,
    target: `≤ ${MOST_RATIO} ×`,
    missed: ratio > MOST_RATIO,
  };
}
