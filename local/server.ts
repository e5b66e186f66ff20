/**
 * One HTTP server on the loopback interface. A web page must reach none of the platform by DNS rebinding or
 * from its own origin, so both are refused before any handler sees the request (design: 6-running).
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type HttpListener = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export interface LocalServer {
  readonly port: number;
  /** Base URL, without a slash at its end. */
  readonly url: string;
  /** Sets who answers; until then, and after `stop`, nobody does. */
  serve(listener: HttpListener): void;
  stop(): Promise<void>;
}

/** The port is taken, by another process or by an earlier start. */
export class PortInUse extends Error {
  constructor(port: number, cause: unknown) {
    super(`port ${port} is in use; stop what listens there or choose another with --port`, { cause });
    this.name = 'PortInUse';
  }
}

/**
 * @param port 0 takes any free one
 * @param siblings ports of every server of this platform, which this one adds itself to: their origins may call
 * @param origins others that may call
 * @throws PortInUse
 */
export async function startServer(
  port: number,
  siblings: Set<number>,
  origins: readonly string[] = [],
): Promise<LocalServer> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? new PortInUse(port, error) : error;
  }
  const { port: taken } = server.address() as AddressInfo;
  siblings.add(taken);

  const serve = (listener: HttpListener) => {
    server.on('request', (request, response) => {
      const refusal = refusalOf(request, taken, siblings, origins);
      if (refusal) return answerRefusal(response, refusal);
      // A client that went away has no use for an answer.
      listener(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  };
  const stop = async () => {
    siblings.delete(taken);
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  return { port: taken, url: `http://127.0.0.1:${taken}`, serve, stop };
}

interface LocalRefusal {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
}

function refusalOf(
  request: IncomingMessage,
  port: number,
  siblings: ReadonlySet<number>,
  origins: readonly string[],
): LocalRefusal | undefined {
  const hosts = valuesOf(request, 'host');
  if (hosts.length !== 1 || !names(port).includes(hosts[0]!)) {
    const detail = `Host must be ${names(port).join(' or ')}.`;
    return { status: 421, title: 'Misdirected request', detail };
  }
  const own = [...siblings].flatMap((sibling) => names(sibling).map((name) => `http://${name}`));
  const allowed = [...own, ...origins];
  if (valuesOf(request, 'origin').every((origin) => allowed.includes(origin))) return undefined;
  const detail = 'Only pages of this platform may call it, and those that --allow-origin names.';
  return { status: 403, title: 'Foreign origin', detail };
}

const names = (port: number): string[] => [`127.0.0.1:${port}`, `localhost:${port}`];

/** Every value, also of a header that Node would keep only the first of. */
function valuesOf({ rawHeaders }: IncomingMessage, name: string): string[] {
  return rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]!.toLowerCase() === name);
}

function answerRefusal(response: ServerResponse, { status, title, detail }: LocalRefusal): void {
  const body = JSON.stringify({ type: 'about:blank', title, status, detail });
  response.writeHead(status, {
    'Content-Type': 'application/problem+json',
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  });
  response.end(body);
}

/**
 * @returns the body, or undefined where it is larger than `limit` bytes; the rest is then read and dropped, so
 * that the client gets to the answer
 */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += chunk.length;
    if (size > limit) {
      request.resume();
      return undefined;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
