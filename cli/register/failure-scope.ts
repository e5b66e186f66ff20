/**
 * Decides, for every error code of the platform and the SDK, whether an error concerns one user or stops the
 * run.
 */
import { ApiError, type CountersignError } from '@countersign/sdk';
import type { ProblemCode } from '../../protocol/problem.ts';

/**
 * - `user`: only this user fails
 * - `everyone`: all users would fail the same way
 * - `elsewhere`: what answers is not the platform, or names Regions that the client may not use
 * - `unreachable`: the platform may be gone; it counts as gone from the first user on, or after many in a row
 * - `faulty`: the platform may be broken; it counts as broken after many in a row. A single user may be the
 *   cause
 */
export type FailureScope = 'user' | 'everyone' | 'elsewhere' | 'unreachable' | 'faulty';

/** The codes that the SDK gives where no platform answered with a problem. */
type OwnCode =
  | 'aborted'
  | 'client_closed'
  | 'connection_failed'
  | 'enrolment_failed'
  | 'foreign_regions'
  | 'invalid_argument'
  | 'timeout'
  | 'unexpected_answer';

const SCOPES: Readonly<Record<OwnCode | ProblemCode, FailureScope>> = {
  aborted: 'user',
  body_too_large: 'user',
  client_closed: 'everyone',
  client_disabled: 'everyone',
  clock_skew: 'everyone',
  connection_failed: 'unreachable',
  cursor_gone: 'user',
  enrolment_failed: 'everyone',
  foreign_regions: 'elsewhere',
  internal: 'faulty',
  invalid_argument: 'user',
  invalid_proof: 'everyone',
  invalid_registration: 'user',
  key_exists: 'everyone',
  key_expired: 'everyone',
  malformed_proof: 'everyone',
  malformed_request: 'user',
  not_allowed: 'everyone',
  not_found: 'user',
  quota_exceeded: 'everyone',
  registration_conflict: 'user',
  timeout: 'unreachable',
  token_revoked: 'everyone',
  unavailable: 'unreachable',
  unexpected_answer: 'elsewhere',
  unsupported_media_type: 'everyone',
  use_nonce: 'user',
};

/** A code of a later platform is judged by its status: a wrong credential is wrong for everyone. */
export function scopeOf(error: CountersignError): FailureScope {
  if (Object.hasOwn(SCOPES, error.code)) return SCOPES[error.code as keyof typeof SCOPES];
  return error instanceof ApiError && [401, 403].includes(error.status) ? 'everyone' : 'user';
}
