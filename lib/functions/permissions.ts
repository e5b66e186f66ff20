/** IAM statements of the functions' rights. A role allows these and writing its own log, nothing else. */
import { ArnFormat, type Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import {
  type Generations,
  type ServingBundle,
  secretName,
  type TableKind,
  tableInUse,
  tableName,
} from '../../lambda/contract/names.ts';
import { wakeUpsArn } from '../callbacks/wake-ups.ts';
import { type Action, PERMISSIONS } from './rights.ts';

export interface StatementsProps extends Generations {
  readonly stage: string;
  /** All Regions of the stage. */
  readonly regions: readonly string[];
}

/** Resources are named, in the stack's own account, so nothing is imported. */
export function statements(
  stack: Stack,
  name: ServingBundle,
  { stage, regions, ...generations }: StatementsProps,
): PolicyStatement[] {
  const { tables = {}, limits = {}, limitsEverywhere = {}, secrets = [], wakes = false } = PERMISSIONS[name];
  return [
    ...Object.entries(tables).map(([table, actions]) => {
      const arn = tableArn(stack, tableInUse(stage, table as TableKind, generations));
      return allow(
        actions.map((action) => `dynamodb:${action}`),
        arn,
      );
    }),
    ...Object.entries(limits).map(([action, keys]) => allowItems(stack, stage, [action as Action], keys)),
    ...Object.entries(limitsEverywhere).map(([action, keys]) =>
      allowItems(stack, stage, [action as Action], keys, regions),
    ),
    ...secrets.map((purpose) =>
      allow(['secretsmanager:GetSecretValue'], secretArn(stack, secretName(stage, purpose))),
    ),
    ...(wakes ? [allow(['sqs:SendMessage'], wakeUpsArn(stack, stage))] : []),
  ];
}

export const allow = (actions: string[], ...resources: string[]): PolicyStatement =>
  new PolicyStatement({ actions, resources });

/**
 * @param keys partition keys, the only ones of `limits` that the actions may name
 * @param regions @default the stack's own
 */
export const allowItems = (
  stack: Stack,
  stage: string,
  actions: readonly Action[],
  keys: readonly string[],
  regions: readonly string[] = [stack.region],
): PolicyStatement =>
  allowKeys(
    actions,
    keys,
    regions.map((region) => tableArn(stack, tableName(stage, 'limits'), region)),
  );

/** @param keys partition keys, the only ones that the actions may name */
export const allowKeys = (
  actions: readonly Action[],
  keys: readonly string[],
  tables: readonly string[],
): PolicyStatement =>
  new PolicyStatement({
    actions: actions.map((action) => `dynamodb:${action}`),
    resources: [...tables],
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
