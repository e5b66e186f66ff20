/**
 * Registers a file of users at the local platform with the SDK: counts calls and bytes, and compares the rate
 * with that of an earlier version from this repository's history.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type PlatformInfo, startPlatform } from '../../local/platform.ts';
import { CountersignClient } from '../../sdk/typescript/index.ts';
import { APART, type Counted, kindsOf, type Received, totalOf, watchAws, withLater } from '../aws-calls.ts';
import { CORES } from '../machine.ts';
import { startChild } from '../processes/child.ts';
import { median, type Part, progress, ratios, spread } from '../report.ts';

const CONCURRENCY = 16;
const ROUNDS = 5;
const RATE_TARGET = 3;
/** The last version whose local platform kept its tables in dynalite and called them by the AWS SDK. */
const EARLIER = 'ac93405';
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

interface Raw extends Counted {
  readonly users: number;
  readonly registered: number;
  readonly seconds: number;
  readonly exchanges: number;
  /** Registrations a second, by round; or why the earlier version was not measured. */
  readonly rates?: { readonly now: readonly number[]; readonly earlier: readonly number[] | string };
}

export const batch: Part<Raw> = {
  async measure() {
    const users = readFileSync(join(ROOT, 'examples/users.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const counted = await count(users);
    return { users: users.length, ...counted, rates: await compareRates(users) };
  },
  sections({ users, registered, seconds, exchanges, requests, events, rates }) {
    const perUser = (count: number) => count / users;
    const made = ({ calls }: Received) => `${perUser(totalOf(calls)).toFixed(3)}: ${kindsOf(calls, users)}`;
    const bytes = ({ bytes: { sent, received } }: Received) =>
      `${perUser(sent).toFixed(0)} sent, ${perUser(received).toFixed(0)} received`;
    return [
      {
        title: 'The main job',
        note: `${users.toLocaleString('en')} users of examples/users.jsonl, ${CONCURRENCY} at a time, client, both Regions and their stores in one process. Clients and keysets are cached, quotas on. ${APART}`,
        rows: [
          {
            figure: 'registered',
            measured: `${registered} of ${users}`,
            target: 'all',
            missed: registered < users,
          },
          {
            figure: 'wall time',
            measured: `${seconds.toFixed(1)} s, ${Math.round(users / seconds)} a second`,
            target: 'seconds',
            missed: seconds > 60,
          },
          {
            figure: 'HTTP round trips per registration, after the first',
            measured: perUser(exchanges).toFixed(3),
            target: '1.0',
            missed: exchanges > users + 1,
          },
          {
            figure: 'store calls per registration, on the request path',
            measured: made(requests),
            target: '≤ 2.05',
            missed: perUser(totalOf(requests.calls)) > 2.05,
          },
          { figure: 'store calls per registration for events, after the answer', measured: made(events) },
          {
            figure: 'bytes to and from the stores per registration, HTTP’s own included',
            measured: bytes(requests),
          },
          { figure: 'such bytes for events, after the answer', measured: bytes(events) },
        ],
      },
      ...(rates ? [rateSection(rates)] : []),
    ];
  },
};

function rateSection({ now, earlier }: NonNullable<Raw['rates']>) {
  const rate = (figure: string, values: readonly number[]) => ({
    figure,
    measured: `${spread(values, 0)} a second`,
    values,
  });
  const faster = typeof earlier === 'string' ? [] : ratios(now, earlier);
  return {
    title: 'The main job, beside an earlier version',
    note: `The same users by the same client, ${CONCURRENCY} at a time. The platform is a process of its own, on one core, and the client has another, as with \`npm start\` and the command line. The earlier version is \`${EARLIER}\` of this repository, with today’s packages: its tables were in dynalite and its functions called them by the AWS SDK. A write of a strongly consistent table takes 10 ms more today, as it does on AWS, and took none then. ${ROUNDS} rounds in turn; median (least–greatest), ratios within a round.`,
    unit: 'registrations a second',
    rows: [
      typeof earlier === 'string'
        ? { figure: 'the earlier version', measured: `not measured: ${earlier.split('\n')[0]}` }
        : { ...rate('the earlier version', earlier), limit: true },
      rate('this version', now),
      ...(faster.length > 0
        ? [
            {
              figure: 'this version, over the earlier one',
              measured: `${spread(faster, 2)} ×`,
              target: `≥ ${RATE_TARGET} ×`,
              missed: median(faster) < RATE_TARGET,
            },
          ]
        : []),
    ],
  };
}

async function count(users: readonly { user_id: string }[]): Promise<Omit<Raw, 'users' | 'rates'>> {
  const watch = watchAws();
  const platform = await startPlatform({ port: 0 });
  let exchanges = 0;
  const counted: typeof fetch = (...args) => {
    exchanges += 1;
    return fetch(...args);
  };
  const { entry, clients } = platform.info;
  const client = new CountersignClient({ url: entry, apiKey: clients[0]!.api_key, fetch: counted });
  try {
    progress(`batch: ${users.length} users`);
    await client.register({ user_id: 'first' });
    await watch.settle();
    watch.take();
    exchanges = 0;
    const { registered, seconds } = await registerAll(client, users);
    const answered = watch.take();
    await watch.settle();
    return { registered, seconds, exchanges, ...withLater(answered, watch.take()) };
  } finally {
    await client.close();
    await platform.stop();
    watch.stop();
  }
}

async function registerAll(client: CountersignClient, users: readonly { user_id: string }[]) {
  const start = performance.now();
  let registered = 0;
  for await (const { ok } of client.registerBatch(users, { concurrency: CONCURRENCY }))
    registered += Number(ok);
  return { registered, seconds: (performance.now() - start) / 1000 };
}

async function compareRates(users: readonly { user_id: string }[]): Promise<NonNullable<Raw['rates']>> {
  const now: number[] = [];
  const earlier: number[] = [];
  const checkout = checkOut();
  try {
    for (let round = 1; round <= ROUNDS; round++) {
      progress(`batch: beside ${EARLIER}, round ${round} of ${ROUNDS}`);
      if (checkout.path !== undefined) earlier.push(await rateOf(checkout.path, users));
      now.push(await rateOf(ROOT, users));
    }
    return { now, earlier: checkout.reason ?? earlier };
  } finally {
    checkout.remove();
  }
}

/** The earlier version in a folder of its own, with this version's packages. */
function checkOut(): { path?: string; reason?: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-earlier-'));
  const path = join(folder, 'tree');
  const git = (...args: string[]) => execFileSync('git', ['-C', ROOT, ...args], { stdio: 'pipe' });
  const remove = () => {
    rmSync(folder, { recursive: true, force: true });
    try {
      git('worktree', 'prune');
    } catch {
      // Without git there was no worktree either.
    }
  };
  try {
    git('worktree', 'add', '--detach', path, EARLIER);
    symlinkSync(join(ROOT, 'node_modules'), join(path, 'node_modules'));
    return { path, remove };
  } catch (error) {
    return { reason: `git has no ${EARLIER} here (${(error as Error).message.split('\n')[0]})`, remove };
  }
}

/** @param root of a version @returns registrations a second */
async function rateOf(root: string, users: readonly { user_id: string }[]): Promise<number> {
  const platform = await startChild(
    pathToFileURL(join(root, 'bench/processes/platform.ts')).href,
    CORES.server,
  );
  const { entry, clients } = await platform.ask<PlatformInfo>('info');
  const client = new CountersignClient({ url: entry, apiKey: clients[0]!.api_key });
  try {
    // What runs for the first time is compiled here.
    await registerAll(
      client,
      users.map(({ user_id }) => ({ user_id: `first-${user_id}` })),
    );
    const { registered, seconds } = await registerAll(client, users);
    if (registered < users.length) throw new Error(`${registered} of ${users.length} are registered`);
    return users.length / seconds;
  } finally {
    await client.close();
    await platform.stop();
  }
}
