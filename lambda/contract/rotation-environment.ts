/** The environment of a rotation function. Stacks, local platform and tests build it here. */
import type { KeyLags } from '../../protocol/key-windows.ts';
import type { ENVIRONMENT } from './environment.ts';
import { tableName } from './names.ts';
import type { Purpose } from './purposes.ts';
import type { VaultAccess } from './vault.ts';

export interface RotationValues {
  readonly stage: string;
  readonly region: string;
  readonly purpose: Purpose;
  readonly lags: KeyLags;
  readonly vault: VaultAccess;
  /** Every Region, the home Region first. */
  readonly regions: readonly string[];
  /** The Region that makes keys. */
  readonly keysManagedBy: string;
  readonly errorDocsUrl: string;
}

export const rotationEnvironment = (
  values: RotationValues,
): Readonly<Record<(typeof ENVIRONMENT)['rotate'][number], string>> => ({
  COUNTERSIGN_STAGE: values.stage,
  COUNTERSIGN_REGION: values.region,
  COUNTERSIGN_ERROR_DOCS_URL: values.errorDocsUrl,
  COUNTERSIGN_PURPOSE: values.purpose,
  COUNTERSIGN_KEY_LAGS: JSON.stringify(values.lags),
  COUNTERSIGN_VAULT: JSON.stringify(values.vault),
  COUNTERSIGN_REGION_NAMES: JSON.stringify(values.regions),
  COUNTERSIGN_KEYS_MANAGED_BY: values.keysManagedBy,
  COUNTERSIGN_LIMITS_TABLE: tableName(values.stage, 'limits'),
});
