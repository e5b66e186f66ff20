/**
 * Vault's Transit engine, which makes every key of the platform (docs/vault.md). Only rotations ask it, never
 * a request.
 */
import type { JWK } from 'jose';
import type { TransitKeyType } from '../contract/purposes.ts';
import { exportType, TRANSIT_MOUNT } from '../contract/vault.ts';
import { createVaultApi, type VaultApiOptions, type VaultData } from './api.ts';
import { isPublicHalf, toJwk } from './exported-key.ts';
import { createTokens, type VaultAuth } from './login.ts';
import { VaultError } from './vault-error.ts';

export type { VaultAuth } from './login.ts';
export { VaultError, type VaultErrorCode } from './vault-error.ts';

export interface VaultOptions extends VaultApiOptions {
  readonly auth: VaultAuth;
  /** Where the Transit engine is mounted. @default 'transit' */
  readonly mount?: string;
  /** Epoch milliseconds. @default Date.now */
  readonly nowMs?: () => number;
}

/** All take the Transit key's name. Every failure is a VaultError. */
export interface VaultKeys {
  /** Adds a version. @returns its number */
  rotate(name: string): Promise<number>;
  /** @returns the newest version's number, and the least number that may be used */
  versions(name: string): Promise<{ readonly latest: number; readonly min: number }>;
  /**
   * @returns the version as a private JWK (EC P-256 with alg ES256, OKP Ed25519 with alg Ed25519) or an oct
   * JWK (alg HKDF-SHA-256); no kid. Its public half is the one that Vault reports
   */
  exportKey(name: string, version: number): Promise<JWK>;
  /**
   * Deletes the versions below `version` for good. To hide them is not enough: a token that may raise the
   * least version for exports may lower it again.
   */
  trim(name: string, version: number): Promise<void>;
}

export interface VaultSession extends VaultKeys {
  /**
   * Revokes the token, in one short try; the next call logs in again. @throws VaultError if the token stays
   * valid
   */
  logOut(): Promise<void>;
}

/** Time limit for revoking a token: the caller of the function waits for it. */
const LOG_OUT_MS = 1_000;

export function createVaultKeys(options: VaultOptions): VaultSession {
  const { auth, mount = TRANSIT_MOUNT, nowMs = Date.now, ...rest } = options;
  /** Counts the tokens that were given back. A call that began before does nothing more. */
  let session = 0;
  const requireSession = (began: number): void => {
    if (session !== began) throw new VaultError('unavailable', "Vault's token was given back meanwhile");
  };
  const api = createVaultApi({ ...rest, session: () => session });
  const tokens = createTokens(api, auth, nowMs);
  const { timeoutMs = LOG_OUT_MS } = rest;
  const brief = createVaultApi({ ...rest, timeoutMs: Math.min(timeoutMs, LOG_OUT_MS), tries: 1 });
  const pathOf = (name: string) => `${mount}/keys/${name}`;

  return {
    async rotate(name) {
      const withToken = untilGivenBack();
      // A repeat after a lost answer leaves behind a version that nobody uses.
      const path = `${pathOf(name)}/rotate`;
      const answer = await withToken((token) => api.write(path, {}, token)).catch(
        async (error: VaultError) => {
          // Vault answers 400 for a key that does not exist; a read says which it is.
          if (error.code === 'invalid') await describe(withToken, name);
          throw error;
        },
      );
      // Old versions of Vault answer without a body.
      return answer ? parseKey(name, answer).latest : (await describe(withToken, name)).latest;
    },

    async versions(name) {
      const { latest, min } = await describe(untilGivenBack(), name);
      return { latest, min };
    },

    async exportKey(name, version) {
      const withToken = untilGivenBack();
      const { type, exportable, latest, min, publicKeys } = await describe(withToken, name);
      if (!exportable)
        throw new VaultError('unexpected', `Transit key ${name} is not exportable, so it is of no use here`);
      if (version < min || version > latest) throw noVersion(name, version, min, latest);
      const path = `${mount}/export/${exportType(type)}/${name}/${version}`;
      const exported = data(await withToken((token) => api.read(path, token)));
      const keys = (exported.keys ?? {}) as Readonly<Record<string, unknown>>;
      const numbers = Object.keys(keys);
      if (exported.name !== name || numbers.length !== 1 || numbers[0] !== String(version))
        throw new VaultError('unexpected', `Vault exported another key than version ${version} of ${name}`);
      const jwk = toJwk(type, typeof keys[version] === 'string' ? keys[version] : '');
      if (!isPublicHalf(type, jwk, publicKeys[version]))
        throw new VaultError(
          'unexpected',
          `Vault exported a key as version ${version} of ${name} whose public half is not the one it reports`,
        );
      return jwk;
    },

    async trim(name, version) {
      const withToken = untilGivenBack();
      const { latest, min, minSigning, available } = await describe(withToken, name);
      if (version <= available) return;
      if (version > latest) throw noVersion(name, version, min, latest);
      // Vault refuses to trim a version that may still decrypt or sign.
      if (version > min || version > minSigning) {
        const least = Math.max(version, min);
        const both = { min_decryption_version: least, min_encryption_version: Math.max(least, minSigning) };
        await withToken((token) => api.write(`${pathOf(name)}/config`, both, token));
      }
      const trimmed = { min_available_version: version };
      await withToken((token) => api.write(`${pathOf(name)}/trim`, trimmed, token));
    },

    logOut() {
      session += 1;
      return inTime(tokens.giveBack((token) => brief.write('auth/token/revoke-self', {}, token)));
    },
  };

  async function describe(withToken: WithToken, name: string): Promise<TransitKey> {
    return parseKey(name, await withToken((token) => api.read(pathOf(name), token)));
  }

  /**
   * A call that still runs when the token is given back does not log in again: nobody would revoke that
   * token.
   */
  function untilGivenBack(): WithToken {
    const began = session;
    const get = async (): Promise<string> => {
      requireSession(began);
      const token = await tokens.get(() => requireSession(began));
      requireSession(began);
      return token;
    };
    // A token may end early (revoked, or Vault restored). After one new login, a second refusal is final.
    return async (call) => {
      const token = await get();
      try {
        return await call(token);
      } catch (error) {
        if (!(error instanceof VaultError && error.code === 'forbidden' && tokens.renew(token))) throw error;
      }
      return call(await get());
    };
  }
}

/**
 * The end of a login that is under way may take longer than anybody waits: its token is then revoked later.
 */
function inTime(ended: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new VaultError('unavailable', 'a login was under way: its token ends once Vault answers');
    timer = setTimeout(() => reject(error), LOG_OUT_MS);
  });
  return Promise.race([ended, late]).finally(() => clearTimeout(timer));
}

type WithToken = <T>(call: (token: string) => Promise<T>) => Promise<T>;

interface TransitKey {
  readonly type: TransitKeyType;
  readonly exportable: boolean;
  readonly latest: number;
  readonly min: number;
  /** Never below `min`, if it is set. */
  readonly minSigning: number;
  /** The least version that was not trimmed; 0 if none was trimmed. */
  readonly available: number;
  /** By version. */
  readonly publicKeys: Readonly<Record<string, unknown>>;
}

function parseKey(name: string, answer: VaultData | undefined): TransitKey {
  const { type, exportable, keys, ...numbers } = data(answer);
  const { latest_version, min_decryption_version, min_encryption_version, min_available_version } = numbers;
  if (type !== 'hmac' && type !== 'ecdsa-p256' && type !== 'ed25519')
    throw new VaultError('unexpected', `Transit key ${name} is not of type hmac, ecdsa-p256 or ed25519`);
  if (typeof latest_version !== 'number' || typeof min_decryption_version !== 'number')
    throw new VaultError('unexpected', `Vault's answer has no versions of Transit key ${name}`);
  const published = Object.entries((keys ?? {}) as Readonly<Record<string, unknown>>);
  return {
    type,
    exportable: exportable === true,
    latest: latest_version,
    min: min_decryption_version,
    minSigning: typeof min_encryption_version === 'number' ? min_encryption_version : 0,
    available: typeof min_available_version === 'number' ? min_available_version : 0,
    publicKeys: Object.fromEntries(
      published.map(([version, key]) => [version, (key as { public_key?: unknown } | null)?.public_key]),
    ),
  };
}

const data = (answer: VaultData | undefined): VaultData => (answer?.data ?? {}) as VaultData;

const noVersion = (name: string, version: number, min: number, latest: number): VaultError =>
  new VaultError('not_found', `Transit key ${name} has no version ${version}: it has ${min} to ${latest}`);
