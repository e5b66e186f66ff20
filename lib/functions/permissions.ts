/** The rights of each function. Its role allows these and writing its own log, nothing else. */
import { ArnFormat, type Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import {
  evacuatedKey,
  HEALTH_KEY,
  keysItemKey,
  quotaKey,
  WRITE_STOP_KEY,
} from '../../lambda/contract/limits.ts';
import {
  type FunctionName,
  type Generations,
  secretName,
  type TableKind,
  tableInUse,
  tableName,
} from '../../lambda/contract/names.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';

type Action = 'PutItem' | 'GetItem' | 'DeleteItem' | 'Query' | 'Scan' | 'UpdateItem';

interface Permissions {
  readonly tables?: { readonly [T in Exclude<TableKind, 'limits'>]?: readonly Action[] };
  /** For each action, the partition keys that it may name. */
  readonly limits?: { readonly [A in Action]?: readonly string[] };
  readonly secrets?: readonly Purpose[];
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

export const PERMISSIONS: Readonly<Record<FunctionName, Permissions>> = {
  nonce: { limits: { GetItem: [keysItemKey('nonce')] }, secrets: ['nonce'] },
  register: WITH_PROOF,
  registration: WITH_PROOF,
  discovery: {},
  jwks: { limits: { GetItem: [keysItemKey('token')] }, secrets: ['token'] },
  health: {
    tables: { ledger: ['PutItem'], registry: ['PutItem'] },
    limits: {
      GetItem: [keysItemKey('nonce'), keysItemKey('client-root'), evacuatedKey('*'), HEALTH_KEY],
      UpdateItem: [HEALTH_KEY],
    },
    secrets: ['nonce', 'client-root'],
  },
  'admin-read': {
    tables: { clients: ['Query', 'Scan'], registry: ['GetItem'] },
    limits: { GetItem: [keysItemKey('client-root'), evacuatedKey('*'), WRITE_STOP_KEY] },
  },
  'admin-write': {
    tables: {
      ledger: ['PutItem'],
      registry: ['DeleteItem', 'GetItem', 'PutItem'],
      clients: ['DeleteItem', 'PutItem', 'Query', 'UpdateItem'],
    },
    limits: {
      GetItem: [keysItemKey('client-root'), WRITE_STOP_KEY],
      UpdateItem: [evacuatedKey('*')],
      PutItem: [WRITE_STOP_KEY],
      DeleteItem: [WRITE_STOP_KEY],
    },
    secrets: ['client-root'],
  },
};

export interface StatementsProps extends Generations {
  readonly stage: string;
}

/** Resources are named, in the stack's own account and Region, so nothing is imported. */
export function statements(
  stack: Stack,
  name: FunctionName,
  { stage, ...generations }: StatementsProps,
): PolicyStatement[] {
  const { tables = {}, limits = {}, secrets = [] } = PERMISSIONS[name];
  return [
    ...Object.entries(tables).map(([table, actions]) => {
      const arn = tableArn(stack, tableInUse(stage, table as TableKind, generations));
      return allow(
        actions.map((action) => `dynamodb:${action}`),
        arn,
      );
    }),
    ...Object.entries(limits).map(([action, keys]) => allowItems(stack, stage, [action as Action], keys)),
    ...secrets.map((purpose) =>
      allow(['secretsmanager:GetSecretValue'], secretArn(stack, secretName(stage, purpose))),
    ),
  ];
}

export const allow = (actions: string[], resource: string): PolicyStatement =>
  new PolicyStatement({ actions, resources: [resource] });

/**
 * @param keys partition keys, the only ones of `limits` that the actions may name
 * @param region @default the stack's own
 */
export const allowItems = (
  stack: Stack,
  stage: string,
  actions: readonly Action[],
  keys: readonly string[],
  region?: string,
): PolicyStatement =>
  new PolicyStatement({
    actions: actions.map((action) => `dynamodb:${action}`),
    resources: [tableArn(stack, tableName(stage, 'limits'), region)],
    conditions: {
      'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': [...keys] },
      // "For all values" is also true for a request without keys.
      Null: { 'dynamodb:LeadingKeys': 'false' },
    },
  });

/** @param region @default the stack's own */
export const tableArn = (stack: Stack, resourceName: string, region?: string): string =>
  stack.formatArn({ service: 'dynamodb', resource: 'table', resourceName, ...(region && { region }) });

/** Secrets Manager adds a hyphen and six characters to the name in a secret's ARN. */
export const secretArn = (stack: Stack, name: string, region?: string): string =>
  stack.formatArn({
    service: 'secretsmanager',
    resource: 'secret',
    resourceName: `${name}-??????`,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    ...(region && { region }),
  });
