/**
 * Auth methods. Tokens and AppRole work. AWS and JWT store what `countersign vault setup` writes, but cannot
 * log in.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { text, type VaultBody, VaultFault, type VaultRequest, type VaultResult } from './protocol.ts';

export interface Token {
  readonly policies: readonly string[];
  readonly endsAtMs: number;
}

const ROLE_DEFAULTS = { token_ttl: 0, token_max_ttl: 0, token_no_default_policy: false, token_policies: [] };
const DEFAULT_TTL_S = 32 * 24 * 3600;

export class Tokens {
  readonly #tokens = new Map<string, Token>();
  readonly #nowMs: () => number;

  constructor(rootToken: string, nowMs: () => number) {
    this.#tokens.set(rootToken, { policies: ['root'], endsAtMs: Number.POSITIVE_INFINITY });
    this.#nowMs = nowMs;
  }

  find(text: string | undefined): Token | undefined {
    const token = this.#tokens.get(text ?? '');
    return token && this.#nowMs() < token.endsAtMs ? token : undefined;
  }

  /** @param ttlS 0 means the default */
  issue(named: readonly string[], withDefault: boolean, ttlS: number): VaultResult {
    const policies = withDefault ? ['default', ...named] : named;
    const lease_duration = ttlS || DEFAULT_TTL_S;
    const client_token = `hvs.${randomBytes(24).toString('base64url')}`;
    this.#tokens.set(client_token, { policies, endsAtMs: this.#nowMs() + lease_duration * 1000 });
    return { auth: { client_token, policies, token_policies: policies, lease_duration, renewable: true } };
  }

  /** The token method, below `auth/token/`. */
  handle({ operation, path, data }: VaultRequest, asked: string): VaultResult {
    if (path === 'lookup-self' && operation === 'read')
      return { data: { policies: this.find(asked)!.policies, type: 'service' } };
    if (operation === 'update' && (path === 'revoke' || path === 'revoke-self')) {
      this.#tokens.delete(path === 'revoke' ? text(data, 'token') : asked);
      return undefined;
    }
    if (operation !== 'update' || path !== 'create') throw new VaultFault(404);
    // The root token only: a child of another token may have no more policies than its parent.
    if (!this.find(asked)!.policies.includes('root'))
      throw new VaultFault(400, 'child policies must be a subset');
    const { policies = ['root'], no_default_policy: bare = false, ttl = 0 } = data;
    if (typeof ttl !== 'number') throw new VaultFault(400, 'the embedded Vault takes a ttl in seconds');
    return this.issue(policies as string[], !bare, ttl);
  }
}

/** A mounted method: its roles and its config. */
export class AuthMethod {
  readonly type: string;
  readonly #tokens: Tokens;
  readonly #documents = new Map<string, VaultBody>();
  readonly #roleIds = new Map<string, string>();
  readonly #secretIds = new Map<string, { readonly role: string; readonly endsAtMs: number }>();
  readonly #nowMs: () => number;

  constructor(type: string, tokens: Tokens, nowMs: () => number) {
    this.type = type;
    this.#tokens = tokens;
    this.#nowMs = nowMs;
  }

  /** Whether the update would create the role, which needs another capability. */
  has(path: string): boolean {
    return !path.startsWith('role/') || path.split('/').length > 2 || this.#documents.has(path);
  }

  handle({ operation, path, data }: VaultRequest): VaultResult {
    const [kind, name = '', part] = path.split('/');
    if (path === 'login' && operation === 'update') return this.#login(data);
    if (this.type === 'approle' && kind === 'role' && part !== undefined) return this.#credential(name, part);
    if (kind !== 'role' && kind !== 'config') throw new VaultFault(404);
    const document = this.#documents.get(path);
    if (operation === 'read' && document) return { data: document };
    if (operation === 'read') throw new VaultFault(404);
    if (operation !== 'update' && operation !== 'create') throw new VaultFault(405, 'unsupported operation');
    this.#documents.set(path, { ...(kind === 'role' && ROLE_DEFAULTS), ...document, ...data });
    if (kind === 'role' && !this.#roleIds.has(name)) this.#roleIds.set(name, randomUUID());
    return undefined;
  }

  #credential(role: string, part: string): VaultResult {
    const role_id = this.#roleIds.get(role);
    if (role_id === undefined) throw new VaultFault(404);
    if (part === 'role-id') return { data: { role_id } };
    if (part !== 'secret-id') throw new VaultFault(404);
    const secret_id = randomUUID();
    const { secret_id_ttl = 0 } = this.#documents.get(`role/${role}`) as { secret_id_ttl?: number };
    const endsAtMs = secret_id_ttl ? this.#nowMs() + secret_id_ttl * 1000 : Number.POSITIVE_INFINITY;
    this.#secretIds.set(secret_id, { role, endsAtMs });
    return { data: { secret_id, secret_id_accessor: randomUUID(), secret_id_ttl } };
  }

  #login(data: VaultBody): VaultResult {
    if (this.type !== 'approle') throw new VaultFault(400, `the embedded Vault has no login by ${this.type}`);
    const { role = '', endsAtMs = 0 } = this.#secretIds.get(text(data, 'secret_id')) ?? {};
    if (this.#nowMs() >= endsAtMs || this.#roleIds.get(role) !== text(data, 'role_id'))
      throw new VaultFault(400, 'invalid role or secret ID');
    const { token_policies, token_no_default_policy, token_ttl } = this.#documents.get(`role/${role}`)!;
    return this.#tokens.issue(token_policies as string[], !token_no_default_policy, token_ttl as number);
  }
}
