/** The processor time of a registration, compared with oidc-provider's dynamic client registration. */
import { type Cost, costOf, layerRows } from '../cost.ts';
import { askPrimitives, limitOf, type Primitives, type Unavoidable } from '../limits.ts';
import { CORES } from '../machine.ts';
import { type Child, startChild } from '../processes/child.ts';
import type { Driven, Load } from '../processes/load.ts';
import { median, type Part, progress, type Row, ratios, type Section, spread } from '../report.ts';
import { makeSigners } from '../signers.ts';

// Many short rounds: two that follow each other meet the machine in the same state.
const ROUNDS = 21;
const ROUND_SECONDS = 0.5;
const WARM_UP_SECONDS = 2.5;
const PROFILE_SECONDS = 3;
const CONNECTIONS = 16;
const TARGETS = { HS256: 2.5, ES256: 1.2, Ed25519: undefined } as const;
/** Over the physical limit. */
const LIMIT_TARGETS = { HS256: undefined, ES256: 1.5, Ed25519: undefined } as const;
const ALGORITHMS = ['HS256', 'ES256', 'Ed25519'] as const;
const PROFILED = ['HS256', 'ES256'] as const;
type Algorithm = (typeof ALGORITHMS)[number];
type Name = Algorithm | 'oidc-provider' | 'bare';

interface Contender {
  readonly server: Child;
  readonly load: Omit<Load, 'connections'>;
}

interface Raw {
  readonly rounds: Readonly<Record<Name, readonly Cost[]>>;
  readonly primitives: readonly Primitives[];
  readonly layers: Readonly<Record<(typeof PROFILED)[number], Record<string, number>>>;
}

export const handler: Part<Raw> = {
  measure,
  sections: (raw) => [comparison(raw), ...PROFILED.map((alg) => whereItGoes(alg, raw))],
};

async function measure(): Promise<Raw> {
  const children: Child[] = [];
  const start = async (file: string, core: number | undefined) => {
    const child = await startChild(file, core);
    children.push(child);
    return child;
  };
  try {
    const load = await start('load.ts', CORES.load);
    const countersign = await start('countersign.ts', CORES.server);
    const cryptography = await start('primitives.ts', CORES.server);
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
    await askPrimitives(cryptography);
    const rounds = { bare: [], 'oidc-provider': [], HS256: [], ES256: [], Ed25519: [] } satisfies Record<
      Name,
      Cost[]
    >;
    const primitives: Primitives[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      progress(`handler: round ${round} of ${ROUNDS}`);
      for (const [name, list] of Object.entries(rounds) as [Name, Cost[]][])
        list.push(await drive(name, ROUND_SECONDS));
      primitives.push(await askPrimitives(cryptography));
    }
    const layers: Partial<Record<Algorithm, Record<string, number>>> = {};
    for (const alg of PROFILED) {
      progress(`handler: where the time of ${alg} goes`);
      await countersign.ask('startProfile');
      await drive(alg, PROFILE_SECONDS);
      layers[alg] = await countersign.ask('stopProfile');
    }
    return { rounds, primitives, layers: layers as Raw['layers'] };
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

/** @returns the physical limit of each round */
const limits = ({ rounds, primitives }: Raw, alg: Algorithm): number[] =>
  primitives.map((costs, i) => limitOf(alg, { ...costs, bare: rounds.bare[i]!.cpuUs } satisfies Unavoidable));

function comparison(raw: Raw): Section {
  const { rounds } = raw;
  const theirs = rounds['oidc-provider'];
  const cost = (name: Name, figure: string, limit = false): Row => ({
    figure,
    measured: `${spread(all(rounds[name], 'perSecond'), 0)} a second; ${spread(all(rounds[name], 'cpuUs'), 0)} µs of processor time; core ${percent(median(all(rounds[name], 'busy')))} busy`,
    values: all(rounds[name], 'cpuUs'),
    ...(limit && { limit }),
  });
  const against = (alg: Algorithm): Row => {
    const target = TARGETS[alg];
    const faster = ratios(all(rounds[alg], 'perSecond'), all(theirs, 'perSecond'));
    const cheaper = ratios(all(theirs, 'cpuUs'), all(rounds[alg], 'cpuUs'));
    return {
      figure: `${alg}: requests per second, of oidc-provider’s`,
      measured: `${spread(faster, 2)} ×; by processor time ${spread(cheaper, 2)} ×`,
      ...(target && { target: `≥ ${target} ×`, missed: Math.min(median(faster), median(cheaper)) < target }),
    };
  };
  const limit = (alg: Algorithm): Row => ({
    figure: `${alg}: the physical limit`,
    measured: `${spread(limits(raw, alg), 0)} µs of processor time`,
    values: limits(raw, alg),
    limit: true,
  });
  const overLimit = (alg: Algorithm): Row => {
    const target = LIMIT_TARGETS[alg];
    const over = ratios(all(rounds[alg], 'cpuUs'), limits(raw, alg));
    return {
      figure: `${alg}: processor time, over the physical limit`,
      measured: `${spread(over, 2)} ×`,
      ...(target && { target: `≤ ${target} ×`, missed: median(over) > target }),
    };
  };
  return {
    title: 'A registration, beside oidc-provider',
    note: `This compares the real functions, over a store in memory that passes the contract of the real stores, with oidc-provider’s dynamic client registration as it is, over its own adapter in memory. Each runs behind the same \`node:http\` server, \`NODE_ENV=production\`, no log. ${CONNECTIONS} connections; ${ROUNDS} rounds of ${ROUND_SECONDS} s in turn; median (least–greatest), ratios within a round. If the server’s core is not fully busy, the load generator or other processes slowed it down; then processor time says more than requests per second. A target is met only if both meet it. A registration here verifies a signature, a fingerprint and a nonce, consumes that nonce, charges a quota and issues the next nonce. oidc-provider verifies nothing, and issues a client id, a secret and a registration access token. The physical limit is the server alone, one check of the signature, the HMACs of two nonces and one SHA-256, by \`node:crypto\` and measured in the same rounds.`,
    unit: 'µs of processor time',
    rows: [
      cost('bare', 'the server alone, which reads the body and answers 201', true),
      ...ALGORITHMS.map(limit),
      cost('oidc-provider', 'oidc-provider', true),
      ...ALGORITHMS.map((alg) => cost(alg, `${alg} proofs`)),
      ...ALGORITHMS.map(against),
      ...ALGORITHMS.map(overLimit),
    ],
    remarks: [
      'The tables below show where the time goes. An ES256 or Ed25519 proof costs more than an HS256 one only because OpenSSL’s verification takes longer. This project can shorten the rest.',
    ],
  };
}

function whereItGoes(alg: (typeof PROFILED)[number], { rounds, layers }: Raw): Section {
  const cost = { cpuUs: median(all(rounds[alg], 'cpuUs')), mainUs: median(all(rounds[alg], 'mainUs')) };
  return {
    title: `Where the time of a registration goes, ${alg}`,
    note: 'Processor time per registration in the run above, by a sampling profile of the main thread.',
    unit: 'µs of processor time',
    rows: layerRows(layers[alg], cost),
  };
}
