/** The processor time of a registration, compared with oidc-provider's dynamic client registration. */
import { type Cost, costOf, layerRows } from '../cost.ts';
import { CORES } from '../machine.ts';
import { type Child, startChild } from '../processes/child.ts';
import type { Driven, Load } from '../processes/load.ts';
import { type Measured, median, progress, type Row, type Section, spread } from '../report.ts';
import { makeSigners } from '../signers.ts';

// Many short rounds: two that follow each other meet the machine in the same state.
const ROUNDS = 21;
const ROUND_SECONDS = 0.5;
const WARM_UP_SECONDS = 2.5;
const PROFILE_SECONDS = 3;
const CONNECTIONS = 16;
const TARGETS = { HS256: 1.5, ES256: 1, Ed25519: undefined } as const;
const ALGORITHMS = ['HS256', 'ES256', 'Ed25519'] as const;
const PROFILED = ['HS256', 'ES256'] as const;
type Algorithm = (typeof ALGORITHMS)[number];
type Name = Algorithm | 'oidc-provider' | 'bare';

interface Contender {
  readonly server: Child;
  readonly load: Omit<Load, 'connections'>;
}

export async function measureHandler(): Promise<Measured> {
  const children: Child[] = [];
  const start = async (file: string, core: number | undefined) => {
    const child = await startChild(file, core);
    children.push(child);
    return child;
  };
  try {
    const load = await start('load.ts', CORES.load);
    const countersign = await start('countersign.ts', CORES.server);
    const contenders = new Map<Name, Contender>([
      ['bare', await contender(await start('bare.ts', CORES.server), 'anything')],
      ['oidc-provider', await contender(await start('oidc-provider.ts', CORES.server), 'oidc-client')],
    ]);
    for (const alg of ALGORITHMS) contenders.set(alg, await signing(countersign, alg));
    const drive = (name: Name, seconds: number) => {
      const { server, load: target } = contenders.get(name)!;
      return costOf(server, () =>
        load.ask<Driven>('drive', { ...target, connections: CONNECTIONS, seconds }),
      );
    };

    for (const name of contenders.keys()) {
      progress(`handler: warming up ${name}`);
      await drive(name, WARM_UP_SECONDS);
    }
    const costs = new Map<Name, Cost[]>([...contenders.keys()].map((name) => [name, []]));
    for (let round = 1; round <= ROUNDS; round++) {
      progress(`handler: round ${round} of ${ROUNDS}`);
      for (const [name, list] of costs) list.push(await drive(name, ROUND_SECONDS));
    }
    const layers = new Map<Algorithm, Record<string, number>>();
    for (const alg of PROFILED) {
      progress(`handler: where the time of ${alg} goes`);
      await countersign.ask('startProfile');
      await drive(alg, PROFILE_SECONDS);
      layers.set(alg, await countersign.ask('stopProfile'));
    }
    return {
      sections: [
        comparison(costs),
        ...PROFILED.map((alg) => whereItGoes(alg, costs.get(alg)!, layers.get(alg)!)),
      ],
      raw: { rounds: Object.fromEntries(costs), layers: Object.fromEntries(layers) },
    };
  } finally {
    for (const child of children) await child.stop();
  }
}

async function contender(server: Child, kind: Load['kind']): Promise<Contender> {
  return { server, load: { url: await server.ask<string>('url'), kind } };
}

async function signing(server: Child, alg: Algorithm): Promise<Contender> {
  const { load } = await contender(server, 'registration');
  const signers = await makeSigners((params) => server.ask('createClient', params), alg, CONNECTIONS);
  return { server, load: { ...load, issuer: await server.ask<string>('issuer'), signers } };
}

const all = (costs: readonly Cost[], what: 'perSecond' | 'cpuUs' | 'mainUs' | 'busy') =>
  costs.map((cost) => cost[what]);

const percent = (part: number): string => `${(100 * part).toFixed(0)} %`;

function comparison(costs: ReadonlyMap<Name, Cost[]>): Section {
  const theirs = costs.get('oidc-provider')!;
  const cost = (name: Name, figure: string): Row => ({
    figure,
    measured: `${spread(all(costs.get(name)!, 'perSecond'), 0)} a second; ${spread(all(costs.get(name)!, 'cpuUs'), 0)} µs of processor time; core ${percent(median(all(costs.get(name)!, 'busy')))} busy`,
  });
  const against = (alg: Algorithm): Row => {
    const target = TARGETS[alg];
    const own = costs.get(alg)!;
    const ratios = own.map(({ perSecond }, i) => perSecond / theirs[i]!.perSecond);
    const cheaper = own.map(({ cpuUs }, i) => theirs[i]!.cpuUs / cpuUs);
    return {
      figure: `${alg}: requests per second, of oidc-provider’s`,
      measured: `${spread(ratios, 2)} ×; by processor time ${spread(cheaper, 2)} ×`,
      ...(target && { target: `≥ ${target} ×`, missed: Math.min(median(ratios), median(cheaper)) < target }),
    };
  };
  return {
    title: 'A registration, beside oidc-provider',
    note: `This compares the real functions, over a store in memory that passes the contract of the real stores, with oidc-provider’s dynamic client registration as it is, over its own adapter in memory. Each runs behind the same \`node:http\` server, \`NODE_ENV=production\`, no log. ${CONNECTIONS} connections; ${ROUNDS} rounds of ${ROUND_SECONDS} s in turn; median (least–greatest), ratios within a round. ${CORES.note} If the server’s core is not fully busy, the load generator or other processes slowed it down; then processor time says more than requests per second. A target is met only if both meet it. A registration here verifies a signature, a fingerprint and a nonce, consumes that nonce, charges a quota and issues the next nonce. oidc-provider verifies nothing, and issues a client id, a secret and a registration access token.`,
    rows: [
      cost('bare', 'the server alone, which reads the body and answers 201'),
      cost('oidc-provider', 'oidc-provider'),
      ...ALGORITHMS.map((alg) => cost(alg, `${alg} proofs`)),
      ...ALGORITHMS.map(against),
    ],
    remarks: [
      'The tables below show where the time goes. An ES256 or Ed25519 proof costs more than an HS256 one only because OpenSSL’s verification takes longer. This project can shorten the rest.',
    ],
  };
}

function whereItGoes(alg: Algorithm, costs: readonly Cost[], layers: Record<string, number>): Section {
  const cost = { cpuUs: median(all(costs, 'cpuUs')), mainUs: median(all(costs, 'mainUs')) };
  return {
    title: `Where the time of a registration goes, ${alg}`,
    note: 'Processor time per registration in the run above, by a sampling profile of the main thread.',
    rows: layerRows(layers, cost),
  };
}
