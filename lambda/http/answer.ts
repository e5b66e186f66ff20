/** Answers: JSON, problems (RFC 9457) and their headers (docs/protocol.md, "Headers of answers"). */
import { PROBLEMS, type ProblemCode, type Violation } from '../../protocol/problem.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Only for the log, as is `reason`. */
  readonly code?: string;
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

/**
 * A 422 spends no nonce, so its request can be repeated: the answer must not be many times as large as the
 * request.
 */
const MAX_ERRORS = 20;
const MAX_ERRORS_BYTES = 8_192;

/** @returns the first errors, at least one: a pointer may be as long as the body that it points into */
function listed(errors: readonly Violation[]): readonly Violation[] {
  let bytes = 0;
  const end = errors.findIndex((error, i) => {
    bytes += Buffer.byteLength(JSON.stringify(error));
    return i > 0 && (i >= MAX_ERRORS || bytes > MAX_ERRORS_BYTES);
  });
  return end < 0 ? errors : errors.slice(0, end);
}

export function problem(code: ProblemCode, options: ProblemOptions): Answer {
  const { status, title, detail } = PROBLEMS[code];
  const { requestId, errorDocsUrl, nowMs, reason } = options;
  const errors = options.errors && listed(options.errors);
  const more = (options.errors?.length ?? 0) - (errors?.length ?? 0);
  const value = {
    type: `${errorDocsUrl}/${code}`,
    title,
    status,
    detail:
      options.detail ??
      (code === 'clock_skew' ? `${detail} It is ${new Date(nowMs).toISOString()}.` : detail) +
        (more > 0 ? ` There are ${more} more.` : ''),
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
