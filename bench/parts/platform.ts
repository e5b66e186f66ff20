/**
 * The local platform, all of it in one process: throughput and latency as concurrency rises, where its time
 * goes.
 */
import type { PlatformInfo } from '../../local/platform.ts';
import { type Cost, costOf, layerRows } from '../cost.ts';
import { CORES } from '../machine.ts';
import { startChild } from '../processes/child.ts';
import type { Driven } from '../processes/load.ts';
import type { Signer } from '../processes/proofs.ts';
import { median, type Part, progress, type Row, type Section, spread } from '../report.ts';

const CONCURRENCY = [1, 4, 16, 64] as const;
const PROFILED = 16;
const ROUNDS = 3;
const ROUND_SECONDS = 1.5;
const WARM_UP_SECONDS = 4;
const PROFILE_SECONDS = 4;

interface Raw {
  /** By connections. */
  readonly rounds: Readonly<Record<string, readonly Cost[]>>;
  readonly layers: Readonly<Record<string, number>>;
}

export const platform: Part<Raw> = { measure, sections };

async function measure(): Promise<Raw> {
  const load = await startChild('load.ts', CORES.load);
  const server = await startChild('platform.ts', CORES.server);
  try {
    const { entry: issuer, regions, clients } = await server.ask<PlatformInfo>('info');
    const { client_id: clientId, api_key: apiKey } = clients[0]!;
    const signers: Signer[] = [{ clientId, kid: '1', alg: 'HS256', apiKey }];
    const target = { url: regions[0]!.url, issuer, kind: 'registration', signers } as const;
    const drive = (connections: number, seconds: number) =>
      costOf(server, () => load.ask<Driven>('drive', { ...target, connections, seconds }));

    progress('platform: warming up');
    await drive(PROFILED, WARM_UP_SECONDS);
    const rounds = new Map<number, Cost[]>(CONCURRENCY.map((connections) => [connections, []]));
    for (let round = 1; round <= ROUNDS; round++)
      for (const [connections, costs] of rounds) {
        progress(`platform: round ${round} of ${ROUNDS}, ${connections} at a time`);
        costs.push(await drive(connections, ROUND_SECONDS));
      }
    progress('platform: where the time goes');
    await server.ask('startProfile');
    await drive(PROFILED, PROFILE_SECONDS);
    const layers = await server.ask<Record<string, number>>('stopProfile');
    return { rounds: Object.fromEntries(rounds), layers };
  } finally {
    await load.stop();
    await server.stop();
  }
}

function sections({ rounds, layers }: Raw): Section[] {
  const row = ([connections, costs]: [string, readonly Cost[]]): Row => {
    const rate = spread(
      costs.map(({ perSecond }) => perSecond),
      0,
    );
    const ms = (percentile: keyof Driven['latencyMs']) =>
      median(costs.map(({ latencyMs }) => latencyMs[percentile])).toFixed(1);
    return {
      figure: `${connections} at a time`,
      measured: `${rate} a second; ${ms('50')} ms, 95 %: ${ms('95')} ms, 99 %: ${ms('99')} ms`,
      values: costs.map(({ perSecond }) => perSecond),
    };
  };
  const profiled = rounds[PROFILED]!;
  const cost = {
    cpuUs: median(profiled.map(({ cpuUs }) => cpuUs)),
    mainUs: median(profiled.map(({ mainUs }) => mainUs)),
  };
  return [
    {
      title: 'The local platform',
      note: `Registrations with HS256 proofs into one Region; gateway, functions, AWS endpoint and stores share one process on one core. ${ROUNDS} rounds of ${ROUND_SECONDS} s each in turn; rate: median (least–greatest), latencies: median of the rounds’ percentiles.`,
      unit: 'registrations a second',
      rows: Object.entries(rounds).map(row),
    },
    {
      title: 'Where the local platform’s time goes',
      note: `Processor time per registration at ${PROFILED} at a time, by a sampling profile of the main thread. The stores and the AWS endpoint do the work that AWS does elsewhere.`,
      unit: 'µs of processor time',
      rows: layerRows(layers, cost),
    },
  ];
}
