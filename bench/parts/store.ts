/** The processor time of a call to the store, and of a registration with both of its calls. */
import { type Cost, costOf } from '../cost.ts';
import { askPrimitives, limitOf, type Primitives } from '../limits.ts';
import { CORES } from '../machine.ts';
import { type Child, startChild } from '../processes/child.ts';
import type { Cpu } from '../processes/gauges.ts';
import type { Driven } from '../processes/load.ts';
import type { Calls, Way } from '../processes/store-client.ts';
import { median, type Part, progress, type Row, ratios, type Section, spread } from '../report.ts';
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

interface Raw {
  /** Microseconds of each call, by round. */
  readonly calls: Readonly<Record<Way, readonly number[]>>;
  readonly registrations: Readonly<Record<Store, readonly Cost[]>>;
  /** Of the same rounds. */
  readonly unavoidable: readonly (Primitives & { readonly bare: number; readonly call: number })[];
}

export const store: Part<Raw> = {
  measure,
  sections: (raw) => [callSection(raw.calls), registerSection(raw)],
};

async function measure(): Promise<Raw> {
  const children: Child[] = [];
  const start = async (file: string, core: number | undefined) => {
    const child = await startChild(file, core);
    children.push(child);
    return child;
  };
  try {
    const url = await (await start('store-server.ts', CORES.load)).ask<string>('url');
    const client = await start('store-client.ts', CORES.server);
    const calls = await measureCalls(client, url);
    const others = {
      client,
      load: await start('load.ts', CORES.load),
      bare: await start('bare.ts', CORES.server),
      cryptography: await start('primitives.ts', CORES.server),
    };
    const server = await start('countersign.ts', CORES.server);
    return { calls, ...(await measureRegistrations(server, url, others)) };
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
      const cost = await callCost(client, url, way, CALLS);
      if (round > 0) us[way].push(cost);
    }
  }
  return us;
}

/** @returns microseconds of processor time for each call */
async function callCost(client: Child, url: string, way: Way, calls: number): Promise<number> {
  const before = await client.ask<Cpu>('cpu');
  await client.ask('call', { url, way, calls } satisfies Calls);
  const after = await client.ask<Cpu>('cpu');
  return (after.total - before.total) / calls;
}

async function measureRegistrations(
  server: Child,
  storeUrl: string,
  { client, load, bare, cryptography }: Record<'client' | 'load' | 'bare' | 'cryptography', Child>,
): Promise<Omit<Raw, 'calls'>> {
  const [url, issuer] = [await server.ask<string>('url'), await server.ask<string>('issuer')];
  const bareUrl = await bare.ask<string>('url');
  const signers = await makeSigners((params) => server.ask('createClient', params), 'HS256', CONNECTIONS);
  const registrations = { memory: [] as Cost[], own: [] as Cost[], sdk: [] as Cost[] };
  const unavoidable: Raw['unavoidable'][number][] = [];
  const drive = (measured: Child, target: object) =>
    costOf(measured, () =>
      load.ask<Driven>('drive', { ...target, connections: CONNECTIONS, seconds: ROUND_SECONDS }),
    );
  for (let round = 1 - WARM_UP_ROUNDS; round <= ROUNDS; round++) {
    progress(round < 1 ? 'store: warming up' : `store: registrations, round ${round} of ${ROUNDS}`);
    for (const store of STORES) {
      await server.ask('writeTo', { store, url: storeUrl });
      const cost = await drive(server, { url, issuer, kind: 'registration', signers });
      if (round > 0) registrations[store].push(cost);
    }
    const costs = {
      ...(await askPrimitives(cryptography)),
      bare: (await drive(bare, { url: bareUrl, kind: 'anything' })).cpuUs,
      call: await callCost(client, storeUrl, 'node:http', CALLS / 4),
    };
    if (round > 0) unavoidable.push(costs);
  }
  return { registrations, unavoidable };
}

function callSection(us: Raw['calls']): Section {
  const row = (way: Way): Row => ({
    figure: WAYS[way],
    measured: `${spread(us[way], 0)} µs`,
    values: us[way],
    ...(way !== 'own' && { limit: true }),
  });
  const ratio = (way: Way, base: Way): Row => {
    const over = ratios(us[way], us[base]);
    return {
      figure: `${WAYS[way]}, over the request ${WAYS[base]}`,
      measured: `${spread(over, 2)} ×`,
      ...(way === 'own' && { target: `≤ ${CALL_TARGET} ×`, missed: median(over) > CALL_TARGET }),
    };
  };
  return {
    title: 'A call to the store',
    note: `The processor time of the caller for one \`PutItem\` of a used nonce, by HTTP without TLS, over kept-alive connections. The store is another process, which answers at once. ${CALLS.toLocaleString('en')} calls a round, ${ROUNDS} rounds in turn; median (least–greatest), ratios within a round. The unsigned request is the physical limit.`,
    unit: 'µs of processor time',
    rows: [
      ...(Object.keys(WAYS) as Way[]).map(row),
      ratio('own', 'node:http'),
      ratio('own', 'undici'),
      ratio('sdk', 'node:http'),
      ratio('sdk', 'undici'),
    ],
  };
}

function registerSection({ registrations, unavoidable }: Raw): Section {
  const us = (store: Store) => registrations[store].map(({ cpuUs }) => cpuUs);
  const limits = unavoidable.map((costs) => limitOf('HS256', costs) + 2 * costs.call);
  const row = (figure: string, values: readonly number[]): Row => ({
    figure,
    measured: `${spread(values, 0)} µs`,
    values,
  });
  const overSdk = ratios(us('own'), us('sdk'));
  return {
    title: 'A registration with both of its calls',
    note: `The processor time of the function's process for one HS256 registration behind \`node:http\`, ${CONNECTIONS} at a time. Ledger and registry are written by HTTP, to the same store as above; the rest is in memory. ${ROUNDS} rounds of ${ROUND_SECONDS} s in turn; median (least–greatest), ratios within a round. The physical limit is the server alone, three HMACs, one SHA-256 and two unsigned requests by \`node:http\`, measured in the same rounds.`,
    unit: 'µs of processor time',
    rows: [
      { ...row('the physical limit', limits), limit: true },
      row('both writes in memory', us('memory')),
      row(`both writes by ${WAYS.own}`, us('own')),
      { ...row(`both writes by ${WAYS.sdk}`, us('sdk')), limit: true },
      {
        figure: `${WAYS.own}, over ${WAYS.sdk}`,
        measured: `${spread(overSdk, 2)} ×`,
        target: `≤ ${REGISTER_TARGET} ×`,
        missed: median(overSdk) > REGISTER_TARGET,
      },
      {
        figure: `${WAYS.own}, over the physical limit`,
        measured: `${spread(ratios(us('own'), limits), 2)} ×`,
      },
    ],
  };
}
