/** The environment of a Region's functions, as a stack sets it. */
import type { ServingVariable } from '../lambda/contract/environment.ts';
import { secretName, tableName } from '../lambda/contract/names.ts';

export interface Place {
  readonly stage: string;
  readonly region: string;
  readonly issuer: string;
  /** The Region's own base URL. */
  readonly url: string;
}

export function environment({ stage, region, issuer, url }: Place): Record<ServingVariable, string> {
  return {
    COUNTERSIGN_STAGE: stage,
    COUNTERSIGN_REGION: region,
    COUNTERSIGN_ERROR_DOCS_URL: `${issuer}/errors`,
    COUNTERSIGN_ISSUER: issuer,
    COUNTERSIGN_BASE_URL: url,
    COUNTERSIGN_ENTRY_URL: issuer,
    COUNTERSIGN_REGIONS: JSON.stringify([{ name: region, url }]),
    COUNTERSIGN_NONCE_LIFE_MS: '300000',
    COUNTERSIGN_CLOCK_ERROR_MS: '2000',
    COUNTERSIGN_KEYSET_MAX_AGE_MS: '86400000',
    COUNTERSIGN_LEDGER_TABLE: tableName(stage, 'ledger'),
    COUNTERSIGN_REGISTRY_TABLE: tableName(stage, 'registry'),
    COUNTERSIGN_CLIENTS_TABLE: tableName(stage, 'clients'),
    COUNTERSIGN_LIMITS_TABLE: tableName(stage, 'limits'),
    COUNTERSIGN_QUOTA: '6000',
    COUNTERSIGN_NONCE_SECRET: secretName(stage, 'nonce'),
    COUNTERSIGN_CLIENT_ROOT_SECRET: secretName(stage, 'client-root'),
    COUNTERSIGN_TOKEN_SECRET: secretName(stage, 'token'),
    COUNTERSIGN_CONSISTENCY: 'strong',
    COUNTERSIGN_CLIENT_KEY_LIFE_S: String(90 * 24 * 3600),
  };
}
