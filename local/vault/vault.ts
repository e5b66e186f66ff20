/**
 * An embedded stand-in for HashiCorp Vault and OpenBao, in memory. It has the part of their API that the
 * platform and `countersign vault setup` use, and enforces policies. It passes the same tests as the real
 * server (test/contract/vault.ts). It lacks namespaces, audit, logins by AWS and JWT, and any use of a key.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type HttpListener, readBody } from '../server.ts';
import { AuthMethod, type Token, Tokens } from './auth.ts';
import { capabilitiesOf, isAllowed, parsePolicy, type Rule } from './policy.ts';
import {
  answerOf,
  faultAnswer,
  text,
  type VaultBody,
  VaultFault,
  type VaultOperation,
  type VaultRequest,
  type VaultResult,
} from './protocol.ts';
import { Transit } from './transit.ts';

export interface EmbeddedVaultOptions {
  /** @default a random one */
  readonly rootToken?: string;
  /** Epoch milliseconds. @default Date.now */
  readonly nowMs?: () => number;
}

export interface EmbeddedVault {
  readonly listener: HttpListener;
  /** A token that may do everything. */
  readonly rootToken: string;
  /** The key for unsealing: `PUT /v1/sys/unseal` with `{"key"}` undoes `PUT /v1/sys/seal`. */
  readonly unsealKey: string;
  /** A sealed Vault answers 503 to everything, and keeps keys and tokens. */
  setSealed(sealed: boolean): void;
}

const MAX_REQUEST_BYTES = 1024 * 1024;
const AUTH_TYPES = ['approle', 'aws', 'jwt'];
const BUILT_IN_POLICIES: Readonly<Record<string, string>> = {
  root: 'path "*" { capabilities = ["root"] }',
  default: `path "sys/capabilities-self" { capabilities = ["update"] }
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/revoke-self" { capabilities = ["update"] }`,
};

export function createEmbeddedVault(options: EmbeddedVaultOptions = {}): EmbeddedVault {
  const { rootToken = `hvs.${randomBytes(24).toString('base64url')}`, nowMs = Date.now } = options;
  const unsealKey = randomBytes(32).toString('base64');
  let sealed = false;
  const tokens = new Tokens(rootToken, nowMs);
  const engines = new Map<string, Transit>();
  const methods = new Map<string, AuthMethod>();
  const policies = new Map<string, { readonly hcl: string; readonly rules: Rule[] }>();
  for (const [name, hcl] of Object.entries(BUILT_IN_POLICIES))
    policies.set(name, { hcl, rules: parsePolicy(hcl) });

  const listener: HttpListener = async (request, response) => {
    const { status, body } = await respond(request).then(answerOf, (error: unknown) => {
      if (error instanceof VaultFault) return faultAnswer(error);
      throw error;
    });
    const payload = body === undefined ? '' : JSON.stringify(body);
    response.writeHead(status, {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(payload),
      'Cache-Control': 'no-store',
    });
    response.end(payload);
  };
  const setSealed = (value: boolean) => {
    sealed = value;
  };
  return { listener, rootToken, unsealKey, setSealed };

  async function respond(incoming: IncomingMessage): Promise<VaultResult> {
    const request = await parseRequest(incoming);
    const open = withoutToken(request);
    if (open) return open;
    if (sealed) throw new VaultFault(503, 'Vault is sealed');
    const { path } = request;
    if (/^auth\/[^/]+\/login$/.test(path)) return methodAt(path).handle(below(request, 2));
    const asked = String(incoming.headers['x-vault-token'] ?? '');
    const token = tokens.find(asked);
    if (!token) throw new VaultFault(403, 'permission denied');
    const exact = withExistence(request);
    if (!isAllowed(rulesOf(token), exact.operation, path, request.data))
      throw new VaultFault(403, '1 error occurred:\n\t* permission denied\n\n');
    return route(exact, token, asked);
  }

  /** Paths that need no token and answer even while sealed. */
  function withoutToken({ operation, path, data }: VaultRequest): VaultResult {
    const state = { initialized: true, sealed, version: '0.0.0+countersign' };
    if (path === 'sys/health' && operation === 'read')
      return { status: sealed ? 503 : 200, raw: { ...state, standby: false } };
    if (path === 'sys/seal-status' && operation === 'read')
      return { status: 200, raw: { ...state, t: 1, n: 1, progress: 0 } };
    if (path !== 'sys/unseal' || operation !== 'update') return undefined;
    if (text(data, 'key') !== unsealKey) throw new VaultFault(400, 'invalid key');
    sealed = false;
    return { status: 200, raw: { ...state, sealed, t: 1, n: 1, progress: 0 } };
  }

  function route(request: VaultRequest, token: Token, asked: string): VaultResult {
    const { path } = request;
    if (path.startsWith('sys/')) return system(below(request, 1), token);
    if (path.startsWith('auth/token/')) return tokens.handle(below(request, 2), asked);
    if (path.startsWith('auth/')) return methodAt(path).handle(below(request, 2));
    const engine = engines.get(path.split('/')[0]!);
    if (!engine) throw new VaultFault(404, `no handler for route "${path}". route entry not found.`);
    return engine.handle(below(request, 1));
  }

  function system({ operation, path, data }: VaultRequest, token: Token): VaultResult {
    const [kind, ...rest] = path.split('/');
    const name = rest.join('/').replace(/\/$/, '');
    if (path === 'seal' && operation === 'update') {
      sealed = true;
      return undefined;
    }
    if (path === 'mounts' && operation === 'read') return { data: mountTable(engines, () => 'transit') };
    if (path === 'auth' && operation === 'read')
      return { data: { 'token/': { type: 'token' }, ...mountTable(methods, ({ type }) => type) } };
    if (path === 'capabilities-self' && operation === 'update')
      return {
        data: Object.fromEntries((data.paths as string[]).map((path) => [path, capabilities(token, path)])),
      };
    if (kind === 'mounts' && operation === 'update')
      return mount(engines, name, data, ['transit'], () => new Transit(nowMs));
    if (kind === 'auth' && operation === 'update')
      return mount(methods, name, data, AUTH_TYPES, (type) => new AuthMethod(type, tokens, nowMs));
    if (kind === 'policies' && rest[0] === 'acl' && rest.length === 2) {
      if (operation === 'update') {
        const hcl = text(data, 'policy');
        policies.set(rest[1]!, { hcl, rules: parsePolicy(hcl) });
        return undefined;
      }
      const found = policies.get(rest[1]!);
      if (operation === 'read' && found) return { data: { name: rest[1]!, policy: found.hcl } };
    }
    throw new VaultFault(404);
  }

  function methodAt(path: string): AuthMethod {
    const method = methods.get(path.split('/')[1]!);
    if (!method) throw new VaultFault(404, `no handler for route "${path}". route entry not found.`);
    return method;
  }

  /** An update of something that does not exist needs the capability to create. */
  function withExistence(request: VaultRequest): VaultRequest {
    const { operation, path } = request;
    const method = path.startsWith('auth/') ? methods.get(path.split('/')[1]!) : undefined;
    const creates = operation === 'update' && method && !method.has(path.split('/').slice(2).join('/'));
    return creates ? { ...request, operation: 'create' } : request;
  }

  function rulesOf(token: Token): Rule[] {
    return token.policies.flatMap((name) => policies.get(name)?.rules ?? []);
  }

  function capabilities(token: Token, path: string): string[] {
    return [...capabilitiesOf(rulesOf(token), path)];
  }
}

/** Node does not accept the method LIST; `GET ?list=true` means the same. */
const METHODS: Readonly<Record<string, VaultOperation>> = {
  GET: 'read',
  POST: 'update',
  PUT: 'update',
  DELETE: 'delete',
};

async function parseRequest(incoming: IncomingMessage): Promise<VaultRequest> {
  const { pathname, searchParams } = new URL(incoming.url!, 'http://localhost');
  const method = METHODS[incoming.method!];
  if (!pathname.startsWith('/v1/') || !method) throw new VaultFault(404);
  const body = await readBody(incoming, MAX_REQUEST_BYTES);
  if (!body) throw new VaultFault(413, 'request body too large');
  const operation = method === 'read' && searchParams.get('list') === 'true' ? 'list' : method;
  return { operation, path: pathname.slice('/v1/'.length).replace(/\/$/, ''), data: parseBody(body) };
}

function parseBody(body: Buffer): VaultBody {
  if (body.length === 0) return {};
  try {
    return JSON.parse(body.toString());
  } catch {
    throw new VaultFault(400, 'failed to decode JSON input');
  }
}

/** The request as the mounted engine or method sees it. */
const below = (request: VaultRequest, segments: number): VaultRequest => ({
  ...request,
  path: request.path.split('/').slice(segments).join('/'),
});

const mountTable = <T>(mounts: ReadonlyMap<string, T>, type: (mounted: T) => string): VaultBody =>
  Object.fromEntries(
    [...mounts].map(([path, mounted]) => [`${path}/`, { type: type(mounted), description: '' }]),
  );

function mount<T>(
  mounts: Map<string, T>,
  path: string,
  data: VaultBody,
  types: readonly string[],
  make: (type: string) => T,
): undefined {
  const type = text(data, 'type');
  if (!types.includes(type)) throw new VaultFault(400, `plugin not found in the catalog: ${type}`);
  if (mounts.has(path)) throw new VaultFault(400, `path is already in use at ${path}/`);
  mounts.set(path, make(type));
}
