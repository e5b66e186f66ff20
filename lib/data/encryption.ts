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

/**
 * @param services that use the key on the role's behalf; none lets it use the key in another way
 * @param actions what they use it for; @default decrypting alone
 * @returns what a role needs of a Region's key, whatever Region it is in itself; none where AWS's own key does
 */
export function keyStatements(
  scope: Construct,
  { stage }: Config,
  { name: region, kmsKeyArn }: Region,
  services: readonly ('secretsmanager' | 'dynamodb')[],
  actions: readonly ('kms:Decrypt' | 'kms:GenerateDataKey')[] = ['kms:Decrypt'],
): PolicyStatement[] {
  if (stage.kind === 'dev' || services.length === 0) return [];
  const { urlSuffix } = Stack.of(scope);
  const anyKey = Stack.of(scope).formatArn({ service: 'kms', region, resource: 'key', resourceName: '*' });
  const viaService = services.map((service) => `${service}.${region}.${urlSuffix}`);
  return [
    new PolicyStatement({
      actions: [...actions],
      resources: [kmsKeyArn ?? anyKey],
      conditions: {
        StringEquals: { 'kms:ViaService': viaService },
        // A policy cannot name a key by its alias, but can ask for it.
        ...(kmsKeyArn === undefined && {
          'ForAnyValue:StringEquals': { 'kms:ResourceAliases': keyAlias(stage.name) },
        }),
      },
    }),
  ];
}
