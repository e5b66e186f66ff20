/** CPU time and memory of the Python SDK, beside a loop that a developer writes by hand, in one run. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startPlatform } from '../../local/platform.ts';
import { pythonWith } from '../../local/real/python.ts';
import { type Measured, median, progress, type Row, spread } from '../report.ts';

const SDK = fileURLToPath(new URL('../../sdk/python', import.meta.url));
const SCRIPT = fileURLToPath(new URL('../processes/python_sdk.py', import.meta.url));
const MOST_RATIO = 1.3;
/** Growth of the client's memory over 99,000 registrations, in bytes: caches fill, and nothing else grows. */
const MOST_GROWTH = 100_000;

interface Result {
  /** CPU time of each round, in microseconds a registration. */
  readonly micros: Readonly<Record<'hand' | 'sdk' | 'hand_async' | 'sdk_async', readonly number[]>>;
  /** Bytes held after so many registrations. */
  readonly memory: readonly [first: number, begin: number, last: number, end: number];
}

export async function measurePython(): Promise<Measured> {
  progress('python: installing');
  const python = await pythonWith(`${SDK}/requirements-dev.txt`);
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
    const { stdout } = await promisify(execFile)(python, [SCRIPT], { env });
    return report(JSON.parse(stdout) as Result);
  } finally {
    await platform.stop();
  }
}

function report({ micros, memory }: Result): Measured {
  const row = (figure: string, sdk: readonly number[], hand: readonly number[]): Row => {
    // Each round beside the other's of the same moment: the machine's speed changes.
    const ratio = median(sdk.map((spent, i) => spent / hand[i]!));
    return {
      figure,
      measured: `${spread(sdk, 0)} µs beside ${spread(hand, 0)}: ${ratio.toFixed(2)} ×`,
      target: `≤ ${MOST_RATIO} ×`,
      missed: ratio > MOST_RATIO,
    };
  };
  const [first, begin, last, end] = memory;
  return {
    sections: [
      {
        title: 'The Python SDK',
        note: 'CPU time of the client for a registration at the local platform, beside a loop of httpx and joserfc that knows no retry, and the memory of a client.',
        rows: [
          row('`Client`, one after the other', micros.sdk, micros.hand),
          row('`AsyncClient`, 16 at a time', micros.sdk_async, micros.hand_async),
          {
            figure: `memory from ${first.toLocaleString('en')} to ${last.toLocaleString('en')} registrations`,
            measured: `${((end - begin) / 1000).toFixed(1)} KB more`,
            target: `≤ ${MOST_GROWTH / 1000} KB`,
            missed: end - begin > MOST_GROWTH,
          },
        ],
      },
    ],
    raw: { micros, memory },
  };
}
