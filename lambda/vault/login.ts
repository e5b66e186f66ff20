/** Tokens: one login, used until it is given back, or until shortly before its lease ends. */
import type { VaultApi } from './api.ts';
import { type AwsCredentials, awsLogin } from './aws-login.ts';
import { VaultError } from './vault-error.ts';

export interface AppRoleCredentials {
  readonly role_id: string;
  readonly secret_id: string;
}

/** Secrets are asked for at each login, so that one that was exchanged meanwhile is the new one. */
export type VaultAuth =
  | { readonly method: 'token'; readonly token: string }
  | { readonly method: 'approle'; readonly credentials: () => Promise<AppRoleCredentials> }
  | { readonly method: 'jwt'; readonly role: string; readonly jwt: () => Promise<string> }
  | {
      readonly method: 'aws';
      readonly role: string;
      /** What Vault's `iam_server_id_header_value` says. */
      readonly serverId: string;
      /** Region of the STS endpoint that Vault is set to ask. @default the global endpoint */
      readonly stsRegion?: string;
      readonly credentials: () => Promise<AwsCredentials>;
    };

export interface Tokens {
  /** @throws VaultError */
  get(): Promise<string>;
  /** Drops a token that was refused. @returns whether there can be another */
  renew(refused: string): boolean;
  /** Drops the token that is held, and has it revoked. */
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
    async get() {
      if (held && nowMs() < held.endsAtMs) return held.text;
      // Calls at once share one login.
      login ??= logIn().finally(() => {
        login = undefined;
      });
      held = await login;
      return held.text;
    },
    renew(refused) {
      if (held?.text === refused) held = undefined;
      return true;
    },
    async giveBack(revoke) {
      const token = held;
      // First, so that a call meanwhile does not use it.
      held = undefined;
      if (token && nowMs() < token.endsAtMs) await revoke(token.text);
    },
  };

  async function logIn(): Promise<Token> {
    const startedMs = nowMs();
    const answer = await api
      .write(`auth/${method}/login`, await credentials().catch(unreadable))
      .catch(explain);
    const { client_token, lease_duration } = (answer?.auth ?? {}) as Record<string, unknown>;
    if (typeof client_token !== 'string' || typeof lease_duration !== 'number')
      throw new VaultError('unexpected', `auth/${method}/login gave no token: is that Vault's address?`);
    // 0 is what never ends.
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

  /** Vault says 400 to most credentials that it refuses, and 403 to some. */
  function explain(error: unknown): never {
    const { code } = error as VaultError;
    if (!(error instanceof VaultError) || !['unexpected', 'forbidden', 'not_found'].includes(code))
      throw error;
    throw new VaultError('forbidden', `Vault refused the login: ${REFUSED[method as keyof typeof REFUSED]}`);
  }
}

/** Of where the credentials lie, such as AWS; its own words may hold some. */
function unreadable(error: unknown): never {
  const name = error instanceof Error ? error.name : typeof error;
  throw new VaultError('unavailable', `the credentials for Vault's login cannot be read (${name})`);
}

const REFUSED = {
  approle:
    'role id or secret id are wrong, have ended, or auth/approle is not there (docs/vault.md, AppRole)',
  jwt: 'the role is not there, or the JWT is not what it asks for (docs/vault.md, JWT)',
  aws: 'the role is not there, or not for this IAM role, or server id or STS endpoint differ (docs/vault.md, AWS IAM)',
};
