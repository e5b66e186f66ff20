/**
 * Every way in which a call can fail: one class per meaning, each with a stable `code`. Errors get logged, so
 * an error holds only allow-listed members, and anything that looks like a key, proof or nonce is removed
 * from the server's texts.
 */
import type { ProblemCode, Violation } from '../../protocol/problem.ts';

/**
 * Base class of every error that this library throws. Only an abort throws the signal's own reason instead.
 */
export class CountersignError extends Error {
  /** Stable code, for programs. */
  readonly code: string;
  /**
   * How often the call sent its request; 0 where something before it failed. Undefined where no call was
   * made.
   */
  readonly attempts?: number;
  /** Name of the Region that was asked last. Undefined where none was. */
  readonly region?: string | undefined;
  /** Id of the request in the platform's log. Undefined where there was no answer. */
  readonly requestId?: string | undefined;

  constructor(code: string, message: string) {
    super(message);
    this.name = new.target.name;
    this.code = code;
  }
}

interface CallOutcome {
  readonly attempts: number;
  /** Name of the Region that was asked last. */
  readonly region: string | undefined;
  /** Whether the shared budget alone ended the call. */
  readonly isOutOfBudget: boolean;
}

/**
 * @returns the error of one call. Several calls may share the error of a request for nonces or for discovery,
 * but each has made its own attempts.
 */
export function errorOfCall(
  error: CountersignError,
  { attempts, region, isOutOfBudget }: CallOutcome,
): CountersignError {
  const own = new Error();
  Object.setPrototypeOf(own, Object.getPrototypeOf(error));
  Object.defineProperties(own, Object.getOwnPropertyDescriptors(error));
  // The call itself has sent nothing if the discovery before it failed.
  const after = attempts === 0 ? '' : ` after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`;
  const why = `; not tried again${after}, since the client has used up its retryBudget`;
  return Object.assign(own as CountersignError, {
    ...{ attempts, region },
    ...(isOutOfBudget && { message: error.message + why }),
  });
}

/** An option or argument is wrong; nothing was sent. */
export class InvalidArgumentError extends CountersignError {
  constructor(message: string) {
    super('invalid_argument', message);
  }
}

/** `close()` was called before or during the call. */
export class ClientClosedError extends CountersignError {
  constructor() {
    super('client_closed', 'the client is closed');
  }
}

/**
 * Only in a batch: the user's request was in progress when the batch's signal aborted. The platform may have
 * registered the user. A call outside a batch throws the signal's reason itself.
 */
export class AbortedError extends CountersignError {
  /** @param cause the signal's reason */
  constructor(cause: unknown) {
    super('aborted', 'the batch was aborted');
    this.cause = cause;
  }
}

/** No answer: the name was not resolved, the connection refused, or broken before the answer was complete. */
export class ConnectionError extends CountersignError {
  constructor(origin: string, reason: string) {
    super('connection_failed', `no answer from ${origin}: ${reason}`);
  }
}

/** No complete answer within `timeoutMs`. */
export class TimeoutError extends CountersignError {
  constructor(origin: string, timeoutMs: number) {
    super('timeout', `no answer from ${origin} within ${timeoutMs} ms`);
  }
}

/** The answer is not from a Countersign platform: another server answers at this URL. */
export class UnexpectedAnswerError extends CountersignError {
  readonly status: number;
  override readonly requestId: string | undefined;

  constructor(url: string, status: number, requestId?: string, how = "in a form that is not Countersign's") {
    super('unexpected_answer', `${url} answered ${status} ${how}`);
    this.status = status;
    this.requestId = requestId;
  }
}

/**
 * Every Region that the platform names is outside `url`'s host and not in `regions`: the client sends no
 * proof there.
 */
export class ForeignRegionsError extends CountersignError {
  /** Origins of the Regions. */
  readonly origins: readonly string[];

  constructor(origin: string, origins: readonly string[]) {
    const named = origins.slice(0, 3).join(', ') + (origins.length > 3 ? ', …' : '');
    super(
      'foreign_regions',
      `${origin} names only Regions on other hosts (${named}): add those that you trust to the option regions`,
    );
    this.origins = origins;
  }
}

export interface EnrolmentErrorOptions {
  readonly message: string;
  readonly status?: number;
  readonly error?: string;
  readonly requestId?: string | undefined;
  readonly cause?: unknown;
}

/** With `identity`: the workload got no key. The code is `enrolment_failed`. */
export class EnrolmentError extends CountersignError {
  /** Undefined where the workload's own platform gave it no token. */
  readonly status: number | undefined;
  override readonly requestId: string | undefined;
  /** OAuth's error code, such as `invalid_token`: no policy takes the token. */
  readonly error: string | undefined;

  constructor({ message, status, error, requestId, cause }: EnrolmentErrorOptions) {
    super('enrolment_failed', message);
    this.status = status;
    this.error = error;
    this.requestId = requestId;
    if (cause !== undefined) this.cause = cause;
  }
}

/** A problem document (RFC 9457): its known members, without secrets. */
export interface Problem {
  readonly type?: string;
  readonly title?: string;
  readonly status?: number;
  readonly detail?: string;
  readonly instance?: string;
  readonly code: string;
  readonly errors?: readonly Violation[];
}

export interface ApiErrorOptions {
  readonly status: number;
  readonly problem: Problem;
  readonly requestId?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  /** @default the problem's title and detail */
  readonly message?: string;
}

/** The platform answered with a problem. */
export class ApiError extends CountersignError {
  readonly status: number;
  override readonly requestId: string | undefined;
  readonly problem: Problem;
  /** The answer's `Retry-After`, in milliseconds; at most a day. */
  readonly retryAfterMs: number | undefined;

  constructor({ status, problem, requestId, retryAfterMs, message }: ApiErrorOptions) {
    super(
      problem.code,
      message ?? ([problem.title, problem.detail].filter(Boolean).join(': ') || problem.code),
    );
    this.status = status;
    this.problem = problem;
    this.requestId = requestId;
    this.retryAfterMs = retryAfterMs;
  }
}

/** 400 `malformed_request` or `malformed_proof`: the request or the proof has the wrong form. */
export class MalformedRequestError extends ApiError {}
/** 401 `use_nonce`: the platform refused a fresh nonce too. */
export class NonceRefusedError extends ApiError {}
/** 401 `invalid_proof`: wrong or unknown key, unknown client, or another platform's URL. */
export class InvalidProofError extends ApiError {}
/**
 * 401 `clock_skew`: the platform refused the proof's times even after the client followed the server's clock;
 * or the two clocks differ by more than ten minutes, and the message names both times.
 */
export class ClockSkewError extends ApiError {}
/** 401 `key_expired`: the client needs a new key. */
export class KeyExpiredError extends ApiError {}
/** 401 `token_revoked`: the token was revoked. */
export class TokenRevokedError extends ApiError {}
/** 403 `client_disabled`: an operator disabled the client. */
export class ClientDisabledError extends ApiError {}
/** 403 `not_allowed`: the client's profile may not do this. */
export class NotAllowedError extends ApiError {}
/** 404 `not_found`: this client has no such registration. */
export class NotFoundError extends ApiError {}
/** 409 `registration_conflict`: this user is registered with other data. */
export class RegistrationConflictError extends ApiError {}
/** 410 `cursor_gone`: events after the cursor may have been deleted; start from the beginning. */
export class CursorGoneError extends ApiError {}
/** 409 `key_exists`: the client has its next key already, or had the key that it brings before. */
export class KeyExistsError extends ApiError {}
/** 413 `body_too_large`: the user is longer than 16,384 bytes as JSON. */
export class BodyTooLargeError extends ApiError {}
/** 415 `unsupported_media_type`: a proxy changed the request's media type. */
export class UnsupportedMediaTypeError extends ApiError {}
/** 422 `invalid_registration`: `errors` names every bad field, and the message the first of them. */
export class InvalidRegistrationError extends ApiError {
  constructor(options: ApiErrorOptions) {
    const [first, ...others] = options.problem.errors ?? [];
    super(options);
    if (!first) return;
    const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
    this.message += ` ${first.pointer || 'the user'}: ${first.message}${more}`;
  }

  /** Each bad field: an RFC 6901 pointer into the user, and a message. */
  get errors(): readonly Violation[] {
    return this.problem.errors ?? [];
  }
}
/** 429 `quota_exceeded`, even after the retries; or `retryAfterMs` is longer than a call waits (a minute). */
export class QuotaExceededError extends ApiError {}
/** 500 `internal`, even after the retries. */
export class InternalServerError extends ApiError {}
/** 503 `unavailable`, in every Region that was tried. */
export class UnavailableError extends ApiError {}

/** The class for each problem code. A code that is not here gives an `ApiError`. */
export const ERROR_CLASSES = {
  malformed_request: MalformedRequestError,
  malformed_proof: MalformedRequestError,
  use_nonce: NonceRefusedError,
  invalid_proof: InvalidProofError,
  clock_skew: ClockSkewError,
  key_expired: KeyExpiredError,
  token_revoked: TokenRevokedError,
  client_disabled: ClientDisabledError,
  not_allowed: NotAllowedError,
  not_found: NotFoundError,
  registration_conflict: RegistrationConflictError,
  cursor_gone: CursorGoneError,
  key_exists: KeyExistsError,
  body_too_large: BodyTooLargeError,
  unsupported_media_type: UnsupportedMediaTypeError,
  invalid_registration: InvalidRegistrationError,
  quota_exceeded: QuotaExceededError,
  internal: InternalServerError,
  unavailable: UnavailableError,
} as const satisfies Record<ProblemCode, typeof ApiError>;

/** @returns the error for a problem document; undefined where the value is not a problem document */
export function problemError(value: unknown, answer: Omit<ApiErrorOptions, 'problem'>): ApiError | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { type, title, status, detail, instance, code, errors } = value as Record<string, unknown>;
  if (typeof code !== 'string') return undefined;
  const problem: Problem = {
    ...(typeof type === 'string' && { type: safe(type) }),
    ...(typeof title === 'string' && { title: safe(title) }),
    ...(typeof status === 'number' && { status }),
    ...(typeof detail === 'string' && { detail: safe(detail) }),
    ...(typeof instance === 'string' && { instance: safe(instance) }),
    code: safe(code),
    ...(Array.isArray(errors) && {
      errors: errors.filter(isViolation).slice(0, MOST_VIOLATIONS).map(safeViolation),
    }),
  };
  const Class = Object.hasOwn(ERROR_CLASSES, code) ? ERROR_CLASSES[code as ProblemCode] : ApiError;
  return new Class({ ...answer, problem });
}

const MOST_VIOLATIONS = 100;
const LONGEST_TEXT = 1_000;

/**
 * Makes a server's text safe to log or show: it removes secrets, line ends and other control characters, and
 * characters that change the writing direction, and cuts the text at `LONGEST_TEXT`.
 */
export function safe(text: string): string {
  const shown = text
    // API keys, proofs and nonces are runs of at least 60 of these characters. Ids, thumbprints and UUIDs are
    // shorter.
    .replace(/[\w.-]{60,}/g, '[redacted]')
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '\ufffd');
  return shown.length > LONGEST_TEXT ? `${shown.slice(0, LONGEST_TEXT)}…` : shown;
}

const isViolation = (value: unknown): value is Violation =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Violation).pointer === 'string' &&
  typeof (value as Violation).message === 'string';

const safeViolation = ({ pointer, message }: Violation): Violation => ({
  pointer: safe(pointer),
  message: safe(message),
});
