/** What each function may do, and so all that its role allows, beside writing its own log. */
import { ArnFormat, type Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { type FunctionName, secretName, type TableKind, tableName } from '../../lambda/contract/names.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';

type Action = 'PutItem' | 'GetItem' | 'DeleteItem' | 'Query' | 'Scan' | 'UpdateItem';

interface Permissions {
  readonly tables?: { readonly [T in TableKind]?: readonly Action[] };
  /** The only items of a table that the function may touch; absent where it may touch all. */
  readonly items?: { readonly [T in TableKind]?: readonly string[] };
  readonly secrets?: readonly Purpose[];
}

const WITH_PROOF = {
  tables: {
    ledger: ['PutItem'],
    limits: ['GetItem', 'UpdateItem'],
    registry: ['GetItem', 'PutItem'],
    clients: ['Query'],
  },
  secrets: ['nonce', 'client-root'],
} as const satisfies Permissions;

export const PERMISSIONS: Readonly<Record<FunctionName, Permissions>> = {
  nonce: { tables: { limits: ['GetItem'] }, items: { limits: ['revoked#nonce'] }, secrets: ['nonce'] },
  register: WITH_PROOF,
  registration: WITH_PROOF,
  discovery: {},
  jwks: { tables: { limits: ['GetItem'] }, secrets: ['token'] },
  health: {
    tables: { ledger: ['PutItem'], limits: ['GetItem'], registry: ['PutItem'] },
    secrets: ['nonce', 'client-root'],
  },
  'admin-read': { tables: { clients: ['Query', 'Scan'], registry: ['GetItem'] } },
  'admin-write': {
    tables: {
      ledger: ['PutItem'],
      limits: ['GetItem'],
      registry: ['DeleteItem', 'GetItem', 'PutItem'],
      clients: ['DeleteItem', 'PutItem', 'Query', 'UpdateItem'],
    },
    secrets: ['client-root'],
  },
};

export interface StatementsProps {
  readonly stage: string;
  readonly ledgerGeneration: number;
}

/** By name, within the stack's own account and Region: nothing is imported. */
export function statements(
  stack: Stack,
  name: FunctionName,
  { stage, ledgerGeneration }: StatementsProps,
): PolicyStatement[] {
  const { tables = {}, items = {}, secrets = [] } = PERMISSIONS[name];
  return [
    ...Object.entries(tables).map(([table, actions]) => {
      const kind = table as TableKind;
      const arn = tableArn(stack, tableName(stage, kind, kind === 'ledger' ? ledgerGeneration : 1));
      const statement = allow(
        actions.map((action) => `dynamodb:${action}`),
        arn,
      );
      const keys = items[kind];
      if (keys) statement.addCondition('ForAllValues:StringEquals', { 'dynamodb:LeadingKeys': [...keys] });
      return statement;
    }),
    ...secrets.map((purpose) =>
      allow(['secretsmanager:GetSecretValue'], secretArn(stack, secretName(stage, purpose))),
    ),
  ];
}

export const allow = (actions: string[], resource: string): PolicyStatement =>
  new PolicyStatement({ actions, resources: [resource] });

/** @param region @default the stack's own */
export const tableArn = (stack: Stack, resourceName: string, region?: string): string =>
  stack.formatArn({ service: 'dynamodb', resource: 'table', resourceName, ...(region && { region }) });

/** Secrets Manager ends a secret's ARN with six characters of its own. */
export const secretArn = (stack: Stack, name: string, region?: string): string =>
  stack.formatArn({
    service: 'secretsmanager',
    resource: 'secret',
    resourceName: `${name}-??????`,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    ...(region && { region }),
  });
