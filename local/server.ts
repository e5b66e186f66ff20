/**
 * One HTTP server on the loopback interface. A web page must not reach the platform, neither by DNS rebinding
 * nor from an origin of its own. So a wrong `Host` and a foreign `Origin` are refused before any handler sees
 * the request (docs/threat-model.md).
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type HttpListener = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export interface LocalServer {
  readonly port: number;
  /** Base URL, without a slash at its end. */
  readonly url: string;
  /** Sets the listener that answers. Before this call, and after `stop`, no request is answered. */
  serve(listener: HttpListener): void;
  stop(): Promise<void>;
}

/** The port is in use, by another process or by an earlier start. */
export class PortInUse extends Error {
  constructor(port: number, part: string, cause: unknown) {
    super(
      `port ${port} is in use, and ${part} needs it; stop the program that uses it, or choose another port with --port`,
      { cause },
    );
    this.name = 'PortInUse';
  }
}

/**
 * @param port 0 for any free port
 * @param siblings ports of every server of this platform, whose origins may call; this server adds its own
 * @param origins further web origins that may call
 * @param part what the server is for, in the message of a port in use
 * @throws PortInUse
 */
export async function startServer(
  port: number,
  siblings: Set<number>,
  origins: readonly string[] = [],
  part = 'a server of this platform',
): Promise<LocalServer> {
  const server = createServer();
  // Longer than clients keep an idle connection: else one that they use again may just have ended.
  server.keepAliveTimeout = 60_000;
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? new PortInUse(port, part, error) : error;
  }
  const { port: taken } = server.address() as AddressInfo;
  siblings.add(taken);

  const serve = (listener: HttpListener) => {
    server.on('request', (request, response) => {
      const refusal = refusalOf(request, taken, siblings, origins);
      if (refusal) return answerRefusal(response, refusal);
      // The client may have gone away: then no answer is possible.
      listener(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  };
  const stop = async () => {
    if (!server.listening) return;
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
  const sentFrom = valuesOf(request, 'origin');
  // Requests for a page's images, scripts and links carry no Origin. This header says whether the page is a
  // foreign one.
  const isForeign = (site: string) => site === 'cross-site' || site === 'same-site';
  const isNamed = sentFrom.length > 0 || !valuesOf(request, 'sec-fetch-site').some(isForeign);
  if (isNamed && sentFrom.every((origin) => allowed.includes(origin))) return undefined;
  const detail = 'Only pages of this platform, and of origins that --allow-origin names, may call it.';
  return { status: 403, title: 'Foreign origin', detail };
}

const names = (port: number): string[] => [`127.0.0.1:${port}`, `localhost:${port}`];

/** @returns every value of a header. Node's own `headers` keep only the first value of some headers. */
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
 * @returns the body; undefined where it is larger than `limit` bytes. The rest is then read and dropped, so
 * that the client reads the answer.
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
