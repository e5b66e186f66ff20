/**
 * The customer key of a Region, which encrypts its replica of the global tables and of the secrets: imported, or made
 * by the Region's base stack under an alias by which all other stacks know it. A stage of kind dev has none.
 */
import { Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import type { Config } from '../config/read.ts';

type Region = Config['regions'][number];

export const keyAlias = (stage: string): string => `alias/countersign-${stage}`;

/** @returns ARN of a Region's key or of its alias; undefined where AWS's own key does */
export function keyArn(scope: Construct, { stage }: Config, { name, kmsKeyArn }: Region): string | undefined {
  if (stage.kind === 'dev') return undefined;
  const alias = { service: 'kms', region: name, resource: keyAlias(stage.name) };
  return kmsKeyArn ?? Stack.of(scope).formatArn(alias);
}

export interface KeyUse {
  /** What uses the key on the role's behalf; nothing lets the role use it in another way. */
  readonly services: readonly ('secretsmanager' | 'dynamodb')[];
  /** What they use it for. @default decrypting alone */
  readonly actions?: readonly ('kms:Decrypt' | 'kms:Encrypt' | 'kms:GenerateDataKey')[];
  /**
   * The Region that the role calls, where the services copy from there into the key's Region: AWS does not say which
   * of the two Regions' services KMS then sees. @default the key's own
   */
  readonly from?: Region;
}

/** @returns what a role needs of a Region's keys, whatever Region it is in itself; none where AWS's own key does */
export function keyStatements(
  scope: Construct,
  { stage }: Config,
  { name: region, kmsKeyArn, previousKmsKeyArn }: Region,
  { services, actions = ['kms:Decrypt'], from }: KeyUse,
): PolicyStatement[] {
  if (stage.kind === 'dev' || services.length === 0) return [];
  const { urlSuffix } = Stack.of(scope);
  const callers = [region, ...(from ? [from.name] : [])];
  const viaService = services.flatMap((service) =>
    callers.map((caller) => `${service}.${caller}.${urlSuffix}`),
  );
  const use = (keys: string[], alias?: string) =>
    new PolicyStatement({
      actions: [...actions],
      resources: keys,
      conditions: {
        StringEquals: { 'kms:ViaService': viaService },
        ...(alias !== undefined && { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': alias } }),
      },
    });
  const named = [kmsKeyArn, previousKmsKeyArn].filter((arn) => arn !== undefined);
  // A policy cannot name a key by its alias, but can ask for it.
  const anyKey = Stack.of(scope).formatArn({ service: 'kms', region, resource: 'key', resourceName: '*' });
  return [
    ...(kmsKeyArn === undefined ? [use([anyKey], keyAlias(stage.name))] : []),
    ...(named.length > 0 ? [use(named)] : []),
  ];
}
