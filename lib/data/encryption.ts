/**
 * The customer key of a Region encrypts its replicas of the global tables and of the secrets. It is imported,
 * or made by the Region's base stack with an alias, by which all other stacks find it. A stage of kind dev
 * has none.
 */
import { Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { keyAlias } from '../../lambda/contract/names.ts';
import type { Config } from '../config/read.ts';

type Region = Config['regions'][number];

/**
 * Whether tables and secrets go over to another key. A stage that is adopted again keeps the key that it
 * made, and names it as both.
 */
export const changesKeys = ({ regions }: Pick<Config, 'regions'>): boolean =>
  regions.some(
    ({ kmsKeyArn, previousKmsKeyArn }) => previousKmsKeyArn !== undefined && previousKmsKeyArn !== kmsKeyArn,
  );

/** @returns ARN of a Region's key or of its alias; undefined where AWS's own key encrypts */
export function keyArn(
  scope: Construct,
  { stage }: Config,
  { name, kmsKeyArn }: Pick<Region, 'name' | 'kmsKeyArn'>,
): string | undefined {
  if (stage.kind === 'dev') return undefined;
  const alias = { service: 'kms', region: name, resource: keyAlias(stage.name) };
  return kmsKeyArn ?? Stack.of(scope).formatArn(alias);
}

export interface KeyUse {
  /** The services that use the key for the role. The role may use it in no other way. */
  readonly services: readonly ('secretsmanager' | 'dynamodb')[];
  /** @default 'kms:Decrypt' only */
  readonly actions?: readonly ('kms:Decrypt' | 'kms:Encrypt' | 'kms:GenerateDataKey')[];
  /**
   * The Region from which a service copies into the key's Region. AWS does not document which of the two
   * Regions KMS sees as the caller, so both are allowed. @default the key's own
   */
  readonly from?: Region;
}

/**
 * @returns the rights that a role of any Region needs on a Region's keys; none where AWS's own key encrypts
 */
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
  const named = [...new Set([kmsKeyArn, previousKmsKeyArn])].filter((arn) => arn !== undefined);
  // A policy cannot name a key by its alias, but a condition can ask for the alias.
  const anyKey = Stack.of(scope).formatArn({ service: 'kms', region, resource: 'key', resourceName: '*' });
  return [
    ...(kmsKeyArn === undefined ? [use([anyKey], keyAlias(stage.name))] : []),
    ...(named.length > 0 ? [use(named)] : []),
  ];
}
