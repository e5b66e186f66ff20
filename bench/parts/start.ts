/**
 * The time from a process's start to its first registration, as in a cold start: on a whole core, and on a
 * fifth of one. Its store is reached by HTTP.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PlatformInfo } from '../../local/platform.ts';
import { signRegistration } from '../../local/sign.ts';
import { type Builds, build } from '../builds.ts';
import { CORES } from '../machine.ts';
import { startChild } from '../processes/child.ts';
import { startCold } from '../processes/cold.ts';
import { makeQuota, type Quota } from '../quota.ts';
import { median, type Part, progress, type Row, ratios, type Section, spread } from '../report.ts';

const ROUNDS = 15;
const FIFTH_ROUNDS = 7;
const FIFTH = 0.2;
const TARGET = 1.3;

interface Round {
  /** Milliseconds from the process's start until it listens, and until its first answer. */
  readonly listening: number;
  readonly answered: number;
}
const KINDS = ['floor', 'deployed', 'sdk', 'cacheEmpty', 'cacheFull'] as const;
type Kind = (typeof KINDS)[number];
type Rounds = Record<Kind, Round[]>;

const NAMES: Readonly<Record<Kind, string>> = {
  floor: 'the floor: `node:http`, one store call, 201',
  deployed: 'as deployed: one module, its own client of the stores, keysets read at the start',
  sdk: "one module with the AWS SDK's clients, nothing read before the first request",
  cacheEmpty: 'as deployed, with V8’s compile cache in an empty folder, as /tmp is at a cold start',
  cacheFull: 'as deployed, with a compile cache that an earlier start has filled',
};

interface Raw {
  readonly whole: Rounds;
  /** Undefined where the machine lets nobody limit a process. */
  readonly fifth?: Rounds;
}

export const start: Part<Raw> = {
  measure,
  sections: ({ whole, fifth }) => [wholeSection(whole), ...(fifth ? [fifthSection(fifth)] : [])],
};

async function measure(): Promise<Raw> {
  const outdir = mkdtempSync(join(tmpdir(), 'countersign-start-'));
  const platform = await startChild('platform.ts', CORES.load);
  const quota = makeQuota(FIFTH);
  try {
    progress('start: building');
    const builds = build(outdir);
    const info = await platform.ask<PlatformInfo>('info');
    const filled = join(outdir, 'compiled');
    const once = (kind: Kind, limit?: Quota) => firstAnswer({ kind, builds, info, filled, limit });
    // The first of each fills the machine's file cache and the compile cache, and is not counted.
    for (const kind of KINDS) await once(kind);
    const run = async (rounds: number, limit?: Quota): Promise<Rounds> => {
      const measured: Rounds = { floor: [], deployed: [], sdk: [], cacheEmpty: [], cacheFull: [] };
      for (let round = 1; round <= rounds; round++) {
        progress(`start: ${limit ? 'a fifth of a core' : 'a core'}, round ${round} of ${rounds}`);
        for (const kind of KINDS) measured[kind].push(await once(kind, limit));
      }
      return measured;
    };
    const whole = await run(ROUNDS);
    return { whole, ...(quota && { fifth: await run(FIFTH_ROUNDS, quota) }) };
  } finally {
    quota?.remove();
    await platform.stop();
    rmSync(outdir, { recursive: true, force: true });
  }
}

interface Start {
  readonly kind: Kind;
  readonly builds: Builds;
  readonly info: PlatformInfo;
  /** A compile cache that stays from start to start. */
  readonly filled: string;
  readonly limit: Quota | undefined;
}

async function firstAnswer({ kind, builds, info, filled, limit }: Start): Promise<Round> {
  const request = await registration(info);
  const bundle = kind === 'sdk' ? builds.sdk : builds.deployed;
  const args = kind === 'floor' ? [builds.floor] : [builds.server, bundle];
  const empty = kind === 'cacheEmpty' ? mkdtempSync(`${filled}-`) : undefined;
  const cache = kind === 'cacheFull' ? filled : empty;
  const start = performance.now();
  const cold = await startCold(args, {
    ...{ info, quota: limit },
    env: cache === undefined ? {} : { NODE_COMPILE_CACHE: cache },
  });
  try {
    const listening = performance.now() - start;
    const answer = await fetch(`${cold.url}/v1/register`, request);
    const text = await answer.text();
    const answered = performance.now() - start;
    if (answer.status !== 201) throw new Error(`${kind}: ${answer.status} ${text}`);
    return { listening, answered };
  } finally {
    await cold.stop();
    if (empty !== undefined) rmSync(empty, { recursive: true, force: true });
  }
}

/** A request with a valid proof, signed before the function's process starts. */
async function registration(info: PlatformInfo): Promise<RequestInit> {
  const { url } = info.regions[0]!;
  const { nonce } = await (await fetch(`${url}/v1/nonce?client_id=${info.clients[0]!.client_id}`)).json();
  const body = JSON.stringify({ user_id: `first-${nonce.slice(-20)}` });
  const proof = await signRegistration(info, body, nonce, 120);
  const headers = { 'Content-Type': 'application/json', Authorization: `JWT ${proof}` };
  return { method: 'POST', headers, body };
}

function wholeSection(rounds: Rounds): Section {
  return {
    title: 'Process start to first 201',
    note: `${ROUNDS} starts of each in turn, on one core; the store is the local platform’s AWS endpoint in another process. A first registration needs eleven calls: two keysets, their revoked kids, whether the Region takes writes (two), the client, the mark of the tables’ use, the ledger, a lease of its quota, the registry. As deployed, the first six are made at once, before the process listens. The floor is the physical limit.`,
    unit: 'ms to the first 201',
    rows: startRows(rounds, TARGET),
    remarks: [overFloor(rounds), cacheRemark(rounds)],
  };
}

function fifthSection(rounds: Rounds): Section {
  return {
    title: 'Process start to first 201, on a fifth of a core',
    note: `The same, ${FIFTH_ROUNDS} starts of each in turn, in a control group of Linux that gives the process ${FIFTH * 20} ms of processor time in each 20 ms: the part of a core that Lambda gives to ${Math.round(FIFTH * 1769)} MB.`,
    unit: 'ms to the first 201',
    rows: startRows(rounds),
    remarks: [overFloor(rounds), cacheRemark(rounds)],
  };
}

const answers = (rounds: readonly Round[]): number[] => rounds.map(({ answered }) => answered);

function startRows(rounds: Rounds, target?: number): Row[] {
  return KINDS.map((kind) => {
    const answered = answers(rounds[kind]);
    const listening = rounds[kind].map((round) => round.listening);
    const measured = `first 201 after ${spread(answered, 0)} ms, listening after ${spread(listening, 0)} ms`;
    const row = { figure: NAMES[kind], values: answered };
    if (kind === 'floor') return { ...row, measured, limit: true };
    const over = ratios(answered, answers(rounds.floor));
    return {
      ...row,
      measured: `${measured}; ${spread(over, 2)} × the floor`,
      ...(kind === 'deployed' &&
        target !== undefined && { target: `≤ ${target} × the floor`, missed: median(over) > target }),
    };
  });
}

/** Says how the deployed bundle's time above the floor is spent. */
function overFloor({ deployed, floor }: Rounds): string {
  const over = (part: (round: Round) => number) =>
    median(deployed.map((round, i) => part(round) - part(floor[i]!))).toFixed(0);
  const loading = over(({ listening }) => listening);
  const first = over(({ listening, answered }) => answered - listening);
  return `As deployed, the time above the floor is ${loading} ms to load and evaluate the module and to read what stays in memory, and ${first} ms in the first request: it makes five calls, one after the other, and the floor makes one.`;
}

function cacheRemark(rounds: Rounds): string {
  const change = (kind: Kind) => spread(ratios(answers(rounds[kind]), answers(rounds.deployed)), 2);
  return `An empty compile cache makes a start ${change('cacheEmpty')} × as long, a filled one ${change('cacheFull')} ×. Lambda begins each instance with an empty /tmp. A filled cache would have to be in the bundle, made by the very V8 and processor that read it, which a build on another machine cannot promise. So the functions use none.`;
}
