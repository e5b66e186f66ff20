/**
 * What stays the same as instances and registrations become more, and what clients see of the loss of a
 * Region.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { History } from '../../cli/drill/history.ts';
import { Load as DrillLoad } from '../../cli/drill/load.ts';
import { startOwn } from '../../cli/drill/platform.ts';
import type { PlatformInfo } from '../../local/platform.ts';
import { APART, type Counted, kindsOf, type Received, totalOf, withLater } from '../aws-calls.ts';
import { build } from '../builds.ts';
import { CORES } from '../machine.ts';
import { type Child, startChild } from '../processes/child.ts';
import { type Cold, startCold } from '../processes/cold.ts';
import type { Driven } from '../processes/load.ts';
import type { Signer } from '../processes/proofs.ts';
import { type Part, percentiles, progress, type Row, type Section } from '../report.ts';

const INSTANCES = [1, 2, 4, 8, 16] as const;
const ITEMS = [1_000, 10_000, 100_000, 1_000_000] as const;
/** Of each instance: Lambda gives an instance one request at a time. */
const CONNECTIONS_EACH = 1;
const REGISTRATIONS = 4_000;
const WARM_UP_EACH = 100;
/** Writes: what is read in memory's stead depends on time and instances, not on registrations. */
const WRITES_TARGET = 2.05;
const READS = ['GetItem', 'Query', 'GetSecretValue'];
const DRILL_CLIENTS = 50;
/** Before, while and after a Region is lost. */
const DRILL_MS = { before: 8_000, lost: 16_000, after: 8_000 } as const;
type Phase = keyof typeof DRILL_MS;
const PHASES = Object.keys(DRILL_MS) as Phase[];

interface Step {
  readonly registrations: number;
  readonly seconds: number;
  readonly latencyMs: Driven['latencyMs'];
  readonly requests: Received;
  /** Not known while the outbox is busy with others' registrations. */
  readonly events?: Received;
}

/** A step that was measured before events were counted apart. */
interface Undivided extends Omit<Step, 'requests' | 'events'>, Omit<Received, 'bytes'> {
  readonly bytes: number;
}

interface Calls {
  /** Of the calls that succeeded, of the client: with every attempt. */
  readonly latencyMs: Driven['latencyMs'];
  readonly calls: number;
  readonly failed: number;
}

interface Raw {
  /** By their number. */
  readonly instances: Readonly<Record<string, Step | Undivided>>;
  /** By registrations in the registry. */
  readonly items: Readonly<Record<string, Step | Undivided>>;
  readonly loss: Readonly<Record<Phase, Calls>>;
}

export const scale: Part<Raw> = {
  async measure() {
    return { ...(await measureGrowth()), loss: await measureLoss() };
  },
  sections: ({ instances, items, loss }) => [
    instancesSection(instances),
    itemsSection(items),
    lossSection(loss),
  ],
};

async function measureGrowth(): Promise<Pick<Raw, 'instances' | 'items'>> {
  const outdir = mkdtempSync(join(tmpdir(), 'countersign-scale-'));
  const store = await startChild('scale-store.ts', CORES.load);
  const load = await startChild('load.ts', CORES.load);
  const running: Cold[] = [];
  try {
    const { server, deployed } = build(outdir);
    const info = await store.ask<PlatformInfo>('info');
    const grow = async (instances: number) => {
      while (running.length < instances) running.push(await startCold([server, deployed], { info }));
    };
    const step = (of: keyof Pick<Raw, 'instances' | 'items'>) =>
      measureStep(store, load, info, running, of === 'instances');
    const instances: Record<string, Step> = {};
    for (const count of INSTANCES) {
      progress(`scale: ${count} instances`);
      await grow(count);
      instances[count] = await step('instances');
    }
    for (const cold of running.splice(4)) await cold.stop();
    const items: Record<string, Step> = {};
    for (const count of ITEMS) {
      progress(`scale: ${count.toLocaleString('en')} registrations`);
      await store.ask('fillTo', count);
      items[count] = await step('items');
    }
    return { instances, items };
  } finally {
    for (const cold of running) await cold.stop();
    await load.stop();
    await store.stop();
    rmSync(outdir, { recursive: true, force: true });
  }
}

/** @param withEvents whether to wait for the events, and to count them */
async function measureStep(
  store: Child,
  load: Child,
  info: PlatformInfo,
  running: readonly Cold[],
  withEvents: boolean,
): Promise<Step> {
  const { client_id: clientId, api_key: apiKey } = info.clients[0]!;
  const signers: Signer[] = [{ clientId, kid: '1', alg: 'HS256', apiKey }];
  const drive = (requests: number) =>
    load.ask<Driven>('drive', {
      ...{ url: info.regions[0]!.url, issuer: info.entry, kind: 'registration', signers, requests },
      ...{ sendTo: running.map(({ url }) => url), connections: running.length * CONNECTIONS_EACH },
    });
  await drive(running.length * WARM_UP_EACH);
  if (withEvents) await store.ask('settle');
  await store.ask('received');
  const { requests: registrations, seconds, latencyMs } = await drive(REGISTRATIONS);
  const answered = await store.ask<Counted>('received');
  const step = { registrations, seconds, latencyMs };
  if (!withEvents) return { ...step, requests: answered.requests };
  await store.ask('settle');
  return { ...step, ...withLater(answered, await store.ask<Counted>('received')) };
}

/** The drill's clients, with the percentiles of what they wait. */
async function measureLoss(): Promise<Raw['loss']> {
  const platform = await startOwn('strong', new AbortController().signal);
  const history = new History();
  const load = new DrillLoad(platform.info, history);
  try {
    progress('scale: a Region is lost');
    const region = platform.info.regions.at(-1)!.name;
    await load.start(DRILL_CLIENTS);
    const ends: [Phase, number][] = [];
    for (const phase of PHASES) {
      if (phase !== 'before') await platform.cause({ kind: 'region', region, lost: phase === 'lost' });
      await delay(DRILL_MS[phase]);
      ends.push([phase, history.now()]);
    }
    await load.stop();
    const phaseOf = (atMs: number): Phase => ends.find(([, endMs]) => atMs < endMs)?.[0] ?? 'after';
    return Object.fromEntries(
      PHASES.map((phase) => {
        const calls = history.calls.filter(
          ({ attempts }) => attempts[0] !== undefined && phaseOf(attempts[0].startMs) === phase,
        );
        const waited = calls
          .filter(({ acknowledged }) => acknowledged !== undefined)
          .map(({ attempts, endMs }) => endMs - attempts[0]!.startMs);
        const failed = calls.filter(({ error }) => error !== undefined).length;
        return [phase, { latencyMs: percentiles(waited), calls: calls.length, failed }];
      }),
    ) as Record<Phase, Calls>;
  } finally {
    await load.close();
    await platform.stop();
  }
}

const latency = ({ 50: half, 95: most, 99: nearlyAll }: Driven['latencyMs']): string =>
  `${half.toFixed(1)} ms, 95 %: ${most.toFixed(1)} ms, 99 %: ${nearlyAll.toFixed(1)} ms`;

function stepRow(figure: string, step: Step | Undivided): Row {
  if (!('requests' in step)) return undividedRow(figure, step);
  const { registrations, seconds, requests, events, latencyMs } = step;
  const each = totalOf(requests.calls) / registrations;
  const reads = READS.reduce((sum, operation) => sum + (requests.calls[operation] ?? 0), 0);
  const writes = each - reads / registrations;
  const made = ({ calls, bytes: { sent, received } }: Received) =>
    `${(totalOf(calls) / registrations).toFixed(3)} calls (${kindsOf(calls, registrations)}), ${((sent + received) / registrations).toFixed(0)} bytes`;
  return {
    figure,
    measured: [
      `${made(requests)}, ${totalOf(requests.refused)} calls refused`,
      ...(events ? [`events, after the answer: ${made(events)}`] : []),
      `${(registrations / seconds).toFixed(0)} a second`,
      latency(latencyMs),
    ].join('; '),
    values: [each],
    target: `≤ ${WRITES_TARGET} writes on the request path`,
    missed: writes > WRITES_TARGET,
  };
}

/** Has no target: nobody knows which of the calls were on the request path. */
function undividedRow(figure: string, step: Undivided): Row {
  const { registrations, seconds, calls, refused, bytes, latencyMs } = step;
  const each = totalOf(calls) / registrations;
  const measured = [
    `measured before events were counted apart: ${each.toFixed(3)} calls with those of events (${kindsOf(calls, registrations)}), ${(bytes / registrations).toFixed(0)} bytes, ${totalOf(refused)} calls refused`,
    `${(registrations / seconds).toFixed(0)} a second`,
    latency(latencyMs),
  ];
  return { figure, measured: measured.join('; '), values: [each] };
}

function instancesSection(instances: Raw['instances']): Section {
  return {
    title: 'Registrations against instances',
    note: `${REGISTRATIONS.toLocaleString('en')} registrations of one client by processes of the deployed register function, ${CONNECTIONS_EACH} at a time each, into one Region of the local replicated store, whose writes take no time here. All functions share one core, and store, gateway and load another: so the rate says what this machine has, and the calls and bytes per registration say what more instances would cost elsewhere. All share one item, the client’s quota: each instance takes leases of it, and a lease that is refused is counted. An instance reads what it keeps in memory every few seconds, so the slower the rate, the more reads each registration has. Calls are those that the store’s endpoint receives, bytes those on its sockets in both directions, HTTP’s own included. ${APART}`,
    unit: 'calls per registration',
    rows: Object.entries(instances).map(([count, step]) =>
      stepRow(count === '1' ? '1 instance' : `${count} instances`, step),
    ),
  };
}

function itemsSection(items: Raw['items']): Section {
  return {
    title: 'Registrations as the registry grows',
    note: `The same with 4 instances, after the registry was filled with registrations of another client. No call reads more than one item or depends on the number of others. Events are left out here: the outbox is still busy with those registrations, and writes the events of these later.`,
    unit: 'calls per registration',
    rows: Object.entries(items).map(([count, step]) =>
      stepRow(`${Number(count).toLocaleString('en')} registrations`, step),
    ),
  };
}

function lossSection(loss: Raw['loss']): Section {
  const figures: Readonly<Record<Phase, string>> = {
    before: 'before',
    lost: 'while the Region is lost',
    after: 'when it is back',
  };
  return {
    title: 'The loss of a Region, as clients wait',
    note: `The load of [a drill](drills.md): ${DRILL_CLIENTS} clients of the SDK, of which half prefer the Region whose process is killed. Time from a call’s first request to its result, with every further attempt. It includes the 10 ms that a strongly consistent write takes on the local platform.`,
    unit: 'ms at 99 %',
    rows: PHASES.map((phase) => {
      const { latencyMs, calls, failed } = loss[phase];
      return {
        figure: figures[phase],
        measured: `${latency(latencyMs)}; ${calls.toLocaleString('en')} calls, ${failed} failed`,
        values: [latencyMs['99']],
        target: 'no client sees an error',
        missed: failed > 0,
      };
    }),
  };
}
