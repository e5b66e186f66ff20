/** What has to stand in Vault for a stage: the engine, per purpose a key, a policy and a role, and how roles log in. */
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

/** How a thing stands there already: the words of a conflict say what is in the way. */
export type Standing = 'absent' | 'different' | 'same' | { readonly conflict: string };

/** One thing that has to stand in Vault. */
export interface Step {
  /** E.g. `policy countersign-dev-nonce`. */
  readonly what: string;
  /** Where it is read. */
  readonly readPath: string;
  /** Where it is written, with what, and the rights that this takes. */
  readonly path: string;
  readonly data: Members;
  readonly rights: readonly string[];
  /** @param found what the read gave, undefined where there is nothing */
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
      /** Whose STS endpoint Vault asks. @default the global one */
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

/** For one rotation, which takes a minute at most. */
const TOKEN_LIFE_S = 600;

/** From one exchange of an AppRole's secret id to the next, at the latest: 90 days. */
const SECRET_ID_LIFE_S = 90 * 24 * 3600;

/** @returns the steps in the order in which they can be taken */
export function vaultSteps({ stage, auth }: Plan): Step[] {
  return [
    mounted(`secrets engine ${TRANSIT_MOUNT}`, 'sys/mounts', TRANSIT_MOUNT, 'transit', ['update']),
    ...PURPOSES.map((purpose) => transitKey(vaultName(stage, purpose), purpose)),
    ...PURPOSES.map((purpose) => policy(vaultName(stage, purpose), rotationPolicy(stage, purpose))),
    mounted(`auth method ${auth.method}`, 'sys/auth', auth.method, auth.method, ['update', 'sudo']),
    ...methodConfig(auth),
    ...PURPOSES.map((purpose) => role(stage, purpose, auth)),
  ];
}

/** @returns the HCL of the policy that a purpose's rotation function gets */
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

function mounted(what: string, table: string, path: string, type: string, rights: readonly string[]): Step {
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

/** A key that is there is never changed: what it may do cannot be undone. */
function transitKey(name: string, purpose: Purpose): Step {
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

function policy(name: string, hcl: string): Step {
  const path = `sys/policies/acl/${name}`;
  return { ...document(`policy ${name}`, path, { policy: hcl }), rights: ['update'] };
}

function methodConfig(auth: VaultLogin): Step[] {
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

function role(stage: string, purpose: Purpose, auth: VaultLogin): Step {
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
    // By name: to resolve it into an id, Vault would need rights in the account.
    return { auth_type: 'iam', bound_iam_principal_arn: arns, resolve_aws_unique_ids: false };
  return {
    role_type: 'jwt',
    user_claim: 'sub',
    bound_audiences: [auth.audience],
    bound_claims: { sub: arns },
  };
}

/** Ours alone: brought to what it should be. */
function document(what: string, path: string, data: Members): Step {
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

/** Others' as well: set where it is not, and never changed. An empty value must stay unset. */
function shared(what: string, path: string, data: Members): Step {
  const set = Object.entries(data).filter(([, value]) => value !== '');
  return {
    ...document(what, path, Object.fromEntries(set)),
    standing(found) {
      const other = Object.entries(data).find(([name, value]) => found?.[name] && !equal(found[name], value));
      if (other)
        return {
          conflict: `${path} has ${other[0]} ${JSON.stringify(found![other[0]])}, not ${other[1] || 'none'}`,
        };
      // What is not set reads as empty, or is not there.
      return Object.entries(data).every(([name, value]) => equal(found?.[name] ?? '', value))
        ? 'same'
        : 'absent';
    },
  };
}

/** Lists by their members: Vault keeps some as sets. */
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
