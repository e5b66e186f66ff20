/**
 * The names in Vault: per purpose one Transit key, one policy and one role, all of one name. `countersign
 * vault setup` makes them, and the purpose's rotation function uses them.
 */
import type { Purpose, TransitKeyType } from './purposes.ts';

/** The mount of the secrets engine: Vault's own default. */
export const TRANSIT_MOUNT = 'transit';

/** The name of an export of this key type in a path. */
export const exportType = (type: TransitKeyType): string => (type === 'hmac' ? 'hmac-key' : 'signing-key');

/** Name of a purpose's Transit key, of its policy and of its role. */
export const vaultName = (stage: string, purpose: Purpose): string => `countersign-${stage}-${purpose}`;

/**
 * Name of the IAM role that a purpose's rotation function has in a Region, fixed because Vault knows it by
 * that: at most 64 characters, as many as IAM allows.
 */
export const rotationRoleName = (stage: string, purpose: Purpose, region: string): string =>
  `countersign-${stage}-rotate-${purpose}-${region}`;

/**
 * @returns the name that a signed login carries, so that it is valid at this Vault only: the address's host
 */
export const vaultServerId = (address: string): string => new URL(address).hostname;

/**
 * @returns the endpoint where Vault asks AWS who signed a login; without a Region the global one, Vault's own
 * default
 */
export const stsEndpoint = (region?: string): string =>
  region === undefined ? 'https://sts.amazonaws.com' : `https://sts.${region}.amazonaws.com`;

/**
 * Name of the secret that holds a purpose's AppRole credentials, `{"role_id","secret_id"}`, where that is the
 * login.
 */
export const appRoleSecretName = (stage: string, purpose: Purpose): string =>
  `countersign/${stage}/vault/${purpose}`;

/** How the rotation functions reach Vault: what `COUNTERSIGN_VAULT` holds, as JSON. */
export interface VaultAccess {
  readonly address: string;
  readonly namespace?: string;
  readonly caPem?: string;
  readonly auth: 'aws' | 'approle' | 'jwt';
  /** With `aws`: the Region whose STS endpoint Vault asks. @default the global endpoint */
  readonly stsRegion?: string;
}
