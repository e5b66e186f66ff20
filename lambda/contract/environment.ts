/**
 * The environment variables that `lib` sets and the functions read. A function has the variables that its
 * list names, and no others.
 */
import type { BundleName, ServingBundle } from './names.ts';

/** Every function has these. */
export const COMMON = [
  'COUNTERSIGN_STAGE',
  /** Name of this Region, at most 15 characters: it is part of every nonce. */
  'COUNTERSIGN_REGION',
  /** `type` of a problem is this URL, `/`, and the code. */
  'COUNTERSIGN_ERROR_DOCS_URL',
] as const;

/** For the functions that check a proof or issue a nonce. */
const PROTOCOL = [
  'COUNTERSIGN_ISSUER',
  /** This Region's own base URL and the entry's: `htu` begins with one of them. */
  'COUNTERSIGN_BASE_URL',
  'COUNTERSIGN_ENTRY_URL',
  /** Life of a nonce, in milliseconds. */
  'COUNTERSIGN_NONCE_LIFE_MS',
  /** Clock error allowed per machine (E), in milliseconds. */
  'COUNTERSIGN_CLOCK_ERROR_MS',
  /** Hard limit on the age of a keyset's copy, in milliseconds (`keys.keysetMaxAge`). */
  'COUNTERSIGN_KEYSET_MAX_AGE_MS',
  'COUNTERSIGN_LEDGER_TABLE',
  'COUNTERSIGN_NONCE_SECRET',
] as const;

const OAUTH = [
  /** JSON: `OAuthSettings`. */
  'COUNTERSIGN_OAUTH',
] as const;

/** For the functions that find a client's key. */
const ENROLMENT = [
  /** JSON: `policyId` of each policy of enrolment. */
  'COUNTERSIGN_ENROLMENT',
] as const;

const STORES = [
  'COUNTERSIGN_REGISTRY_TABLE',
  'COUNTERSIGN_CLIENTS_TABLE',
  'COUNTERSIGN_CLIENT_ROOT_SECRET',
  'COUNTERSIGN_LIMITS_TABLE',
  /** For clients without a limit of their own: signatures a minute. */
  'COUNTERSIGN_SIGNATURES_PER_MINUTE',
  /** `strong`, `eventual`, or `single` where there is one Region. */
  'COUNTERSIGN_CONSISTENCY',
] as const;

const EVENTS = [
  'COUNTERSIGN_CLIENTS_TABLE',
  'COUNTERSIGN_EVENTS_TABLE',
  'COUNTERSIGN_CLIENT_ROOT_SECRET',
  'COUNTERSIGN_LIMITS_TABLE',
  'COUNTERSIGN_SIGNATURES_PER_MINUTE',
] as const;

export const ENVIRONMENT = {
  nonce: [...COMMON, ...PROTOCOL, 'COUNTERSIGN_LIMITS_TABLE'],
  register: [...COMMON, ...PROTOCOL, ...STORES],
  registration: [...COMMON, ...PROTOCOL, ...STORES],
  events: [...COMMON, ...PROTOCOL, ...EVENTS],
  keys: [
    ...COMMON,
    ...PROTOCOL,
    ...STORES,
    /** Longest life of a client key, in seconds; also its default. */
    'COUNTERSIGN_CLIENT_KEY_LIFE_S',
  ],
  discovery: [
    ...COMMON,
    'COUNTERSIGN_ISSUER',
    /** JSON: `[{"name","url"}]`, in the order that clients should prefer. */
    'COUNTERSIGN_REGIONS',
    'COUNTERSIGN_ENTRY_URL',
    'COUNTERSIGN_NONCE_LIFE_MS',
  ],
  jwks: [
    ...COMMON,
    'COUNTERSIGN_WEBHOOK_SECRET',
    'COUNTERSIGN_KEYSET_MAX_AGE_MS',
    'COUNTERSIGN_LIMITS_TABLE',
  ],
  health: [
    ...COMMON,
    'COUNTERSIGN_LEDGER_TABLE',
    'COUNTERSIGN_REGISTRY_TABLE',
    'COUNTERSIGN_LIMITS_TABLE',
    'COUNTERSIGN_CONSISTENCY',
    'COUNTERSIGN_CLOCK_ERROR_MS',
    'COUNTERSIGN_NONCE_SECRET',
    'COUNTERSIGN_CLIENT_ROOT_SECRET',
    'COUNTERSIGN_KEYSET_MAX_AGE_MS',
    /**
     * A Region that was unhealthy stays so until it has been good for this long, in milliseconds. 0: no
     * hold-down.
     */
    'COUNTERSIGN_HOLD_DOWN_MS',
  ],
  'admin-read': [
    ...COMMON,
    'COUNTERSIGN_REGIONS',
    'COUNTERSIGN_CLIENTS_TABLE',
    'COUNTERSIGN_REGISTRY_TABLE',
    'COUNTERSIGN_LIMITS_TABLE',
    'COUNTERSIGN_CONSISTENCY',
    'COUNTERSIGN_CLOCK_ERROR_MS',
    'COUNTERSIGN_EVENTS_TABLE',
  ],
  'admin-write': [
    ...COMMON,
    'COUNTERSIGN_REGIONS',
    'COUNTERSIGN_CLIENTS_TABLE',
    'COUNTERSIGN_REGISTRY_TABLE',
    'COUNTERSIGN_LEDGER_TABLE',
    'COUNTERSIGN_LIMITS_TABLE',
    'COUNTERSIGN_CONSISTENCY',
    'COUNTERSIGN_CLOCK_ERROR_MS',
    'COUNTERSIGN_CLIENT_ROOT_SECRET',
    'COUNTERSIGN_KEYSET_MAX_AGE_MS',
    'COUNTERSIGN_CLIENT_KEY_LIFE_S',
    'COUNTERSIGN_EVENTS_TABLE',
    'COUNTERSIGN_WEBHOOK_ROOT_SECRET',
    'COUNTERSIGN_WAKE_UPS_URL',
  ],
  'register-oauth': [...COMMON, ...PROTOCOL, ...STORES, ...OAUTH, ...ENROLMENT],
  'registration-oauth': [...COMMON, ...PROTOCOL, ...STORES, ...OAUTH, ...ENROLMENT],
  'events-oauth': [...COMMON, ...PROTOCOL, ...EVENTS, ...ENROLMENT],
  'oauth-token': [
    ...COMMON,
    ...PROTOCOL,
    ...OAUTH,
    ...ENROLMENT,
    'COUNTERSIGN_CLIENTS_TABLE',
    'COUNTERSIGN_LIMITS_TABLE',
    'COUNTERSIGN_SIGNATURES_PER_MINUTE',
    'COUNTERSIGN_TOKEN_SECRET',
  ],
  'oauth-register': [
    ...COMMON,
    ...PROTOCOL,
    ...OAUTH,
    'COUNTERSIGN_REGISTRY_TABLE',
    'COUNTERSIGN_CLIENTS_TABLE',
    'COUNTERSIGN_CLIENT_ROOT_SECRET',
    'COUNTERSIGN_LIMITS_TABLE',
    'COUNTERSIGN_CONSISTENCY',
    'COUNTERSIGN_CLIENT_KEY_LIFE_S',
  ],
  'oauth-revocation': [
    ...COMMON,
    ...PROTOCOL,
    ...OAUTH,
    ...ENROLMENT,
    'COUNTERSIGN_REGIONS',
    'COUNTERSIGN_CLIENTS_TABLE',
    'COUNTERSIGN_LIMITS_TABLE',
    'COUNTERSIGN_SIGNATURES_PER_MINUTE',
  ],
  'oauth-metadata': [...COMMON, ...OAUTH, 'COUNTERSIGN_ISSUER', 'COUNTERSIGN_ENTRY_URL'],
  rotate: [
    ...COMMON,
    'COUNTERSIGN_PURPOSE',
    /** JSON: the purpose's `KeyLags`. */
    'COUNTERSIGN_KEY_LAGS',
    /** JSON: `VaultAccess`. */
    'COUNTERSIGN_VAULT',
    /** JSON: names of all Regions, which hold a replica of the keyset and a table of revoked kids. */
    'COUNTERSIGN_REGION_NAMES',
    /** Name of the Region that makes keys. */
    'COUNTERSIGN_KEYS_MANAGED_BY',
    'COUNTERSIGN_LIMITS_TABLE',
  ],
  'keys-watch': [
    ...COMMON,
    /** JSON: by purpose, in milliseconds. */
    'COUNTERSIGN_ROTATION_PERIODS',
    'COUNTERSIGN_KEYS_MANAGED_BY',
    'COUNTERSIGN_REGION_NAMES',
    'COUNTERSIGN_REGISTRY_TABLE',
    'COUNTERSIGN_CLIENTS_TABLE',
  ],
  outbox: [
    ...COMMON,
    'COUNTERSIGN_REGIONS',
    'COUNTERSIGN_CONSISTENCY',
    'COUNTERSIGN_REGISTRY_TABLE',
    'COUNTERSIGN_CLIENTS_TABLE',
    'COUNTERSIGN_EVENTS_TABLE',
    /** URL of the queue of wake-ups. */
    'COUNTERSIGN_WAKE_UPS_URL',
  ],
  deliver: [
    ...COMMON,
    'COUNTERSIGN_REGIONS',
    'COUNTERSIGN_REGISTRY_TABLE',
    'COUNTERSIGN_CLIENTS_TABLE',
    'COUNTERSIGN_EVENTS_TABLE',
    'COUNTERSIGN_LIMITS_TABLE',
    'COUNTERSIGN_CONSISTENCY',
    'COUNTERSIGN_CLOCK_ERROR_MS',
    'COUNTERSIGN_WEBHOOK_SECRET',
    'COUNTERSIGN_WEBHOOK_ROOT_SECRET',
    'COUNTERSIGN_KEYSET_MAX_AGE_MS',
    'COUNTERSIGN_WAKE_UPS_URL',
  ],
  'find-stream': COMMON,
  'enrolment-sweep': [
    ...COMMON,
    'COUNTERSIGN_CLIENTS_TABLE',
    'COUNTERSIGN_LIMITS_TABLE',
    /** JSON: by client, how many instances its policy expects at most. */
    'COUNTERSIGN_INSTANCES',
  ],
  evacuation: [
    ...COMMON,
    /** Name of the Region whose evacuation flag this Region keeps. */
    'COUNTERSIGN_KEPT_REGION',
    'COUNTERSIGN_LIMITS_TABLE',
  ],
} as const satisfies Record<BundleName, readonly string[]>;

/** Variables of the functions that answer clients and operators, of the outbox and of delivery. */
export type ServingVariable = (typeof ENVIRONMENT)[ServingBundle | 'outbox' | 'deliver'][number];
export type Variable = (typeof ENVIRONMENT)[BundleName][number];

/** The variables of one function, or of several that run in one process. */
export type Environment = { readonly [V in Variable]?: string };
