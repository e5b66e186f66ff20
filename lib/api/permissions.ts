/** What each function may do, and so all that its role allows, beside writing its own log. */
import { ArnFormat, type Stack } from 'aws-cdk-lib';
import { Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { type FunctionName, secretName, type TableKind, tableName } from '../../lambda/contract/names.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';

type Action = 'PutItem' | 'GetItem' | 'DeleteItem' | 'Query' | 'Scan' | 'UpdateItem';

interface Permissions {
  readonly tables?: { readonly [T in TableKind]?: readonly Action[] };
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
  nonce: { secrets: ['nonce'] },
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
  const { tables = {}, secrets = [] } = PERMISSIONS[name];
  const allow = (actions: string[], resource: string) =>
    new PolicyStatement({ effect: Effect.ALLOW, actions, resources: [resource] });
  const tableArn = (kind: TableKind) => {
    const resourceName = tableName(stage, kind, kind === 'ledger' ? ledgerGeneration : 1);
    return stack.formatArn({ service: 'dynamodb', resource: 'table', resourceName });
  };
  // Secrets Manager ends a secret's ARN with six characters of its own.
  const secretArn = (purpose: Purpose) =>
    stack.formatArn({
      service: 'secretsmanager',
      resource: 'secret',
      resourceName: `${secretName(stage, purpose)}-??????`,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
  return [
    ...Object.entries(tables).map(([kind, actions]) =>
      allow(
        actions.map((action) => `dynamodb:${action}`),
        tableArn(kind as TableKind),
      ),
    ),
    ...secrets.map((purpose) => allow(['secretsmanager:GetSecretValue'], secretArn(purpose))),
  ];
}
