/**
 * The errors of OAuth routes (RFC 6749 §5.2, RFC 7591 §3.2.2, RFC 8707 §2, RFC 9449 §5). Routes that are not
 * OAuth's answer problems (protocol/problem.ts).
 */

interface OAuthErrorDefinition {
  readonly status: number;
  /** `error_description`, unless the refusal has its own. */
  readonly description: string;
}

export const OAUTH_ERRORS = {
  invalid_request: { status: 400, description: 'The request does not have the form of this endpoint.' },
  invalid_client: {
    status: 400,
    description: 'The client assertion does not authenticate a client whose key also signs the DPoP proof.',
  },
  unauthorized_client: { status: 400, description: 'The client may not do this.' },
  unsupported_grant_type: { status: 400, description: 'The only grant is client_credentials.' },
  invalid_scope: { status: 400, description: 'The client has no such scope.' },
  invalid_target: { status: 400, description: 'This resource is not known here.' },
  invalid_dpop_proof: { status: 400, description: 'The DPoP proof does not vouch for this request.' },
  use_dpop_nonce: { status: 400, description: 'Sign again, with the nonce of the header DPoP-Nonce.' },
  invalid_client_metadata: { status: 400, description: 'The metadata of the client cannot be taken.' },
  invalid_token: { status: 401, description: 'The token is not valid here.' },
  access_denied: { status: 403, description: 'An operator disabled this client.' },
  server_error: { status: 500, description: 'Something went wrong here.' },
  temporarily_unavailable: {
    status: 503,
    description: 'A part of this service cannot be reached; try again.',
  },
} as const satisfies Record<string, OAuthErrorDefinition>;

export type OAuthErrorCode = keyof typeof OAUTH_ERRORS;

/** A refusal as a value: error and description are for the caller; the reason, for logs, names the rule. */
export interface OAuthRefusal<Code extends OAuthErrorCode = OAuthErrorCode> {
  readonly ok: false;
  readonly error: Code;
  readonly reason: string;
  readonly description?: string;
}

export const refuseOAuth = <Code extends OAuthErrorCode>(
  error: Code,
  reason: string,
  description?: string,
): OAuthRefusal<Code> => ({ ok: false, error, reason, ...(description !== undefined && { description }) });
