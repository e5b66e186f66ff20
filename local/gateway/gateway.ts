/** A Region's gateway: it does what API Gateway REST does between a client and the functions. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { APIGatewayProxyEvent } from 'aws-lambda';
import type { FunctionName } from '../../lambda/contract/names.ts';
import type { Route } from '../../lambda/contract/routes.ts';
import { type HttpListener, readBody } from '../server.ts';
import { proxyEvent } from './event.ts';
import { gatewayProblem, preflight } from './own-answers.ts';
import { type GatewayAnswer, readResult } from './result.ts';
import { matchRoute } from './routing.ts';

export interface GatewayOptions {
  /** Calls a function as API Gateway does. */
  readonly invoke: (name: FunctionName, event: APIGatewayProxyEvent) => Promise<unknown>;
  readonly errorDocsUrl: string;
  readonly routes: readonly Route[];
  /** Epoch milliseconds. */
  readonly nowMs: () => number;
}

/** API Gateway's limit. */
const MAX_PAYLOAD_BYTES = 10 * 1024 * 1024;

export function createGateway({ invoke, errorDocsUrl, routes, nowMs }: GatewayOptions): HttpListener {
  return async (request, response) => {
    const requestId = randomUUID();
    send(response, await answer(request, requestId), requestId, nowMs());
  };

  async function answer(request: IncomingMessage, requestId: string): Promise<GatewayAnswer> {
    const receivedAtMs = nowMs();
    const { method = '', rawHeaders, socket } = request;
    const [path, query] = split(request.url ?? '');
    const body = await readBody(request, MAX_PAYLOAD_BYTES);
    if (!body) return gatewayProblem('body_too_large', requestId, errorDocsUrl);

    const match = matchRoute(path, routes);
    if (match && method === 'OPTIONS') return preflight(match.route, requestId);
    if (!match?.route.methods.some((allowed) => allowed === method))
      return gatewayProblem('not_found', requestId, errorDocsUrl);

    const { remoteAddress: sourceIp = '', localPort: port = 0 } = socket;
    const asked = { method, path, query, rawHeaders, body, sourceIp, port, requestId, receivedAtMs };
    const result = await invoke(match.route.function, proxyEvent(asked, match)).then(
      readResult,
      () => undefined,
    );
    return result ?? gatewayProblem('internal', requestId, errorDocsUrl, 502);
  }
}

function split(target: string): [path: string, query: string] {
  const mark = target.indexOf('?');
  return mark < 0 ? [target, ''] : [target.slice(0, mark), target.slice(mark + 1)];
}

function send(
  response: ServerResponse,
  { status, headers, body }: GatewayAnswer,
  requestId: string,
  nowMs: number,
) {
  const hasBody = status !== 204 && status !== 304;
  response.sendDate = false;
  response.writeHead(status, [
    ...headers.flat(),
    ...['Date', new Date(nowMs).toUTCString()],
    ...['x-amzn-RequestId', requestId],
    ...(hasBody ? ['Content-Length', String(body.length)] : []),
  ]);
  response.end(hasBody ? body : undefined);
}
