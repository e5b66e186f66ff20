/** Routes at the API root: API Gateway's resource, the methods it takes, the function that answers. */
import type { FunctionName } from './names.ts';

export interface Route {
  readonly resource: string;
  readonly methods: readonly ('GET' | 'POST' | 'PUT' | 'DELETE')[];
  readonly function: FunctionName;
}

/** Of every stage. */
export const ROUTES: readonly Route[] = [
  { resource: '/v1/nonce', methods: ['GET'], function: 'nonce' },
  { resource: '/v1/register', methods: ['POST'], function: 'register' },
  { resource: '/v1/registrations/{id}', methods: ['GET', 'DELETE'], function: 'registration' },
  { resource: '/v1/events/{after}', methods: ['GET'], function: 'events' },
  { resource: '/v1/keys', methods: ['POST'], function: 'keys' },
  { resource: '/v1/health', methods: ['GET'], function: 'health' },
  { resource: '/.well-known/countersign', methods: ['GET'], function: 'discovery' },
  { resource: '/.well-known/jwks.json', methods: ['GET'], function: 'jwks' },
];

/** Those that a stage with OAuth has besides. */
export const OAUTH_ROUTES: readonly Route[] = [
  { resource: '/.well-known/oauth-authorization-server', methods: ['GET'], function: 'oauth-metadata' },
  { resource: '/.well-known/oauth-protected-resource', methods: ['GET'], function: 'oauth-metadata' },
  { resource: '/v1/oauth/token', methods: ['POST'], function: 'oauth-token' },
  { resource: '/v1/oauth/revoke', methods: ['POST'], function: 'oauth-revocation' },
  { resource: '/v1/oauth/introspect', methods: ['POST'], function: 'oauth-revocation' },
  { resource: '/v1/oauth/register', methods: ['POST'], function: 'oauth-register' },
  {
    resource: '/v1/oauth/register/{client_id}',
    methods: ['GET', 'PUT', 'DELETE'],
    function: 'oauth-register',
  },
];

/** @param oauth whether the stage has OAuth */
export const routesOf = (oauth: boolean): readonly Route[] => (oauth ? [...ROUTES, ...OAUTH_ROUTES] : ROUTES);

/**
 * The path of Route 53's health checkers. Nobody else can guess it, so a flood of requests for the public
 * path does not change DNS.
 */
export const checkersRoute = (segment: string): Route => ({
  resource: `/v1/health/${segment}`,
  methods: ['GET'],
  function: 'health',
});

/**
 * API Gateway passes a body of these types as bytes, in Base64. Any other body it passes as text, with U+FFFD
 * for bytes that are not UTF-8: two bodies could become one. All types are listed, since the sender chooses
 * the type.
 */
export const BINARY_MEDIA_TYPES = ['*/*'];

/** Request headers that a browser may send, and answer headers that it may read (CORS). */
export const CORS_REQUEST_HEADERS = ['Authorization', 'Content-Type', 'DPoP', 'If-None-Match'];
export const CORS_ANSWER_HEADERS = [
  'Countersign-Key-Expires',
  'Countersign-Request-Id',
  'DPoP-Nonce',
  'Date',
  'ETag',
  'Idempotency-Replayed',
  'Location',
  'RateLimit',
  'RateLimit-Policy',
  'Replay-Nonce',
  'Retry-After',
  'WWW-Authenticate',
  'x-amzn-Remapped-WWW-Authenticate',
];
