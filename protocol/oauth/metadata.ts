/** What a standard client configures itself by (RFC 8414, RFC 9728). */
import { CLIENT_ALGORITHMS } from './jwt.ts';

export interface MetadataOptions {
  readonly issuer: string;
  /** The entry's URL: it and the issuer are one. */
  readonly url: string;
  /** The platform's own scopes and the operator's. */
  readonly scopes: readonly string[];
}

/** The endpoints, below the base URL. */
export const ENDPOINTS = {
  token: '/v1/oauth/token',
  revoke: '/v1/oauth/revoke',
  introspect: '/v1/oauth/introspect',
  register: '/v1/oauth/register',
} as const;

const AUTH_METHODS = ['private_key_jwt'];

/** RFC 8414 §2. */
export const authorizationServerMetadata = ({ issuer, url, scopes }: MetadataOptions): object => ({
  issuer,
  token_endpoint: url + ENDPOINTS.token,
  registration_endpoint: url + ENDPOINTS.register,
  token_endpoint_auth_methods_supported: AUTH_METHODS,
  token_endpoint_auth_signing_alg_values_supported: CLIENT_ALGORITHMS,
  revocation_endpoint: url + ENDPOINTS.revoke,
  revocation_endpoint_auth_methods_supported: AUTH_METHODS,
  revocation_endpoint_auth_signing_alg_values_supported: CLIENT_ALGORITHMS,
  introspection_endpoint: url + ENDPOINTS.introspect,
  introspection_endpoint_auth_methods_supported: AUTH_METHODS,
  introspection_endpoint_auth_signing_alg_values_supported: CLIENT_ALGORITHMS,
  jwks_uri: `${url}/.well-known/jwks.json`,
  response_types_supported: [],
  grant_types_supported: ['client_credentials'],
  dpop_signing_alg_values_supported: CLIENT_ALGORITHMS,
  scopes_supported: scopes,
});

/** RFC 9728 §2: the registrations, as the one resource of the platform itself. */
export const protectedResourceMetadata = ({ issuer, scopes }: MetadataOptions): object => ({
  resource: issuer,
  authorization_servers: [issuer],
  scopes_supported: scopes,
  // A token without a proof is none.
  bearer_methods_supported: [],
  dpop_signing_alg_values_supported: CLIENT_ALGORITHMS,
  dpop_bound_access_tokens_required: true,
});
