/** One HTTP exchange. It gives the complete answer, or throws the reason why there is none. */
import {
  type ApiError,
  ConnectionError,
  CountersignError,
  problemError,
  safe,
  TimeoutError,
  UnexpectedAnswerError,
} from './errors.ts';

export interface Exchange {
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
  /** The first that aborts ends the exchange, which then throws that signal's reason. */
  readonly signals: readonly AbortSignal[];
}

export interface Request {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface Answer {
  /** Origin of the server that answered. */
  readonly origin: string;
  /** URL that was asked, without its query. */
  readonly asked: string;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body, parsed as JSON; undefined where it is not JSON. */
  readonly json: unknown;
}

/**
 * Longest body that is read, in bytes after decompression. A registration has at most 16 KB. Its answer may
 * be about five times as long, since `1e20` is returned with all its digits. The discovery document holds the
 * operator's schema.
 */
const LONGEST_BODY = 1_048_576;
/**
 * Longest Retry-After that is accepted, in milliseconds: a longer value counts as a day. Timers end at 24
 * days.
 */
const LONGEST_RETRY_AFTER_MS = 24 * 3600 * 1000;

/**
 * @returns the answer, with any status
 * @throws ConnectionError; TimeoutError; UnexpectedAnswerError where the answer is too long; or the reason of
 * an aborted signal
 */
export async function exchange(request: Request, { fetch, timeoutMs, signals }: Exchange): Promise<Answer> {
  const { origin, pathname } = new URL(request.url);
  const asked = origin + pathname;
  // A controller of its own: AbortSignal.any leaves memory behind where a signal lives as long as the client
  // (docs/decisions/0025).
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
      // A proof is for one URL: never follow a redirect with it.
      redirect: 'manual',
      credentials: 'omit',
    });
    const { status, headers: answered } = response;
    const text = await readText(response, LONGEST_BODY);
    if (text === undefined)
      throw new UnexpectedAnswerError(
        asked,
        status,
        requestIdOf(answered),
        `with more than ${LONGEST_BODY} bytes`,
      );
    return { origin, asked, status, headers: answered, text, json: parse(text) };
  } catch (error) {
    if (error instanceof CountersignError) throw error;
    for (const signal of signals) signal.throwIfAborted();
    // A `fetch` may have a limit of its own.
    const isTimeout = timedOut || (error as Partial<Error> | null)?.name === 'TimeoutError';
    throw isTimeout ? new TimeoutError(origin, timeoutMs) : new ConnectionError(origin, reasonOf(error));
  } finally {
    clearTimeout(timer);
    for (const signal of signals) signal.removeEventListener('abort', abort);
  }
}

/** @returns the error for an answer without success */
export function answerError(answer: Answer): ApiError | CountersignError {
  const { status, json, headers } = answer;
  const about = { status, requestId: requestIdOf(headers), retryAfterMs: retryAfter(answer) };
  return (status >= 400 ? problemError(json, about) : undefined) ?? unexpectedAnswer(answer);
}

/** @returns the error for an answer of the wrong form */
export const unexpectedAnswer = ({ asked, status, headers }: Answer): UnexpectedAnswerError =>
  new UnexpectedAnswerError(asked, status, requestIdOf(headers));

/** @returns the answer that a 304 stands for */
export const withText = (answer: Answer, text: string): Answer => ({ ...answer, text, json: parse(text) });

/** @returns the answer's `Date` in epoch milliseconds, precise to the second; undefined where it has none */
export const serverTimeMs = ({ headers }: Answer): number | undefined => httpDate(headers.get('Date'));

/**
 * Reads Retry-After (RFC 9110, section 10.2.3): seconds, or a date, which counts from the answer's own
 * `Date`.
 */
function retryAfter(answer: Answer): number | undefined {
  const value = answer.headers.get('Retry-After');
  if (value === null) return undefined;
  const delayMs = /^\d+$/.test(value)
    ? Number(value) * 1000
    : (httpDate(value) ?? Number.NaN) - (serverTimeMs(answer) ?? Number.NaN);
  return Number.isNaN(delayMs) ? undefined : Math.min(Math.max(0, delayMs), LONGEST_RETRY_AFTER_MS);
}

/** Reads an IMF-fixdate (RFC 9110, section 5.6.7). Other forms that Date.parse accepts are ignored. */
export function httpDate(text: string | null): number | undefined {
  const time = /^\w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text ?? '')
    ? Date.parse(text!)
    : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

/** @returns the id of the request in the platform's log */
export const requestIdOf = (headers: Headers): string | undefined => {
  const id = headers.get('Countersign-Request-Id');
  return id === null ? undefined : safe(id.slice(0, 64));
};

/** @returns the body; undefined where it is longer than `limit` bytes: the rest is then not read */
async function readText({ body }: Response, limit: number): Promise<string | undefined> {
  if (!body) return '';
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let size = 0;
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.byteLength;
    if (size > limit) {
      // Do not wait for the cancellation: it may never end.
      reader.cancel().catch(() => {});
      return undefined;
    }
    text += decoder.decode(value, { stream: true });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * @returns the system's error code, if there is one. An error's message is not used: it may quote the
 * request.
 */
function reasonOf(error: unknown): string {
  for (let e = error; e instanceof Error; e = e.cause) {
    const { code } = e as { code?: unknown };
    if (typeof code === 'string' && /^[A-Z_]{2,40}$/.test(code)) return code;
  }
  return 'connection failed';
}
