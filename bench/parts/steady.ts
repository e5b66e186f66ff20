/** A long run of one instance: its calls to the stores, and whether its memory grows. */
import { CORES } from '../machine.ts';
import { startChild } from '../processes/child.ts';
import type { Memory } from '../processes/gauges.ts';
import type { Driven } from '../processes/load.ts';
import { type Part, progress, type Row, type Section, slope } from '../report.ts';
import { makeSigners } from '../signers.ts';

const REGISTRATIONS = 100_000;
const STEPS = 20;
/** Enough that every code path is compiled and every buffer has its final size. */
const WARM_UP = 5_000;
const CLIENTS = 16;
const CALLS_TARGET = 2.05;
/** Bytes per registration. 100,000 registrations may add less than a megabyte. */
const FLAT = 10;

interface Sample extends Memory {
  readonly registrations: number;
}

interface Raw {
  readonly calls: Readonly<Record<string, number>>;
  readonly samples: readonly Sample[];
}

export const steady: Part<Raw> = { measure, sections };

async function measure(): Promise<Raw> {
  const load = await startChild('load.ts', CORES.load);
  const server = await startChild('countersign.ts', CORES.server);
  try {
    const [url, issuer] = [await server.ask('url'), await server.ask('issuer')];
    const signers = await makeSigners((params) => server.ask('createClient', params), 'HS256', CLIENTS);
    const drive = (requests: number) =>
      load.ask<Driven>('drive', {
        url,
        issuer,
        kind: 'registration',
        signers,
        connections: CLIENTS,
        requests,
      });

    progress('steady: warming up');
    await drive(WARM_UP);
    const calls: Record<string, number> = {};
    await server.ask('calls');
    const samples: Sample[] = [{ registrations: 0, ...(await server.ask<Memory>('memory')) }];
    for (let step = 1; step <= STEPS; step++) {
      const registrations = (step * REGISTRATIONS) / STEPS;
      await drive(REGISTRATIONS / STEPS);
      for (const [kind, made] of Object.entries(await server.ask<Record<string, number>>('calls')))
        calls[kind] = (calls[kind] ?? 0) + made;
      samples.push({ registrations, ...(await server.ask<Memory>('memory')) });
      progress(`steady: ${registrations.toLocaleString('en')} of ${REGISTRATIONS.toLocaleString('en')}`);
    }
    return { calls, samples };
  } finally {
    await load.stop();
    await server.stop();
  }
}

function sections({ calls, samples }: Raw): Section[] {
  const perRegistration = (made: number) => made / REGISTRATIONS;
  const all = perRegistration(Object.values(calls).reduce((sum, made) => sum + made, 0));
  const kinds = Object.entries(calls).sort(([, a], [, b]) => b - a);
  const mib = (value: number) => `${(value / 2 ** 20).toFixed(1)} MiB`;
  const memory = (figure: string, what: keyof Memory): Row => {
    const values = samples.map((sample) => sample[what]);
    const late = samples.slice(STEPS / 2).map((sample) => [sample.registrations, sample[what]] as const);
    const growth = slope(late);
    return {
      figure,
      measured: `${mib(values[0]!)} at first, ${mib(values[STEPS / 2]!)} half-way, ${mib(values.at(-1)!)} at last; ${growth.toFixed(1)} bytes a registration in the second half`,
      values: values.map((value) => value / 2 ** 20),
      ...(what === 'heap' && { target: `≤ ${FLAT} bytes a registration`, missed: growth > FLAT }),
    };
  };
  return [
    {
      title: 'Store calls under steady load',
      note: `${REGISTRATIONS.toLocaleString('en')} registrations by ${CLIENTS} clients at once through one instance, quotas on, at full speed. Two writes are the limit: one that uses the nonce up, one that registers. Reads of a client and leases of its quota are shared by many registrations: the slower the load, the more of them each registration causes.`,
      unit: 'calls per registration',
      rows: [
        {
          figure: 'store calls per registration',
          measured: all.toFixed(4),
          target: `≤ ${CALLS_TARGET}`,
          missed: all > CALLS_TARGET,
        },
        ...kinds.map(([kind, made]) => ({
          figure: `of these: ${kind}`,
          measured: perRegistration(made).toFixed(5),
          values: [perRegistration(made)],
        })),
      ],
    },
    {
      title: 'Memory',
      note: `The same run, measured after a full collection every ${(REGISTRATIONS / STEPS).toLocaleString('en')} registrations. The stand-in store keeps only the newest 1,000 items of a table, so any growth is in the functions themselves. V8 enlarges its young generation in steps. Growth is the slope of the least-squares line.`,
      unit: 'MiB',
      rows: [
        memory('heap in use', 'heap'),
        memory('resident, without V8’s heap', 'native'),
        memory('resident', 'rss'),
      ],
    },
  ];
}
