/**
 * Vault's Transit engine, where every key of the platform is made (design: 3-keys "Vault"). Never on the request
 * path: only a rotation asks it.
 */
import type { JWK } from 'jose';
import type { TransitKeyType } from '../contract/purposes.ts';
import { exportType, TRANSIT_MOUNT } from '../contract/vault.ts';
import { createVaultApi, type VaultApiOptions, type VaultData } from '../vault/api.ts';
import { toJwk } from '../vault/exported-key.ts';
import { createTokens, type VaultAuth } from '../vault/login.ts';
import { VaultError } from '../vault/vault-error.ts';

export type { VaultAuth } from '../vault/login.ts';
export { VaultError, type VaultErrorCode } from '../vault/vault-error.ts';

export interface VaultOptions extends VaultApiOptions {
  readonly auth: VaultAuth;
  /** Where the Transit engine is mounted. @default 'transit' */
  readonly mount?: string;
  /** Epoch milliseconds. @default Date.now */
  readonly nowMs?: () => number;
}

/** By the name of the Transit key. What fails is a VaultError. */
export interface VaultKeys {
  /** Adds a version. @returns its number */
  rotate(name: string): Promise<number>;
  /** @returns the newest version's number and the least one that may still be used or exported */
  versions(name: string): Promise<{ readonly latest: number; readonly min: number }>;
  /**
   * @returns the version as a private JWK (EC P-256 with alg ES256, OKP Ed25519 with alg Ed25519) or an oct JWK (alg
   * HKDF-SHA-256); no kid
   */
  exportKey(name: string, version: number): Promise<JWK>;
  /** Versions below `version` can be used and exported no more. Only ever raises. */
  raiseMin(name: string, version: number): Promise<void>;
}

export function createVaultKeys(options: VaultOptions): VaultKeys {
  const { auth, mount = TRANSIT_MOUNT, nowMs = Date.now, ...rest } = options;
  const api = createVaultApi(rest);
  const tokens = createTokens(api, auth, nowMs);
  const pathOf = (name: string) => `${mount}/keys/${name}`;

  return {
    async rotate(name) {
      // Repeated after an unclear answer it leaves a version that nobody uses.
      const path = `${pathOf(name)}/rotate`;
      const answer = await withToken((token) => api.write(path, {}, token)).catch(
        async (error: VaultError) => {
          // Vault says 400 where there is no such key: a read tells.
          if (error.code === 'unexpected') await describe(name);
          throw error;
        },
      );
      // Old versions of Vault answer nothing.
      return answer ? parseKey(name, answer).latest : (await describe(name)).latest;
    },

    async versions(name) {
      const { latest, min } = await describe(name);
      return { latest, min };
    },

    async exportKey(name, version) {
      const { type, exportable, latest, min } = await describe(name);
      if (!exportable)
        throw new VaultError('unexpected', `Transit key ${name} is not exportable: it serves nothing here`);
      if (version < min || version > latest) throw noVersion(name, version, min, latest);
      const path = `${mount}/export/${exportType(type)}/${name}/${version}`;
      const answer = await withToken((token) => api.read(path, token));
      const exported = (data(answer).keys as Record<string, unknown> | undefined)?.[version];
      return toJwk(type, typeof exported === 'string' ? exported : '');
    },

    async raiseMin(name, version) {
      const { latest, min, minSigning } = await describe(name);
      if (version <= min) return;
      if (version > latest) throw noVersion(name, version, min, latest);
      const both = { min_decryption_version: version, min_encryption_version: Math.max(version, minSigning) };
      await withToken((token) => api.write(`${pathOf(name)}/config`, both, token));
    },
  };

  async function describe(name: string): Promise<TransitKey> {
    return parseKey(name, await withToken((token) => api.read(pathOf(name), token)));
  }

  /** A token may end early (revoked, or Vault restored): one new login, and then its word counts. */
  async function withToken<T>(call: (token: string) => Promise<T>): Promise<T> {
    const token = await tokens.get();
    try {
      return await call(token);
    } catch (error) {
      if (!(error instanceof VaultError && error.code === 'forbidden' && tokens.renew(token))) throw error;
    }
    return call(await tokens.get());
  }
}

interface TransitKey {
  readonly type: TransitKeyType;
  readonly exportable: boolean;
  readonly latest: number;
  readonly min: number;
  /** Never below `min`, where it is set. */
  readonly minSigning: number;
}

function parseKey(name: string, answer: VaultData | undefined): TransitKey {
  const { type, exportable, latest_version, min_decryption_version, min_encryption_version } = data(answer);
  if (type !== 'hmac' && type !== 'ecdsa-p256' && type !== 'ed25519')
    throw new VaultError('unexpected', `Transit key ${name} is not of type hmac, ecdsa-p256 or ed25519`);
  if (typeof latest_version !== 'number' || typeof min_decryption_version !== 'number')
    throw new VaultError('unexpected', `Vault told no versions of Transit key ${name}`);
  return {
    type,
    exportable: exportable === true,
    latest: latest_version,
    min: min_decryption_version,
    minSigning: typeof min_encryption_version === 'number' ? min_encryption_version : 0,
  };
}

const data = (answer: VaultData | undefined): VaultData => (answer?.data ?? {}) as VaultData;

const noVersion = (name: string, version: number, min: number, latest: number): VaultError =>
  new VaultError('not_found', `Transit key ${name} has no version ${version}: it has ${min} to ${latest}`);
