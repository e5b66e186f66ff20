/** The frame of every HTTP function: it reads the event, answers a failure and logs one line. */
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from 'aws-lambda';
import { Unavailable } from '../adapters/call.ts';
import type { LogEntry } from '../contract/log-entry.ts';
import { CORS_ANSWER_HEADERS } from '../contract/routes.ts';
import { describeError, type Log } from '../log.ts';
import { type Answer, problem } from './answer.ts';
import { type RoutedRequest, readEvent, type UnroutedRequest } from './event.ts';
import { exposedKey } from './exposed-key.ts';

export interface HttpContext {
  readonly region: string;
  readonly errorDocsUrl: string;
  readonly nowMs: () => number;
  readonly log: Log;
  /** Headers that every answer to the request has besides its own, or in place of them. @default none */
  readonly headers?: (request: RoutedRequest | UnroutedRequest) => Promise<Record<string, string>>;
  /** The answer to a failure. @default a problem, as for undefined */
  readonly failure?: (code: FailureCode, reason: string) => Answer | undefined;
}

export type FailureCode = 'not_found' | 'unavailable' | 'internal';

/** The work sets it once a signature is verified. */
export interface LogFields {
  client_id?: string;
}

const EXPOSED = CORS_ANSWER_HEADERS.join(', ');

export type Work = (request: RoutedRequest, fields: LogFields) => Promise<Answer>;
export type HttpHandler = (event: APIGatewayProxyEvent) => Promise<APIGatewayProxyResult>;

export function httpHandler(context: HttpContext, work: Work): HttpHandler {
  const { region, errorDocsUrl, nowMs, log } = context;
  return async (event) => {
    const startedMs = nowMs();
    const request = readEvent(event);
    const { requestId, method, resource } = request;
    const fail = (code: FailureCode, reason: string, detail?: string) =>
      context.failure?.(code, reason) ??
      problem(code, { requestId, errorDocsUrl, nowMs: startedMs, reason, ...(detail && { detail }) });

    const fields: LogFields = {};
    let failure: Pick<LogEntry, 'error' | 'stack'> | undefined;
    let answer: Answer;
    try {
      answer = request.path === undefined ? fail('not_found', 'path') : await work(request, fields);
    } catch (error) {
      failure = describeError(error);
      answer =
        error instanceof Unavailable
          ? fail('unavailable', error.message, error.detail)
          : fail('internal', 'error');
    }
    const { status, code, reason } = answer;
    const exposed_key = exposedKey(event, request);
    log({
      level: failure ? 'ERROR' : exposed_key ? 'WARN' : 'INFO',
      message: 'request',
      request_id: requestId,
      region,
      method,
      route: resource,
      status,
      code,
      reason,
      ...fields,
      exposed_key,
      duration_ms: nowMs() - startedMs,
      ...failure,
    });
    const more = await context.headers?.(request);
    return toResult(more ? { ...answer, headers: { ...answer.headers, ...more } } : answer, requestId);
  };
}

function toResult({ status, headers, body }: Answer, requestId: string): APIGatewayProxyResult {
  return {
    statusCode: status,
    headers: {
      'Countersign-Request-Id': requestId,
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Expose-Headers': EXPOSED,
      ...headers,
    },
    body,
  };
}
