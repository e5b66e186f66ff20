/**
 * The objects that a stage needs in Vault: the engine, the auth method, and for each purpose a key, a policy
 * and a role.
 */
import { readFileSync } from 'node:fs';
import { KEYSETS, PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import {
  exportType,
  rotationRoleName,
  stsEndpoint,
  TRANSIT_MOUNT,
  vaultName,
} from '../../lambda/contract/vault.ts';

export type Members = Readonly<Record<string, unknown>>;

/** State of an object in Vault. A conflict holds a sentence for the operator. */
export type Standing = 'absent' | 'different' | 'same' | { readonly conflict: string };

/** One object that a stage needs in Vault. */
export interface SetupStep {
  /** E.g. `policy countersign-dev-nonce`. */
  readonly what: string;
  /** Path that reads it. */
  readonly readPath: string;
  /** Path that writes it. */
  readonly path: string;
  readonly data: Members;
  /** Capabilities that a write needs. */
  readonly rights: readonly string[];
  /** @param found the data that was read; undefined where nothing exists */
  standing(found: Members | undefined): Standing;
}

export interface Plan {
  readonly stage: string;
  readonly auth: VaultLogin;
}

export type VaultLogin =
  | { readonly method: 'approle' }
  | {
      readonly method: 'aws';
      readonly serverId: string;
      /** Region of the STS endpoint that Vault uses. @default the global endpoint */
      readonly stsRegion?: string;
      readonly account: string;
      readonly regions: readonly string[];
    }
  | {
      readonly method: 'jwt';
      readonly issuer: string;
      readonly audience: string;
      readonly account: string;
      readonly regions: readonly string[];
    };

/** Life of a login. One rotation takes a minute at most. */
const TOKEN_LIFE_S = 600;

/** Life of an AppRole's secret id, 90 days: an operator replaces it before then. */
const SECRET_ID_LIFE_S = 90 * 24 * 3600;

/** @returns the steps, in an order that works on an empty Vault */
export function vaultSteps({ stage, auth }: Plan): SetupStep[] {
  return [
    mounted(`secrets engine ${TRANSIT_MOUNT}`, 'sys/mounts', TRANSIT_MOUNT, 'transit', ['update']),
    ...PURPOSES.map((purpose) => transitKey(vaultName(stage, purpose), purpose)),
    ...PURPOSES.map((purpose) => policy(vaultName(stage, purpose), rotationPolicy(stage, purpose))),
    mounted(`auth method ${auth.method}`, 'sys/auth', auth.method, auth.method, ['update', 'sudo']),
    ...methodConfig(auth),
    ...PURPOSES.map((purpose) => role(stage, purpose, auth)),
  ];
}

/** @returns the HCL of the policy for a purpose's rotation function */
export function rotationPolicy(stage: string, purpose: Purpose): string {
  const values: Readonly<Record<string, string>> = {
    transit: TRANSIT_MOUNT,
    key: vaultName(stage, purpose),
    export: exportType(KEYSETS[purpose].keyType),
  };
  const template = readFileSync(new URL('rotate.hcl', import.meta.url), 'utf8');
  return template
    .replace(/^#.*\n/gm, '')
    .trimStart()
    .replace(/\{\{(\w+)\}\}/g, (_, name: string) => values[name]!);
}

function mounted(
  what: string,
  table: string,
  path: string,
  type: string,
  rights: readonly string[],
): SetupStep {
  return {
    what,
    readPath: table,
    path: `${table}/${path}`,
    data: { type, description: 'Countersign' },
    rights,
    standing(found) {
      const there = found?.[`${path}/`] as Members | undefined;
      if (!there) return 'absent';
      return there.type === type
        ? 'same'
        : { conflict: `${table}/${path} is of type ${there.type}, not ${type}` };
    },
  };
}

/** An existing key is never changed: some of its settings cannot be undone. A wrong one is a conflict. */
function transitKey(name: string, purpose: Purpose): SetupStep {
  const type = KEYSETS[purpose].keyType;
  const path = `${TRANSIT_MOUNT}/keys/${name}`;
  return {
    what: `key ${name} (${type})`,
    readPath: path,
    path,
    data: { type, exportable: true, allow_plaintext_backup: false, ...(type === 'hmac' && { key_size: 32 }) },
    rights: ['update'],
    standing(found) {
      if (!found) return 'absent';
      if (found.type !== type) return { conflict: `key ${name} is of type ${found.type}, not ${type}` };
      if (found.exportable !== true) return { conflict: `key ${name} is not exportable` };
      if (found.allow_plaintext_backup === true) return { conflict: `key ${name} allows plaintext backup` };
      return 'same';
    },
  };
}

function policy(name: string, hcl: string): SetupStep {
  const path = `sys/policies/acl/${name}`;
  return { ...document(`policy ${name}`, path, { policy: hcl }), rights: ['update'] };
}

function methodConfig(auth: VaultLogin): SetupStep[] {
  if (auth.method === 'aws')
    return [
      shared('server id and STS endpoint of auth method aws', 'auth/aws/config/client', {
        iam_server_id_header_value: auth.serverId,
        sts_endpoint: auth.stsRegion === undefined ? '' : stsEndpoint(auth.stsRegion),
        sts_region: auth.stsRegion ?? '',
      }),
    ];
  if (auth.method === 'jwt')
    return [
      shared('issuer of auth method jwt', 'auth/jwt/config', {
        oidc_discovery_url: auth.issuer,
        bound_issuer: auth.issuer,
      }),
    ];
  return [];
}

function role(stage: string, purpose: Purpose, auth: VaultLogin): SetupStep {
  const name = vaultName(stage, purpose);
  const token = {
    token_policies: [name],
    token_no_default_policy: true,
    token_ttl: TOKEN_LIFE_S,
    token_max_ttl: TOKEN_LIFE_S,
  };
  return document(`role ${name}`, `auth/${auth.method}/role/${name}`, {
    ...whoMayLogIn(stage, purpose, auth),
    ...token,
  });
}

function whoMayLogIn(stage: string, purpose: Purpose, auth: VaultLogin): Members {
  if (auth.method === 'approle') return { bind_secret_id: true, secret_id_ttl: SECRET_ID_LIFE_S };
  const arns = auth.regions.map(
    (region) => `arn:aws:iam::${auth.account}:role/${rotationRoleName(stage, purpose, region)}`,
  );
  if (auth.method === 'aws')
    // Vault compares role names: to resolve them into ids, it would need rights in the AWS account.
    return { auth_type: 'iam', bound_iam_principal_arn: arns, resolve_aws_unique_ids: false };
  return {
    role_type: 'jwt',
    user_claim: 'sub',
    bound_audiences: [auth.audience],
    bound_claims: { sub: arns },
  };
}

/** An object of Countersign's own: it is changed until it is right. */
function document(what: string, path: string, data: Members): SetupStep {
  return {
    what,
    readPath: path,
    path,
    data,
    rights: ['create', 'update'],
    standing(found) {
      if (!found) return 'absent';
      return Object.entries(data).every(([name, value]) => equal(found[name], value)) ? 'same' : 'different';
    },
  };
}

/**
 * A config that others use too: an unset member is set, and a set one is never changed. An empty value must
 * stay unset.
 */
function shared(what: string, path: string, data: Members): SetupStep {
  const set = Object.entries(data).filter(([, value]) => value !== '');
  return {
    ...document(what, path, Object.fromEntries(set)),
    standing(found) {
      const other = Object.entries(data).find(([name, value]) => found?.[name] && !equal(found[name], value));
      if (other)
        return {
          conflict: `${path} has ${other[0]} ${JSON.stringify(found![other[0]])}, not ${other[1] || 'none'}`,
        };
      // A member that is not set is empty or absent.
      return Object.entries(data).every(([name, value]) => equal(found?.[name] ?? '', value))
        ? 'same'
        : 'absent';
    },
  };
}

/** Compares lists without regard to order: Vault keeps some lists as sets. */
function equal(a: unknown, b: unknown): boolean {
  const canonical = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(canonical).sort();
    if (typeof value !== 'object' || value === null) return value;
    return Object.entries(value)
      .map(([name, member]) => [name, canonical(member)])
      .sort();
  };
  return JSON.stringify(canonical(a)) === JSON.stringify(canonical(b));
}
