/** The rights of each function, as a table without the CDK: a test's platform enforces it too. */
import {
  denyKey,
  evacuatedKey,
  HEALTH_KEY,
  keysItemKey,
  publicKeysKey,
  quotaKey,
  WRITE_STOP_KEY,
} from '../../lambda/contract/limits.ts';
import type { ServingBundle, TableKind } from '../../lambda/contract/names.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';

export type Action = 'PutItem' | 'GetItem' | 'DeleteItem' | 'Query' | 'Scan' | 'UpdateItem';

export interface Permissions {
  readonly tables?: { readonly [T in Exclude<TableKind, 'limits'>]?: readonly Action[] };
  /** For each action, the partition keys that it may name. */
  readonly limits?: { readonly [A in Action]?: readonly string[] };
  /** As `limits`, in every Region. */
  readonly limitsEverywhere?: { readonly [A in Action]?: readonly string[] };
  readonly secrets?: readonly Purpose[];
  /** Whether it wakes endpoints of callbacks. */
  readonly wakes?: true;
}

const WITH_PROOF = {
  tables: {
    ledger: ['PutItem'],
    registry: ['GetItem', 'PutItem'],
    clients: ['Query'],
  },
  limits: {
    GetItem: [keysItemKey('nonce'), keysItemKey('client-root'), evacuatedKey('*'), WRITE_STOP_KEY],
    UpdateItem: [quotaKey('*', '*')],
  },
  secrets: ['nonce', 'client-root'],
} as const satisfies Permissions;

const EVENTS = {
  // A reader closes the holes that writers left.
  tables: { clients: ['Query'], events: ['GetItem', 'PutItem', 'Query'] },
  limits: { GetItem: [keysItemKey('nonce'), keysItemKey('client-root')] },
  secrets: ['nonce', 'client-root'],
} as const satisfies Permissions;

/** Also takes access tokens, and verifies them by the public copy of their keys. */
const WITH_TOKEN = {
  ...WITH_PROOF,
  // One key of an instance.
  tables: { ...WITH_PROOF.tables, clients: ['GetItem', 'Query'] },
  limits: {
    ...WITH_PROOF.limits,
    GetItem: [...WITH_PROOF.limits.GetItem, keysItemKey('token'), denyKey('*')],
  },
} as const satisfies Permissions;

export const PERMISSIONS: Readonly<Record<ServingBundle, Permissions>> = {
  'register-oauth': WITH_TOKEN,
  'registration-oauth': WITH_TOKEN,
  'oauth-token': {
    tables: { ledger: ['PutItem'], clients: ['GetItem', 'Query'] },
    limits: { GetItem: [keysItemKey('nonce'), keysItemKey('token')], UpdateItem: [quotaKey('*', '*')] },
    secrets: ['nonce', 'token'],
  },
  'events-oauth': {
    ...EVENTS,
    tables: { ...EVENTS.tables, clients: ['GetItem', 'Query'] },
  },
  'oauth-register': {
    tables: {
      ledger: ['PutItem'],
      // For the mark of its generation alone.
      registry: ['PutItem'],
      clients: ['DeleteItem', 'PutItem', 'Query', 'UpdateItem'],
    },
    limits: {
      GetItem: [keysItemKey('nonce'), keysItemKey('client-root'), evacuatedKey('*'), WRITE_STOP_KEY],
    },
    secrets: ['nonce', 'client-root'],
  },
  'oauth-revocation': {
    tables: { ledger: ['PutItem'], clients: ['GetItem', 'Query'] },
    limits: {
      GetItem: [keysItemKey('nonce'), keysItemKey('token'), denyKey('*')],
      UpdateItem: [quotaKey('*', '*')],
    },
    limitsEverywhere: { PutItem: [denyKey('*')] },
    secrets: ['nonce'],
  },
  'oauth-metadata': {},
  nonce: { limits: { GetItem: [keysItemKey('nonce')] }, secrets: ['nonce'] },
  register: WITH_PROOF,
  registration: WITH_PROOF,
  events: EVENTS,
  keys: {
    ...WITH_PROOF,
    // The registry for the mark of its generation alone.
    tables: { ledger: ['PutItem'], registry: ['PutItem'], clients: ['PutItem', 'Query'] },
  },
  discovery: {},
  // The keys of tokens come from the public copy, which lies in the item of the revoked kids.
  jwks: {
    limits: { GetItem: [keysItemKey('token'), keysItemKey('webhook')] },
    secrets: ['webhook'],
  },
  health: {
    tables: { ledger: ['PutItem'], registry: ['PutItem'] },
    limits: {
      GetItem: [
        keysItemKey('nonce'),
        keysItemKey('client-root'),
        evacuatedKey('*'),
        WRITE_STOP_KEY,
        HEALTH_KEY,
      ],
      UpdateItem: [HEALTH_KEY],
    },
    secrets: ['nonce', 'client-root'],
  },
  'admin-read': {
    tables: { clients: ['GetItem', 'Query', 'Scan'], registry: ['GetItem'], events: ['GetItem'] },
    limits: {
      GetItem: [keysItemKey('client-root'), publicKeysKey('webhook-root'), evacuatedKey('*'), WRITE_STOP_KEY],
    },
  },
  'admin-write': {
    tables: {
      ledger: ['PutItem'],
      // The scans are for a rebuild of events.
      registry: ['DeleteItem', 'GetItem', 'PutItem', 'Scan'],
      clients: ['DeleteItem', 'GetItem', 'PutItem', 'Query', 'Scan', 'UpdateItem'],
      events: ['GetItem', 'PutItem', 'Query', 'UpdateItem'],
    },
    limits: {
      // A repeated evacuation reads since when the flag stands.
      GetItem: [
        ...['client-root', 'webhook', 'webhook-root'].map(keysItemKey),
        ...['webhook', 'webhook-root'].map(publicKeysKey),
        evacuatedKey('*'),
        WRITE_STOP_KEY,
      ],
      UpdateItem: [evacuatedKey('*')],
      PutItem: [WRITE_STOP_KEY, denyKey('*')],
      DeleteItem: [WRITE_STOP_KEY],
    },
    secrets: ['client-root', 'webhook-root'],
    wakes: true,
  },
};
