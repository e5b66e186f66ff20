/**
 * A weak network: a proxy before a platform that loses, delays, cuts and fails a share of the exchanges. A
 * client reaches it by connecting to its port in place of the server's; `Host` says which server is meant.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface FaultProxy {
  readonly port: number;
  /** How often each fault happened, and `none`. */
  readonly counts: Readonly<Record<string, number>>;
  /** The connections that clients have open. */
  connections(): Promise<number>;
  close(): Promise<void>;
}

/** In turn, so that each happens equally often. */
const FAULTS = ['drop', 'lose', 'half-open', 'truncate', 'unavailable', 'late'] as const;

/**
 * @param share of the exchanges that meet a fault, from 0 to 1
 * @param random a number in [0, 1)
 */
export async function startFaultProxy(
  share: number,
  random: () => number = Math.random,
): Promise<FaultProxy> {
  const counts: Record<string, number> = {};
  let faults = 0;
  const next = () => (random() < share ? FAULTS[faults++ % FAULTS.length]! : 'none');

  const server = createServer(async (asked, answer) => {
    const fault = next();
    counts[fault] = (counts[fault] ?? 0) + 1;
    try {
      await serve(fault, asked, answer);
    } catch {
      answer.destroy();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    counts,
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      ),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const LATE_MS = 300;

async function serve(
  fault: (typeof FAULTS)[number] | 'none',
  asked: IncomingMessage,
  answer: ServerResponse,
): Promise<void> {
  // The connection ends before the request is read.
  if (fault === 'drop') return void answer.destroy();
  const chunks: Buffer[] = [];
  for await (const chunk of asked) chunks.push(chunk);
  // Nothing ever comes back, and the connection stays.
  if (fault === 'half-open') return;
  if (fault === 'unavailable') return void answer.writeHead(503).end('no server is ready');
  if (fault === 'late') await delay(LATE_MS);
  const { status, headers, body } = await forwarded(asked, Buffer.concat(chunks));
  // The request has taken effect, and its answer is lost.
  if (fault === 'lose') return void answer.destroy();
  answer.writeHead(status, { ...headers, 'content-length': body.length });
  if (fault !== 'truncate' || body.length === 0) return void answer.end(body);
  answer.write(body.subarray(0, body.length / 2), () => answer.destroy());
}

async function forwarded(asked: IncomingMessage, body: Buffer) {
  const { host = '', connection: _, ...headers } = asked.headers;
  const { hostname, port } = new URL(`http://${host}`);
  const { method, url } = asked;
  const sent = request({ hostname, port, method, path: url, headers: { ...headers, host } });
  sent.end(body);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk);
  const { connection: __, 'transfer-encoding': ___, ...kept } = answer.headers;
  return { status: answer.statusCode!, headers: kept, body: Buffer.concat(chunks) };
}
