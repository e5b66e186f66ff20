/**
 * The entry, as health-checked DNS is (docs/regions.md): a client keeps the Region that its name was resolved
 * to until the answer's time to live is over. If that Region is gone meanwhile, its connection breaks.
 */
import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { answers } from './dns/health-check.ts';
import type { HttpListener } from './server.ts';

export interface Destination {
  /** The Region's base URL. */
  readonly url: string;
  /** Whether its health check is healthy. */
  readonly isHealthy: () => boolean;
}

export interface RouterOptions {
  /** In order of preference. */
  readonly regions: readonly Destination[];
  /** How long a client keeps an answer of DNS. */
  readonly ttlMs: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

export interface Router {
  readonly listener: HttpListener;
  stop(): void;
}

export function createRouter({ regions, ttlMs, now = () => performance.now() }: RouterOptions): Router {
  const agent = new Agent({ keepAlive: true });
  /** By the client's address, as a resolver on its machine would keep it. */
  const resolved = new Map<string, { readonly region: Destination; readonly untilMs: number }>();

  function resolve(host: string): Destination {
    const nowMs = now();
    const held = resolved.get(host);
    if (held && nowMs < held.untilMs) return held.region;
    const [region] = answers(regions, ({ isHealthy }) => isHealthy()) as [Destination];
    resolved.set(host, { region, untilMs: nowMs + ttlMs });
    return region;
  }

  return {
    listener: (asked, response) => pass(asked, response, resolve(asked.socket.remoteAddress ?? ''), agent),
    stop: () => agent.destroy(),
  };
}

/** Passes a request on as it is, except for its Host. */
async function pass(
  asked: IncomingMessage,
  response: ServerResponse,
  { url }: Destination,
  agent: Agent,
): Promise<void> {
  const { host, hostname, port } = new URL(url);
  const { promise, resolve } = Promise.withResolvers<void>();
  // The client sees what it would see of the Region itself: a connection that breaks.
  const broken = () => {
    response.destroy();
    resolve();
  };
  const forwarded = request(
    {
      ...{ hostname, port, agent, method: asked.method, path: asked.url },
      headers: withHost(asked.rawHeaders, host),
    },
    (answer) => {
      response.sendDate = false;
      response.writeHead(answer.statusCode!, withoutConnection(answer.rawHeaders));
      answer.on('error', broken);
      answer.pipe(response);
      response.on('finish', resolve);
    },
  );
  forwarded.on('error', broken);
  response.on('close', () => {
    if (!response.writableFinished) forwarded.destroy();
    resolve();
  });
  asked.pipe(forwarded);
  await promise;
}

/** @param raw names and values in turn */
const withHost = (raw: readonly string[], host: string): string[] => [
  'Host',
  host,
  ...withoutConnection(pairs(raw).flatMap((pair) => (pair[0].toLowerCase() === 'host' ? [] : pair))),
];

/** Each of the two connections is kept alive by its own two ends. */
const withoutConnection = (raw: readonly string[]): string[] =>
  pairs(raw).flatMap((pair) => (/^(connection|keep-alive)$/i.test(pair[0]) ? [] : pair));

const pairs = (raw: readonly string[]): [string, string][] =>
  raw.flatMap((name, i): [string, string][] => (i % 2 === 0 ? [[name, raw[i + 1]!]] : []));
