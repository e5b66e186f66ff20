/** Tokens: one login serves until its token is given back, or until shortly before the lease ends. */
import type { VaultApi } from './api.ts';
import { type AwsCredentials, awsLogin } from './aws-login.ts';
import { VaultError } from './vault-error.ts';

export interface AppRoleCredentials {
  readonly role_id: string;
  readonly secret_id: string;
}

/** Credentials are read at each login, so a secret that was replaced meanwhile is the new one. */
export type VaultAuth =
  | { readonly method: 'token'; readonly token: string }
  | { readonly method: 'approle'; readonly credentials: () => Promise<AppRoleCredentials> }
  | { readonly method: 'jwt'; readonly role: string; readonly jwt: () => Promise<string> }
  | {
      readonly method: 'aws';
      readonly role: string;
      /** The same as Vault's `iam_server_id_header_value`. */
      readonly serverId: string;
      /** Region of the STS endpoint that Vault is set to ask. @default the global endpoint */
      readonly stsRegion?: string;
      readonly credentials: () => Promise<AwsCredentials>;
    };

export interface Tokens {
  /** @param mayLogIn throws if a login is no longer wanted @throws VaultError */
  get(mayLogIn: () => void): Promise<string>;
  /** Forgets a token that was refused. @returns whether there can be another */
  renew(refused: string): boolean;
  /**
   * Forgets the token and revokes it. If a login is in progress, its token is revoked as soon as it arrives.
   */
  giveBack(revoke: (token: string) => Promise<unknown>): Promise<void>;
}

/** Share of a lease after which the next call logs in again. */
const LEASE_USED = 0.8;

interface Token {
  readonly text: string;
  readonly endsAtMs: number;
}

export function createTokens(api: VaultApi, auth: VaultAuth, nowMs: () => number): Tokens {
  if (auth.method === 'token')
    return { get: async () => auth.token, renew: () => false, giveBack: async () => {} };
  const { method } = auth;
  let held: Token | undefined;
  let login: Promise<Token> | undefined;
  return {
    async get(mayLogIn) {
      if (held && nowMs() < held.endsAtMs) return held.text;
      // Concurrent calls share one login.
      login ??= logIn(mayLogIn);
      const mine = login;
      try {
        const token = await mine;
        if (login === mine) held = token;
        return token.text;
      } finally {
        if (login === mine) login = undefined;
      }
    },
    renew(refused) {
      if (held?.text === refused) held = undefined;
      return true;
    },
    async giveBack(revoke) {
      const [token, underWay] = [held, login];
      // Forgotten first, so that no call uses it meanwhile.
      [held, login] = [undefined, undefined];
      if (token && nowMs() < token.endsAtMs) await revoke(token.text);
      // A login that fails leaves no token.
      const late = await underWay?.catch(() => undefined);
      if (late) await revoke(late.text);
    },
  };

  async function logIn(mayLogIn: () => void): Promise<Token> {
    const startedMs = nowMs();
    const given = await credentials().catch(unreadable);
    mayLogIn();
    const answer = await api.write(`auth/${method}/login`, given).catch(explain);
    const { client_token, lease_duration } = (answer?.auth ?? {}) as Record<string, unknown>;
    if (typeof client_token !== 'string' || typeof lease_duration !== 'number')
      throw new VaultError('unexpected', `auth/${method}/login gave no token: is that Vault's address?`);
    // 0: the token never ends.
    const leaseMs = lease_duration === 0 ? Number.POSITIVE_INFINITY : lease_duration * 1000 * LEASE_USED;
    return { text: client_token, endsAtMs: startedMs + leaseMs };
  }

  async function credentials(): Promise<object> {
    if (auth.method === 'approle') return auth.credentials();
    if (auth.method === 'jwt') return { role: auth.role, jwt: await auth.jwt() };
    if (auth.method === 'aws') {
      const { role, serverId, stsRegion } = auth;
      return { role, ...(await awsLogin(await auth.credentials(), serverId, stsRegion)) };
    }
    throw new TypeError(`no login by ${auth.method}`);
  }

  /**
   * Vault answers 400 for most credentials that it refuses, 403 for some, and 404 for a method that is not
   * enabled.
   */
  function explain(error: unknown): never {
    const { code } = error as VaultError;
    if (!(error instanceof VaultError) || !['invalid', 'forbidden', 'not_found'].includes(code)) throw error;
    throw new VaultError('forbidden', `Vault refused the login: ${REFUSED[method as keyof typeof REFUSED]}`);
  }
}

/** The error of a store of credentials, such as AWS. Its message may quote some, so only its name is kept. */
function unreadable(error: unknown): never {
  const name = error instanceof Error ? error.name : typeof error;
  throw new VaultError('unavailable', `the credentials for Vault's login cannot be read (${name})`);
}

const REFUSED = {
  approle:
    'role id or secret id are wrong or have ended, or auth/approle is not enabled (docs/vault.md, AppRole)',
  jwt: 'there is no such role, or it does not accept this JWT (docs/vault.md, JWT)',
  aws: 'there is no such role, or it is not bound to this IAM role, or server id or STS endpoint differ (docs/vault.md, AWS IAM)',
};
