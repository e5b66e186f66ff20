/** The value of every variable of the contract, and the ones that a function gets. */
import type { Stack } from 'aws-cdk-lib';
import { ENVIRONMENT, type ServingVariable } from '../../lambda/contract/environment.ts';
import { type FunctionName, secretName, tableName } from '../../lambda/contract/names.ts';
import type { Config } from '../config/read.ts';

export type EnvironmentValues = Readonly<Record<ServingVariable, string>>;

export interface EnvironmentProps {
  readonly config: Config;
  readonly region: Config['regions'][number];
  readonly baseUrl: string;
  readonly entryUrl: string;
  readonly errorDocsUrl: string;
  /** Every Region's name and base URL, in the order that clients should prefer. */
  readonly regions: readonly { readonly name: string; readonly url: string }[];
}

export function environmentValues(stack: Stack, props: EnvironmentProps): EnvironmentValues {
  const { config, region, baseUrl, entryUrl, errorDocsUrl, regions } = props;
  const stage = config.stage.name;
  return {
    COUNTERSIGN_STAGE: stage,
    COUNTERSIGN_REGION: region.name,
    COUNTERSIGN_ERROR_DOCS_URL: errorDocsUrl,
    COUNTERSIGN_ISSUER: config.issuer ?? entryUrl,
    COUNTERSIGN_BASE_URL: baseUrl,
    COUNTERSIGN_ENTRY_URL: entryUrl,
    COUNTERSIGN_REGIONS: stack.toJsonString(regions),
    COUNTERSIGN_NONCE_LIFE_MS: String(config.nonceLife.toMilliseconds()),
    COUNTERSIGN_CLOCK_ERROR_MS: String(config.clockError.toMilliseconds()),
    COUNTERSIGN_KEYSET_MAX_AGE_MS: String(config.keys.keysetMaxAge.toMilliseconds()),
    COUNTERSIGN_CLIENT_KEY_LIFE_S: String(config.clientKeyLife.toSeconds()),
    COUNTERSIGN_CONSISTENCY: config.consistency,
    COUNTERSIGN_LEDGER_TABLE: tableName(stage, 'ledger', region.ledgerGeneration),
    COUNTERSIGN_REGISTRY_TABLE: tableName(stage, 'registry'),
    COUNTERSIGN_LIMITS_TABLE: tableName(stage, 'limits'),
    COUNTERSIGN_QUOTA: String(config.quota.signaturesPerMinute),
    COUNTERSIGN_CLIENTS_TABLE: tableName(stage, 'clients'),
    COUNTERSIGN_NONCE_SECRET: secretName(stage, 'nonce'),
    COUNTERSIGN_CLIENT_ROOT_SECRET: secretName(stage, 'client-root'),
    COUNTERSIGN_TOKEN_SECRET: secretName(stage, 'token'),
  };
}

export function environmentOf(name: FunctionName, values: EnvironmentValues): Record<string, string> {
  return Object.fromEntries(ENVIRONMENT[name].map((variable) => [variable, values[variable]]));
}
