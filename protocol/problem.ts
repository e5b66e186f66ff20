/**
 * Every way in which a request can fail: a stable code, its status, and whether the answer carries a nonce
 * (docs/errors/README.md; form: RFC 9457). The caller learns the code; logs and metrics get the check that
 * failed.
 */

interface ProblemDefinition {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** Whether the answer carries a fresh nonce (`Replay-Nonce`). */
  readonly nonce: boolean;
}

export const PROBLEMS = {
  malformed_request: {
    status: 400,
    title: 'Malformed request',
    detail:
      'The request does not fit this route. Often the one header "Authorization: JWT <proof>" is missing, or the body is not JSON.',
    nonce: false,
  },
  malformed_proof: {
    status: 400,
    title: 'Malformed proof',
    detail: 'The proof is not a compact JWS of the form that this service takes.',
    nonce: false,
  },
  use_nonce: {
    status: 401,
    title: 'Use another nonce',
    detail: 'The nonce is missing, expired, already used, or was not issued here for this use.',
    nonce: true,
  },
  invalid_proof: {
    status: 401,
    title: 'Invalid proof',
    detail: 'The proof does not vouch for this request.',
    nonce: false,
  },
  clock_skew: {
    status: 401,
    title: 'Clock skew',
    detail: "The proof's times do not fit the server's clock.",
    nonce: true,
  },
  key_expired: {
    status: 401,
    title: 'Key expired',
    detail: "The client's key is past its expiry, revoked, or not usable yet.",
    nonce: false,
  },
  token_revoked: {
    status: 401,
    title: 'Token revoked',
    detail: 'The token was revoked.',
    nonce: false,
  },
  client_disabled: {
    status: 403,
    title: 'Client disabled',
    detail: 'The client was disabled by an operator.',
    nonce: false,
  },
  not_allowed: {
    status: 403,
    title: 'Not allowed',
    detail: "The client's profile does not allow this.",
    nonce: false,
  },
  not_found: { status: 404, title: 'Not found', detail: 'There is nothing here for you.', nonce: false },
  registration_conflict: {
    status: 409,
    title: 'Registration conflict',
    detail: 'This user is registered with other data.',
    nonce: true,
  },
  cursor_gone: {
    status: 410,
    title: 'Cursor gone',
    detail: 'Events after this cursor may have been deleted; start from 0.',
    nonce: false,
  },
  key_exists: {
    status: 409,
    title: 'Key exists',
    detail: 'The client has its next key already, or had this key before.',
    nonce: true,
  },
  body_too_large: {
    status: 413,
    title: 'Body too large',
    detail: 'The body is larger than 16,384 bytes.',
    nonce: false,
  },
  unsupported_media_type: {
    status: 415,
    title: 'Unsupported media type',
    detail: 'Content-Type must be application/json.',
    nonce: false,
  },
  invalid_registration: {
    status: 422,
    title: 'Invalid registration',
    detail: 'The registration does not fit the schema; see errors.',
    nonce: true,
  },
  quota_exceeded: {
    status: 429,
    title: 'Quota exceeded',
    detail: 'The client has no signatures left in this window.',
    nonce: true,
  },
  internal: { status: 500, title: 'Internal error', detail: 'Something went wrong here.', nonce: false },
  unavailable: {
    status: 503,
    title: 'Unavailable',
    detail: 'A part of this service cannot be reached; try again.',
    nonce: false,
  },
} as const satisfies Record<string, ProblemDefinition>;

export type ProblemCode = keyof typeof PROBLEMS;

/** One bad member of a registration: RFC 6901 pointer (a missing member by the path it would have). */
export interface Violation {
  readonly pointer: string;
  readonly message: string;
}

/** A refusal as a value: the code is for the caller; the reason, for logs, names the rule that failed. */
export interface Refusal {
  readonly ok: false;
  readonly code: ProblemCode;
  readonly reason: string;
  readonly errors?: readonly Violation[];
  /** For the caller, instead of the code's own detail. */
  readonly detail?: string;
}

export const refuse = (code: ProblemCode, reason: string, detail?: string): Refusal => ({
  ok: false,
  code,
  reason,
  ...(detail !== undefined && { detail }),
});
