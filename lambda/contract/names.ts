/**
 * Names that the stacks create and the functions use. The names are fixed and contain the stage, so a
 * Region's stack imports nothing from another's.
 */
import type { Purpose } from './purposes.ts';

/** The Lambda functions of every stage that answer clients and operators. */
export const FUNCTIONS = [
  'nonce',
  'register',
  'registration',
  'events',
  'keys',
  'discovery',
  'jwks',
  'health',
  'admin-read',
  'admin-write',
] as const;
/** Those that a stage with OAuth has besides. */
export const OAUTH_FUNCTIONS = [
  'oauth-token',
  'oauth-metadata',
  'oauth-register',
  'oauth-revocation',
] as const;
export type BaseFunctionName = (typeof FUNCTIONS)[number];
export type OAuthFunctionName = (typeof OAUTH_FUNCTIONS)[number];
export type FunctionName = BaseFunctionName | OAuthFunctionName;

/** One value for each function of a stage. */
export type ServingFunctions<T> = Readonly<
  Record<BaseFunctionName, T> & Partial<Record<OAuthFunctionName, T>>
>;

/** @param oauth whether the stage has OAuth */
export const functionsOf = (oauth: boolean): readonly FunctionName[] =>
  oauth ? [...FUNCTIONS, ...OAUTH_FUNCTIONS] : FUNCTIONS;

/** Functions that do more in a stage with OAuth: they have code, variables and rights of their own there. */
const OAUTH_VARIANTS = {
  register: 'register-oauth',
  registration: 'registration-oauth',
  events: 'events-oauth',
} as const;
type OAuthVariant = (typeof OAUTH_VARIANTS)[keyof typeof OAUTH_VARIANTS];

/** The code of a function that answers clients and operators. */
export type ServingBundle = FunctionName | OAuthVariant;

/** @param oauth whether the stage has OAuth */
export const bundleOf = (name: FunctionName, oauth: boolean): ServingBundle =>
  oauth && name in OAUTH_VARIANTS ? OAUTH_VARIANTS[name as keyof typeof OAUTH_VARIANTS] : name;

/** Each is built once; `rotate` runs once per purpose. */
export const BUNDLES = [
  ...FUNCTIONS,
  ...OAUTH_FUNCTIONS,
  'register-oauth',
  'registration-oauth',
  'events-oauth',
  'enrolment-sweep',
  'rotate',
  'keys-watch',
  'evacuation',
  'outbox',
  'find-stream',
  'deliver',
] as const;
export type BundleName = (typeof BUNDLES)[number];

/** A name of one of the stage's resources begins so. */
export const namePrefix = (stage: string): string => `countersign-${stage}-`;

/** `base` and `region` stacks are a Region's; the stage has one of each of the others. */
export const stackName = (
  stage: string,
  ...[part, region]: readonly ['base' | 'region', string] | readonly ['home' | 'watch']
): string => namePrefix(stage) + (region === undefined ? part : `${part}-${region}`);

/** The account has one in each Region, for all stages. */
export const accountStackName = (region: string): string => `countersign-account-${region}`;

export const functionName = (stage: string, name: FunctionName): string => `countersign-${stage}-${name}`;

/** One function per purpose, with that purpose's permissions. */
export const rotationFunctionName = (stage: string, purpose: Purpose): string =>
  `countersign-${stage}-rotate-${purpose}`;

/**
 * The alias by which keys-watch calls rotation functions. IAM cannot tell a function's actions apart, so the
 * alias serves only a few of them.
 */
export const WATCH_ALIAS = 'watch';

export const keysWatchName = (stage: string): string => `countersign-${stage}-keys-watch`;

export const secretName = (stage: string, purpose: Purpose): string => `countersign/${stage}/keys/${purpose}`;

/**
 * A table's generation is part of its name. A lost ledger is replaced under a new name, and no nonce of the
 * old one is valid for it. Registry and clients change their mode by a copy into the next generation, and are
 * restored by one.
 */
export const tableName = (stage: string, table: TableKind, generation = 1): string =>
  `countersign-${stage}-${table}-${generation}`;

/** Of the customer key that the stage makes in a Region. */
export const keyAlias = (stage: string): string => `alias/countersign-${stage}`;

/** The ledger of each Region has a generation of its own; `registry` and `clients` have one together. */
export interface Generations {
  readonly ledgerGeneration: number;
  readonly tableGeneration: number;
}

/** @returns name of the table that a Region's functions use */
export const tableInUse = (
  stage: string,
  table: TableKind,
  { ledgerGeneration, tableGeneration }: Generations,
): string =>
  tableName(
    stage,
    table,
    table === 'ledger' ? ledgerGeneration : TABLES[table].scope === 'global' ? tableGeneration : 1,
  );

/** The value that a keyset's secret is created with. Frozen: a changed template would overwrite live keys. */
export const EMPTY_KEYSET = '{"keys":[]}';

/** Each table's keys, and whether its items are a Region's own or every Region's. */
export const TABLES = {
  registry: { keys: ['pk'], scope: 'global' },
  clients: { keys: ['pk', 'sk'], scope: 'global' },
  ledger: { keys: ['pk'], scope: 'region' },
  limits: { keys: ['pk'], scope: 'region' },
  events: { keys: ['pk', 'seq'], scope: 'region' },
} as const;

/** Keys are strings, but for the number of an event. */
export const keyType = (name: string): 'S' | 'N' => (name === 'seq' ? 'N' : 'S');

/** Turns changes of the global tables into events. */
export const outboxName = (stage: string): string => `${namePrefix(stage)}outbox`;

/** Sends events to the endpoints of consumers. */
export const deliverName = (stage: string): string => `${namePrefix(stage)}deliver`;

/** The queue of wake-ups for it. */
export const wakeUpsName = (stage: string): string => `${deliverName(stage)}-wake-ups`;

/** The queue of the records that the outbox could not handle while they lasted. */
export const outboxFailedName = (stage: string): string => `${outboxName(stage)}-failed`;

/** Deletes the keys of instances that have ended. */
export const enrolmentSweepName = (stage: string): string => `${namePrefix(stage)}enrolment-sweep`;

/** Finds the streams of a Region's replicas while its stack is deployed. */
export const findStreamName = (stage: string): string => `${namePrefix(stage)}find-stream`;

export type TableKind = keyof typeof TABLES;
/** The tables that all Regions share. */
export type GlobalTableKind = {
  [K in TableKind]: (typeof TABLES)[K]['scope'] extends 'global' ? K : never;
}[TableKind];

export function tableKinds(scope: 'global'): GlobalTableKind[];
export function tableKinds(scope: 'global' | 'region'): TableKind[];
export function tableKinds(scope: 'global' | 'region'): TableKind[] {
  return (Object.keys(TABLES) as TableKind[]).filter((kind) => TABLES[kind].scope === scope);
}

/**
 * Health checks, the write stop, and each instance before it first changes a table write to keys of the
 * registry that begin with this; no client has a name like it. They are a Region's own, and mark the
 * generation as used.
 */
export const PROBE_PREFIX = '#probe#';

/**
 * Keys of the registry for what Regions tell each other in eventual mode: a registration that replaced
 * another Region's, by its event's id, and how late it is in a Region.
 */
export const CONFLICT_PREFIX = '#conflict#';
export const HEARTBEAT_PREFIX = '#heartbeat#';

/** Key of the registry for the mark of a complete copy that filled it. */
export const COPIED_KEY = '#copied';
