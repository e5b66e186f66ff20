/** The cost of a load for its server. */
import type { Child } from './processes/child.ts';
import type { Cpu } from './processes/gauges.ts';
import type { Driven } from './processes/load.ts';
import type { Row } from './report.ts';

export interface Cost extends Driven {
  readonly perSecond: number;
  /** Processor time per request, in microseconds: of the process, and of the thread that runs JavaScript. */
  readonly cpuUs: number;
  readonly mainUs: number;
  /** The part of a core that the server used. If it is not near 1, something else slowed the server down. */
  readonly busy: number;
}

export async function costOf(server: Child, drive: () => Promise<Driven>): Promise<Cost> {
  const before = await server.ask<Cpu>('cpu');
  const driven = await drive();
  const after = await server.ask<Cpu>('cpu');
  const each = (what: keyof Cpu) => (after[what] - before[what]) / driven.requests;
  const perSecond = driven.requests / driven.seconds;
  const cpuUs = each('total');
  return { ...driven, perSecond, cpuUs, mainUs: each('main'), busy: (cpuUs * perSecond) / 1e6 };
}

/**
 * One row for each layer: its part of the main thread's time in a profile, applied to what a request costs
 * without the profiler.
 *
 * @param layers shares, as `layersOf` gives them
 */
export function layerRows(
  layers: Readonly<Record<string, number>>,
  { cpuUs, mainUs }: Pick<Cost, 'cpuUs' | 'mainUs'>,
): Row[] {
  const row = (figure: string, us: number): Row => ({
    figure,
    measured: `${us.toFixed(0)} µs, ${((100 * us) / cpuUs).toFixed(1)} %`,
    values: [us],
  });
  return [
    ...Object.entries(layers).map(([layer, share]) => row(layer, share * mainUs)),
    row('other threads: collection, compilation, WebCrypto', cpuUs - mainUs),
    row('all', cpuUs),
  ];
}
