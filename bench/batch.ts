/** The main job: a file of users through the local platform, by the SDK; and what it costs in calls. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import type { ClientRequest } from 'node:http';
import { startPlatform } from '../local/platform.ts';
import { CountersignClient } from '../sdk/typescript/index.ts';
import type { Section } from './report.ts';

export async function measureBatch(concurrency: number): Promise<Section> {
  const users = readFileSync(new URL('../examples/users.jsonl', import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const platform = await startPlatform({ port: 0 });
  let exchanges = 0;
  const counted: typeof fetch = (...args) => {
    exchanges += 1;
    return fetch(...args);
  };
  const { entry, awsEndpoint, clients } = platform.info;
  const client = new CountersignClient({ url: entry, apiKey: clients[0]!.api_key, fetch: counted });
  try {
    await client.register({ user_id: 'first' });
    exchanges = 0;
    const stores = countStoreCalls(awsEndpoint);
    const start = performance.now();
    let registered = 0;
    for await (const { ok } of client.registerBatch(users, { concurrency })) registered += Number(ok);
    const seconds = (performance.now() - start) / 1000;
    stores.stop();
    const perUser = (count: number) => count / users.length;
    return {
      title: 'The main job',
      note: `${users.length.toLocaleString('en')} users of examples/users.jsonl, ${concurrency} at a time, client, both Regions and their stores in one process. Clients and keysets are cached.`,
      rows: [
        {
          figure: 'registered',
          measured: `${registered} of ${users.length}`,
          target: 'all',
          missed: registered < users.length,
        },
        {
          figure: 'wall time',
          measured: `${seconds.toFixed(1)} s, ${Math.round(users.length / seconds)} a second`,
          target: 'seconds',
          missed: seconds > 60,
        },
        {
          figure: 'HTTP round trips per registration, after the first',
          measured: perUser(exchanges).toFixed(3),
          target: '1.0',
          missed: exchanges > users.length + 1,
        },
        {
          figure: 'store calls per registration',
          measured: perUser(stores.calls).toFixed(3),
          target: '2',
          missed: perUser(stores.calls) > 2.05,
        },
      ],
    };
  } finally {
    await client.close();
    await platform.stop();
  }
}

/** Counts the calls that this process makes to the platform's AWS endpoint, by whatever client. */
function countStoreCalls(awsEndpoint: string): { calls: number; stop(): void } {
  const { host } = new URL(awsEndpoint);
  const counter = { calls: 0, stop: () => unsubscribe('http.client.request.start', count) };
  const count = (message: unknown) => {
    if ((message as { request: ClientRequest }).request.getHeader('host') === host) counter.calls += 1;
  };
  subscribe('http.client.request.start', count);
  return counter;
}
