/** One HTTP exchange: an answer, read to its end, or an error that says why there is none. */
import {
  type ApiError,
  ConnectionError,
  type CountersignError,
  problemError,
  TimeoutError,
  UnexpectedAnswerError,
} from './errors.ts';

export interface Exchange {
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
  /** Whichever of them aborts ends the exchange, which then throws that signal's reason. */
  readonly signals: readonly AbortSignal[];
}

export interface Request {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface Answer {
  /** Who answered. */
  readonly origin: string;
  readonly status: number;
  readonly headers: Headers;
  /** The body as JSON; undefined where it is none. */
  readonly json: unknown;
}

/**
 * @returns whatever is answered, a problem too
 * @throws ConnectionError, TimeoutError, or the reason of an aborted signal
 */
export async function exchange(request: Request, { fetch, timeoutMs, signals }: Exchange): Promise<Answer> {
  const { origin } = new URL(request.url);
  // A controller of its own, so that nothing stays attached to signals that live as long as the client.
  const controller = new AbortController();
  const abort = () => controller.abort();
  for (const signal of signals) {
    signal.throwIfAborted();
    signal.addEventListener('abort', abort);
  }
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    abort();
  }, timeoutMs);
  try {
    const { method, url, headers = {}, body } = request;
    const response = await fetch(url, {
      method,
      headers,
      ...(body && { body: body as BufferSource }),
      signal: controller.signal,
      // A proof is for one URL: it goes nowhere else.
      redirect: 'manual',
      credentials: 'omit',
    });
    const { status, headers: answered } = response;
    return { origin, status, headers: answered, json: parse(await response.text()) };
  } catch (error) {
    for (const signal of signals) signal.throwIfAborted();
    throw timedOut ? new TimeoutError(origin, timeoutMs) : new ConnectionError(origin, reasonOf(error));
  } finally {
    clearTimeout(timer);
    for (const signal of signals) signal.removeEventListener('abort', abort);
  }
}

/** @returns what an answer that is no success fails with */
export function answerError(answer: Answer): ApiError | CountersignError {
  const { origin, status, json } = answer;
  const requestId = answer.headers.get('Countersign-Request-Id')?.slice(0, 64) ?? undefined;
  const retryAfterMs = retryAfter(answer);
  return (
    (status >= 400 ? problemError(json, { status, requestId, retryAfterMs }) : undefined) ??
    new UnexpectedAnswerError(origin, status, requestId)
  );
}

/** @returns the server's time in epoch milliseconds, to the second, or undefined */
export function serverTimeMs({ headers }: Answer): number | undefined {
  const time = Date.parse(headers.get('Date') ?? '');
  return Number.isNaN(time) ? undefined : time;
}

/** Retry-After (RFC 9110 §10.2.3): seconds, or a date, which is held against the answer's own. */
function retryAfter(answer: Answer): number | undefined {
  const value = answer.headers.get('Retry-After');
  if (value === null) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const delayMs = Date.parse(value) - (serverTimeMs(answer) ?? Number.NaN);
  return Number.isNaN(delayMs) ? undefined : Math.max(0, delayMs);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A system's error code where there is one: a message could quote the request. */
function reasonOf(error: unknown): string {
  for (let e = error; e instanceof Error; e = e.cause) {
    const { code } = e as { code?: unknown };
    if (typeof code === 'string' && /^[A-Z_]{2,40}$/.test(code)) return code;
  }
  return 'connection failed';
}
