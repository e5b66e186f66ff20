/**
 * The time from a process's start to its first registration, as in a cold start. Its store is reached by
 * HTTP.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { servingEnvironment } from '../../lambda/contract/serving-environment.ts';
import type { PlatformInfo } from '../../local/platform.ts';
import { signRegistration } from '../../local/sign.ts';
import { STAGE } from '../../local/stage.ts';
import { type Builds, build } from '../builds.ts';
import { CORES, pinned } from '../machine.ts';
import { startChild } from '../processes/child.ts';
import { type Measured, median, progress, type Row, spread } from '../report.ts';

const ROUNDS = 15;
const TARGET = 1.3;

interface Round {
  /** Milliseconds from the process's start until it listens, and until its first answer. */
  readonly listening: number;
  readonly answered: number;
}
const KINDS = ['floor', 'deployed', 'sdk'] as const;
type Kind = (typeof KINDS)[number];

export async function measureStart(): Promise<Measured> {
  const outdir = mkdtempSync(join(tmpdir(), 'countersign-start-'));
  const platform = await startChild('platform.ts', CORES.load);
  try {
    progress('start: building');
    const builds = build(outdir);
    const info = await platform.ask<PlatformInfo>('info');
    const rounds = Object.fromEntries(KINDS.map((kind) => [kind, [] as Round[]])) as Record<Kind, Round[]>;
    // The first of each fills the machine's file cache and is not counted.
    for (let round = 0; round <= ROUNDS; round++) {
      if (round > 0) progress(`start: round ${round} of ${ROUNDS}`);
      for (const kind of KINDS) {
        const measured = await firstAnswer(kind, builds, info);
        if (round > 0) rounds[kind].push(measured);
      }
    }
    return report(rounds);
  } finally {
    await platform.stop();
    rmSync(outdir, { recursive: true, force: true });
  }
}

async function firstAnswer(kind: Kind, builds: Builds, info: PlatformInfo): Promise<Round> {
  const { name, url } = info.regions[0]!;
  const request = await registration(info);
  const args = kind === 'floor' ? [builds.floor] : [builds.server, builds[kind]];
  const [command, commandArgs] = pinned(CORES.server, args);
  const env = {
    PATH: process.env.PATH,
    NODE_ENV: 'production',
    AWS_ENDPOINT_URL: info.awsEndpoint,
    AWS_REGION: name,
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    POWERTOOLS_LOG_LEVEL: 'SILENT',
    ...servingEnvironment({
      stage: STAGE,
      region: name,
      baseUrl: url,
      entryUrl: info.entry,
      regions: [{ name, url }],
      consistency: 'strong',
    }),
  };
  const start = performance.now();
  const child = spawn(command, commandArgs, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const exited = once(child, 'exit').then(() => [undefined]);
    const [port] = await Promise.race([once(child.stdout, 'data'), exited]);
    if (port === undefined) throw new Error(`${kind} ended before it listened`);
    const listening = performance.now() - start;
    const answer = await fetch(`http://127.0.0.1:${String(port).trim()}/v1/register`, request);
    const text = await answer.text();
    const answered = performance.now() - start;
    if (answer.status !== 201) throw new Error(`${kind}: ${answer.status} ${text}`);
    return { listening, answered };
  } finally {
    child.kill();
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

function report(rounds: Record<Kind, Round[]>): Measured {
  const name = {
    floor: 'the floor: `node:http`, one store call, 201',
    deployed: 'as deployed: one module, its own client of the stores, keysets read at the start',
    sdk: "one module with the AWS SDK's clients, nothing read before the first request",
  };
  const ratios = (kind: Kind) => rounds[kind].map(({ answered }, i) => answered / rounds.floor[i]!.answered);
  const row = (kind: Kind): Row => {
    const of = (what: keyof Round) =>
      spread(
        rounds[kind].map((round) => round[what]),
        0,
      );
    const measured = `first 201 after ${of('answered')} ms, listening after ${of('listening')} ms`;
    if (kind === 'floor') return { figure: name.floor, measured };
    return {
      figure: name[kind],
      measured: `${measured}; ${spread(ratios(kind), 2)} × the floor`,
      ...(kind === 'deployed' && {
        target: `≤ ${TARGET} × the floor`,
        missed: median(ratios(kind)) > TARGET,
      }),
    };
  };
  return {
    sections: [
      {
        title: 'Process start to first 201',
        note: `${ROUNDS} starts of each in turn, on one core; the store is the local platform’s AWS endpoint in another process. A first registration needs eleven calls: two keysets, their revoked kids, whether the Region takes writes (two), the client, the mark of the tables’ use, the ledger, a lease of its quota, the registry. As deployed, the first six are made at once, before the process listens.`,
        rows: KINDS.map(row),
        remarks: [overFloor(rounds)],
      },
    ],
    raw: rounds,
  };
}

/** Says how the deployed bundle's time above the floor is spent. */
function overFloor({ deployed, floor }: Record<Kind, Round[]>): string {
  const over = (part: (round: Round) => number) =>
    median(deployed.map((round, i) => part(round) - part(floor[i]!))).toFixed(0);
  const loading = over(({ listening }) => listening);
  const first = over(({ listening, answered }) => answered - listening);
  return `As deployed, the time above the floor is ${loading} ms to load and evaluate the module and to read what stays in memory, and ${first} ms in the first request: it makes five calls, one after the other, and the floor makes one.`;
}
