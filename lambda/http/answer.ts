/** Answers: JSON, problems (RFC 9457) and their headers (design: 2-protocol "Errors", 8-wire "Answers"). */
import { PROBLEMS, type ProblemCode, type Violation } from '../../protocol/problem.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** For the log alone. */
  readonly code?: ProblemCode;
  readonly reason?: string;
}

export interface ProblemOptions {
  readonly requestId: string;
  /** `type` is this URL, `/`, and the code. */
  readonly errorDocsUrl: string;
  readonly nowMs: number;
  readonly reason: string;
  readonly detail?: string;
  readonly errors?: readonly Violation[];
  readonly headers?: Readonly<Record<string, string>>;
}

export function json(status: number, value: unknown, headers: Readonly<Record<string, string>>): Answer {
  return { status, headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(value) };
}

export function problem(code: ProblemCode, options: ProblemOptions): Answer {
  const { status, title, detail } = PROBLEMS[code];
  const { requestId, errorDocsUrl, nowMs, reason, errors } = options;
  const value = {
    type: `${errorDocsUrl}/${code}`,
    title,
    status,
    detail:
      options.detail ??
      (code === 'clock_skew' ? `${detail} It is ${new Date(nowMs).toISOString()}.` : detail),
    instance: `urn:uuid:${requestId}`,
    code,
    ...(errors && { errors }),
  };
  const headers = {
    'Content-Type': 'application/problem+json',
    'Cache-Control': 'no-store',
    ...(status === 401 && { 'WWW-Authenticate': `JWT realm="countersign", error="${code}"` }),
    ...(status >= 500 && { 'Retry-After': '1' }),
    ...options.headers,
  };
  return { status, headers, body: JSON.stringify(value), code, reason };
}
