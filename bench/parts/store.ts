/** The processor time of a call to the store, and of a registration with both of its calls. */
import { type Cost, costOf } from '../cost.ts';
import { CORES } from '../machine.ts';
import { type Child, startChild } from '../processes/child.ts';
import type { Cpu } from '../processes/gauges.ts';
import type { Driven } from '../processes/load.ts';
import type { Calls, Way } from '../processes/store-client.ts';
import { type Measured, median, progress, type Row, type Section, spread } from '../report.ts';
import { makeSigners } from '../signers.ts';

const ROUNDS = 15;
const CALLS = 2_000;
const ROUND_SECONDS = 0.5;
const WARM_UP_ROUNDS = 3;
/** As a Lambda function's: it serves one request at a time. */
const CONNECTIONS = 2;
const CALL_TARGET = 1.5;
const REGISTER_TARGET = 0.35;

const WAYS = {
  undici: 'unsigned, by undici',
  'node:http': 'unsigned, by `node:http`',
  own: "the functions' own client",
  sdk: 'the AWS SDK',
} as const satisfies Record<Way, string>;
const STORES = ['memory', 'own', 'sdk'] as const;
type Store = (typeof STORES)[number];

export async function measureStore(): Promise<Measured> {
  const children: Child[] = [];
  const start = async (file: string, core: number | undefined) => {
    const child = await startChild(file, core);
    children.push(child);
    return child;
  };
  try {
    const url = await (await start('store-server.ts', CORES.load)).ask<string>('url');
    const calls = await measureCalls(await start('store-client.ts', CORES.server), url);
    const load = await start('load.ts', CORES.load);
    const costs = await measureRegistrations(await start('countersign.ts', CORES.server), load, url);
    return { sections: [callSection(calls), registerSection(costs)], raw: { calls, registrations: costs } };
  } finally {
    for (const child of children) await child.stop();
  }
}

/** @returns microseconds for each call, by round */
async function measureCalls(client: Child, url: string): Promise<Record<Way, number[]>> {
  const us: Record<Way, number[]> = { undici: [], 'node:http': [], own: [], sdk: [] };
  for (let round = 1 - WARM_UP_ROUNDS; round <= ROUNDS; round++) {
    progress(round < 1 ? 'store: warming up' : `store: calls, round ${round} of ${ROUNDS}`);
    for (const way of Object.keys(WAYS) as Way[]) {
      const before = await client.ask<Cpu>('cpu');
      await client.ask('call', { url, way, calls: CALLS } satisfies Calls);
      const after = await client.ask<Cpu>('cpu');
      if (round > 0) us[way].push((after.total - before.total) / CALLS);
    }
  }
  return us;
}

async function measureRegistrations(
  server: Child,
  load: Child,
  storeUrl: string,
): Promise<Record<Store, Cost[]>> {
  const [url, issuer] = [await server.ask<string>('url'), await server.ask<string>('issuer')];
  const signers = await makeSigners((params) => server.ask('createClient', params), 'HS256', CONNECTIONS);
  const costs: Record<Store, Cost[]> = { memory: [], own: [], sdk: [] };
  for (let round = 1 - WARM_UP_ROUNDS; round <= ROUNDS; round++) {
    progress(round < 1 ? 'store: warming up' : `store: registrations, round ${round} of ${ROUNDS}`);
    for (const store of STORES) {
      await server.ask('writeTo', { store, url: storeUrl });
      const cost = await costOf(server, () =>
        load.ask<Driven>('drive', {
          ...{ url, issuer, kind: 'registration', signers, connections: CONNECTIONS },
          seconds: ROUND_SECONDS,
        }),
      );
      if (round > 0) costs[store].push(cost);
    }
  }
  return costs;
}

function callSection(us: Record<Way, number[]>): Section {
  const over = (way: Way, base: Way) => us[way].map((value, i) => value / us[base][i]!);
  const row = (way: Way): Row => ({ figure: WAYS[way], measured: `${spread(us[way], 0)} µs` });
  const ratio = (way: Way, base: Way): Row => ({
    figure: `${WAYS[way]}, over the request ${WAYS[base]}`,
    measured: `${spread(over(way, base), 2)} ×`,
    ...(way === 'own' && { target: `≤ ${CALL_TARGET} ×`, missed: median(over(way, base)) > CALL_TARGET }),
  });
  return {
    title: 'A call to the store',
    note: `The processor time of the caller for one \`PutItem\` of a used nonce, by HTTP without TLS, over kept-alive connections. The store is another process, which answers at once. ${CALLS.toLocaleString('en')} calls a round, ${ROUNDS} rounds in turn; median (least–greatest), ratios within a round. ${CORES.note}`,
    rows: [
      ...(Object.keys(WAYS) as Way[]).map(row),
      ratio('own', 'node:http'),
      ratio('own', 'undici'),
      ratio('sdk', 'node:http'),
      ratio('sdk', 'undici'),
    ],
  };
}

function registerSection(costs: Record<Store, Cost[]>): Section {
  const us = (store: Store) => costs[store].map(({ cpuUs }) => cpuUs);
  const row = (figure: string, store: Store): Row => ({ figure, measured: `${spread(us(store), 0)} µs` });
  const ratios = us('own').map((value, i) => value / us('sdk')[i]!);
  return {
    title: 'A registration with both of its calls',
    note: `The processor time of the function's process for one HS256 registration behind \`node:http\`, ${CONNECTIONS} at a time. Ledger and registry are written by HTTP, to the same store as above; the rest is in memory. ${ROUNDS} rounds of ${ROUND_SECONDS} s in turn; median (least–greatest), ratios within a round.`,
    rows: [
      row('both writes in memory', 'memory'),
      row(`both writes by ${WAYS.own}`, 'own'),
      row(`both writes by ${WAYS.sdk}`, 'sdk'),
      {
        figure: `${WAYS.own}, over ${WAYS.sdk}`,
        measured: `${spread(ratios, 2)} ×`,
        target: `≤ ${REGISTER_TARGET} ×`,
        missed: median(ratios) > REGISTER_TARGET,
      },
    ],
  };
}
