/**
 * The smallest bridge between an HTTP server and a function: it makes the event with the fields that the
 * functions read.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener } from 'node:http';
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from 'aws-lambda';
import { readText } from './server.ts';

export type HttpFunction = (event: APIGatewayProxyEvent) => Promise<APIGatewayProxyResult>;

/** @param functions by path; any other path is answered 404 */
export function serveFunctions(functions: Readonly<Record<string, HttpFunction>>): RequestListener {
  return async (request, response) => {
    const [path = '', query] = request.url!.split('?');
    const run = functions[path];
    if (!run) return response.writeHead(404).end();
    const { statusCode, headers, body } = await run(toEvent(request, path, query, await readText(request)));
    response.writeHead(statusCode, { ...headers, 'Content-Length': Buffer.byteLength(body) });
    response.end(body);
  };
}

function toEvent(
  { method, rawHeaders }: IncomingMessage,
  path: string,
  query: string | undefined,
  body: string,
): APIGatewayProxyEvent {
  const headers: Record<string, string[]> = {};
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    const value = rawHeaders[i + 1]!;
    if (headers[name]) headers[name].push(value);
    else headers[name] = [value];
  }
  const parameters = [...new URLSearchParams(query)].map(([name, value]) => [name, [value]]);
  return {
    resource: path,
    path,
    httpMethod: method,
    multiValueHeaders: headers,
    multiValueQueryStringParameters: query === undefined ? null : Object.fromEntries(parameters),
    pathParameters: null,
    requestContext: { requestId: randomUUID() },
    body: body === '' ? null : Buffer.from(body).toString('base64'),
    isBase64Encoded: body !== '',
  } as unknown as APIGatewayProxyEvent;
}
