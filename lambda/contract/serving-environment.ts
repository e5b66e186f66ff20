/**
 * The environment of a Region's functions that serve clients and operators, and of its outbox. Stacks, local
 * platform, bench and tests build it here.
 */
import { DEFAULTS } from './defaults.ts';
import type { ServingVariable } from './environment.ts';
import { secretName, type TableKind, tableInUse } from './names.ts';

/** How the global tables agree between Regions. */
export type TableConsistency = 'eventual' | 'strong';
/** `single` in a stage with one Region. */
export type Consistency = TableConsistency | 'single';

export interface ServingValues {
  readonly stage: string;
  readonly region: string;
  /** The Region's own. */
  readonly baseUrl: string;
  readonly entryUrl: string;
  /** Every Region, in the order that clients should prefer. */
  readonly regions: readonly { readonly name: string; readonly url: string }[];
  readonly consistency: Consistency;
  /** @default the entry's URL */
  readonly issuer?: string | undefined;
  /** @default `/errors` below the entry's URL */
  readonly errorDocsUrl?: string | undefined;
  /** @default 1 */
  readonly ledgerGeneration?: number;
  /** Of `registry` and `clients`. @default 1 */
  readonly tableGeneration?: number;
  /** @default 5 minutes */
  readonly nonceLifeMs?: number;
  /** @default 2 seconds */
  readonly clockErrorMs?: number;
  /** @default 1 day */
  readonly keysetMaxAgeMs?: number;
  /** @default 90 days */
  readonly clientKeyLifeMs?: number;
  /** Limit for a client that has none of its own. @default 6000 */
  readonly signaturesPerMinute?: number;
  /**
   * For a Region that health checkers ask all the time: without them its silence would count as bad. @default
   * 0: none
   */
  readonly holdDownMs?: number;
  /** Of the queue. The local platform has none. */
  readonly wakeUpsUrl?: string;
  /** `policyId` of each policy of enrolment. @default none */
  readonly enrolment?: readonly string[];
  /** Absent in a stage without OAuth. */
  readonly oauth?: OAuthSettings | undefined;
}

export interface OAuthSettings {
  /** Life of an access token. */
  readonly tokenLifeMs: number;
  /** Whether every DPoP proof must name the body. */
  readonly bodyBinding: boolean;
  /** The operator's own, besides the platform's. */
  readonly scopes: readonly string[];
  /** What tokens may be for besides this platform. */
  readonly resources: readonly OAuthResource[];
}

export interface OAuthResource {
  /** Its identifier, which is the `aud` of its tokens (RFC 8707 §2). */
  readonly url: string;
  /** The client that may ask whether its tokens are active. */
  readonly client?: string | undefined;
}

/** @returns every variable of the contract; `ENVIRONMENT` says which of them a function gets */
export function servingEnvironment(values: ServingValues): Readonly<Record<ServingVariable, string>> {
  const { stage, region, baseUrl, entryUrl, regions, consistency } = values;
  const { ledgerGeneration = 1, tableGeneration = 1 } = values;
  const table = (kind: TableKind) => tableInUse(stage, kind, { ledgerGeneration, tableGeneration });
  const { nonceLifeMs, clockErrorMs, keysetMaxAgeMs, clientKeyLifeMs, signaturesPerMinute } = {
    ...DEFAULTS,
    ...values,
  };
  return {
    COUNTERSIGN_STAGE: stage,
    COUNTERSIGN_REGION: region,
    COUNTERSIGN_ERROR_DOCS_URL: values.errorDocsUrl ?? `${entryUrl}/errors`,
    COUNTERSIGN_ISSUER: values.issuer ?? entryUrl,
    COUNTERSIGN_BASE_URL: baseUrl,
    COUNTERSIGN_ENTRY_URL: entryUrl,
    COUNTERSIGN_REGIONS: JSON.stringify(regions),
    COUNTERSIGN_NONCE_LIFE_MS: String(nonceLifeMs),
    COUNTERSIGN_CLOCK_ERROR_MS: String(clockErrorMs),
    COUNTERSIGN_KEYSET_MAX_AGE_MS: String(keysetMaxAgeMs),
    COUNTERSIGN_CLIENT_KEY_LIFE_S: String(clientKeyLifeMs / 1000),
    COUNTERSIGN_CONSISTENCY: consistency,
    COUNTERSIGN_LEDGER_TABLE: table('ledger'),
    COUNTERSIGN_REGISTRY_TABLE: table('registry'),
    COUNTERSIGN_CLIENTS_TABLE: table('clients'),
    COUNTERSIGN_LIMITS_TABLE: table('limits'),
    COUNTERSIGN_EVENTS_TABLE: table('events'),
    COUNTERSIGN_SIGNATURES_PER_MINUTE: String(signaturesPerMinute),
    COUNTERSIGN_HOLD_DOWN_MS: String(values.holdDownMs ?? 0),
    COUNTERSIGN_NONCE_SECRET: secretName(stage, 'nonce'),
    COUNTERSIGN_CLIENT_ROOT_SECRET: secretName(stage, 'client-root'),
    COUNTERSIGN_TOKEN_SECRET: secretName(stage, 'token'),
    COUNTERSIGN_WEBHOOK_SECRET: secretName(stage, 'webhook'),
    COUNTERSIGN_WEBHOOK_ROOT_SECRET: secretName(stage, 'webhook-root'),
    COUNTERSIGN_WAKE_UPS_URL: values.wakeUpsUrl ?? '',
    COUNTERSIGN_ENROLMENT: JSON.stringify(values.enrolment ?? []),
    COUNTERSIGN_OAUTH: values.oauth ? JSON.stringify(values.oauth) : '',
  };
}
