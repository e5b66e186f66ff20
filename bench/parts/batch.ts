/** Registers a file of users at the local platform with the SDK, and counts calls and bytes. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { startPlatform } from '../../local/platform.ts';
import { CountersignClient } from '../../sdk/typescript/index.ts';
import { type Measured, progress } from '../report.ts';

const CONCURRENCY = 16;

export async function measureBatch(): Promise<Measured> {
  const users = readFileSync(new URL('../../examples/users.jsonl', import.meta.url), 'utf8')
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
    progress(`batch: ${users.length} users`);
    await client.register({ user_id: 'first' });
    exchanges = 0;
    const stores = watchStores(awsEndpoint);
    const start = performance.now();
    let registered = 0;
    for await (const { ok } of client.registerBatch(users, { concurrency: CONCURRENCY }))
      registered += Number(ok);
    const seconds = (performance.now() - start) / 1000;
    const { calls, sent, received } = stores.stop();
    const perUser = (count: number) => count / users.length;
    const made = Object.values(calls).reduce((sum, count) => sum + count, 0);
    const kinds = Object.entries(calls).map(([kind, count]) => `${perUser(count).toFixed(3)} ${kind}`);
    return {
      sections: [
        {
          title: 'The main job',
          note: `${users.length.toLocaleString('en')} users of examples/users.jsonl, ${CONCURRENCY} at a time, client, both Regions and their stores in one process. Clients and keysets are cached, quotas on.`,
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
              measured: `${perUser(made).toFixed(3)}: ${kinds.join(', ')}`,
              target: '≤ 2.05',
              missed: perUser(made) > 2.05,
            },
            {
              figure: 'bytes to and from the stores per registration, HTTP’s own included',
              measured: `${perUser(sent).toFixed(0)} sent, ${perUser(received).toFixed(0)} received`,
            },
          ],
        },
      ],
      raw: { users: users.length, registered, seconds, exchanges, calls, sent, received },
    };
  } finally {
    await client.close();
    await platform.stop();
  }
}

interface Watched {
  /** By operation. */
  readonly calls: Readonly<Record<string, number>>;
  /** Bytes on the sockets. */
  readonly sent: number;
  readonly received: number;
}

/** Counts this process's calls to the platform's AWS endpoint, by any client. */
function watchStores(awsEndpoint: string): { stop(): Watched } {
  const { host } = new URL(awsEndpoint);
  const calls: Record<string, number> = {};
  // Bytes that a socket carried before it was first seen are not counted.
  const sockets = new Map<Socket, { sent: number; received: number }>();
  const see = (socket: Socket) => {
    if (sockets.has(socket)) return;
    sockets.set(socket, { sent: socket.bytesWritten, received: socket.bytesRead });
  };
  const count = (message: unknown) => {
    const { request } = message as { request: ClientRequest };
    if (request.getHeader('host') !== host) return;
    const operation = String(request.getHeader('x-amz-target')).split('.').at(-1)!;
    calls[operation] = (calls[operation] ?? 0) + 1;
    if (request.socket) see(request.socket);
    else request.once('socket', see);
  };
  subscribe('http.client.request.start', count);
  return {
    stop() {
      unsubscribe('http.client.request.start', count);
      let [sent, received] = [0, 0];
      for (const [socket, before] of sockets) {
        sent += socket.bytesWritten - before.sent;
        received += socket.bytesRead - before.received;
      }
      return { calls, sent, received };
    },
  };
}
