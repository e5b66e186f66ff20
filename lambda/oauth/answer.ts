/** Answers of OAuth routes: JSON that nobody keeps, and the errors of RFC 6749 §5.2. */
import {
  OAUTH_ERRORS,
  type OAuthErrorCode,
  type OAuthRefusal,
  refuseOAuth,
} from '../../protocol/oauth/error.ts';
import { type Answer, json } from '../http/answer.ts';
import type { FailureCode, HttpContext } from '../http/handler.ts';
import type { DpopNonces } from './nonces.ts';

const NO_STORE = { 'Cache-Control': 'no-store' };

export const oauthJson = (status: number, value: unknown): Answer => json(status, value, NO_STORE);

export function oauthError(
  { error, reason, description }: OAuthRefusal,
  headers: Readonly<Record<string, string>> = {},
  status: number = OAUTH_ERRORS[error].status,
): Answer {
  const value = { error, error_description: description ?? OAUTH_ERRORS[error].description };
  const more = { ...NO_STORE, ...(status >= 500 && { 'Retry-After': '1' }), ...headers };
  return { ...json(status, value, more), code: error, reason };
}

/** @returns an answer without a body */
export const noStore = (status: number): Answer => ({ status, headers: NO_STORE, body: '' });

/** A refusal, perhaps for now only. */
export type Refused = OAuthRefusal & {
  readonly headers?: Readonly<Record<string, string>>;
  readonly status?: number;
};

/** @param headers of the quota */
export const overQuota = (reason: string, headers: Readonly<Record<string, string>>): Refused => ({
  ...refuseOAuth('temporarily_unavailable', reason, 'The client has no signatures left in this window.'),
  status: 429,
  headers,
});

/** @returns the answer, or that of a refusal */
export const answered = (outcome: Answer | Refused): Answer =>
  'error' in outcome ? oauthError(outcome, outcome.headers, outcome.status) : outcome;

const FAILURES: Readonly<Partial<Record<FailureCode, OAuthErrorCode>>> = {
  unavailable: 'temporarily_unavailable',
  internal: 'server_error',
};

/** The frame of an OAuth route: its failures are OAuth errors, and every answer carries a nonce for DPoP. */
export const oauthContext = (http: HttpContext, nonces: DpopNonces): HttpContext => ({
  ...http,
  headers: () => nonces.headers(),
  failure: (code, reason) => {
    const error = FAILURES[code];
    return error && oauthError({ ok: false, error, reason });
  },
});
