/** The gateway's own answers: problems (RFC 9457, docs/errors/) and CORS preflights. */
import { CORS_ANSWER_HEADERS, CORS_REQUEST_HEADERS, type Route } from '../../lambda/contract/routes.ts';
import { PROBLEMS, type ProblemCode } from '../../protocol/problem.ts';
import type { GatewayAnswer } from './result.ts';

const CORS: readonly (readonly [string, string])[] = [
  ['Access-Control-Allow-Origin', '*'],
  ['Access-Control-Expose-Headers', CORS_ANSWER_HEADERS.join(', ')],
];

/** @param status where it differs from the code's own: a gateway answers 502 for a function that failed */
export function gatewayProblem(
  code: ProblemCode,
  requestId: string,
  errorDocsUrl: string,
  status: number = PROBLEMS[code].status,
): GatewayAnswer {
  const { title, detail } = PROBLEMS[code];
  const type = `${errorDocsUrl}/${code}`;
  const value = { type, title, status, detail, instance: `urn:uuid:${requestId}`, code };
  return {
    status,
    headers: [
      ['Content-Type', 'application/problem+json'],
      ['Cache-Control', 'no-store'],
      ['Countersign-Request-Id', requestId],
      ...(status >= 500 ? [['Retry-After', '1'] as const] : []),
      ...CORS,
    ],
    body: Buffer.from(JSON.stringify(value)),
  };
}

export function preflight({ methods }: Route, requestId: string): GatewayAnswer {
  return {
    status: 204,
    headers: [
      ['Access-Control-Allow-Methods', [...methods, 'OPTIONS'].join(', ')],
      ['Access-Control-Allow-Headers', CORS_REQUEST_HEADERS.join(', ')],
      ['Countersign-Request-Id', requestId],
      ...CORS,
    ],
    body: Buffer.alloc(0),
  };
}
