/**
 * The services of all Regions: one store of tables, one of secrets, and each Region's functions, metrics and
 * rotation.
 */
import { randomUUID } from 'node:crypto';
import type { TableConsistency } from '../../lambda/contract/serving-environment.ts';
import { Dynamodb } from '../dynamodb/dynamodb.ts';
import { isGlobalTable } from '../stage.ts';
import { type CloudWatch, cloudwatchService } from './cloudwatch.ts';
import { dynamodbService } from './dynamodb.ts';
import type { AwsRegion } from './endpoint.ts';
import { type LambdaHandler, lambdaService } from './lambda.ts';
import { SecretRegions } from './secret-regions.ts';
import { SecretRotation } from './secret-rotation.ts';
import { secretArn, secretsManagerService } from './secrets-manager.ts';

export interface AwsOptions {
  readonly regions: readonly {
    readonly name: string;
    /** By full name; may grow. */
    readonly functions: ReadonlyMap<string, LambdaHandler>;
  }[];
  readonly cloudwatch: ReadonlyMap<string, CloudWatch>;
  readonly consistency: TableConsistency;
  readonly nowMs: () => number;
  /** How far a Region's clock is ahead, in milliseconds. */
  readonly clockErrorMs: (region: string) => number;
  readonly replicaLagMs: ((region: string) => number) | undefined;
  /** How long a write of a strongly consistent table takes, in milliseconds. */
  readonly strongWriteMs: number;
}

/** Third replica of strongly consistent tables with two Regions. */
export const WITNESS = 'witness';

export function createAws({
  regions,
  cloudwatch,
  consistency,
  nowMs,
  clockErrorMs,
  replicaLagMs,
  strongWriteMs,
}: AwsOptions) {
  const names = regions.map(({ name }) => name);
  const store = new Dynamodb({
    regions: names,
    ...(names.length === 2 && { witness: WITNESS }),
    modeOf: (table) => (isGlobalTable(table) ? consistency : 'regional'),
    nowMs: (region) => nowMs() + clockErrorMs(region),
  });
  const secrets = new SecretRegions(names, nowMs, { replicaLagMs });
  const rotations = regions.map(({ name, functions }) => {
    const invoke = (function_: string, event: object) =>
      functions.get(function_)!(event, { awsRequestId: randomUUID() });
    return new SecretRotation(secrets.in(name), invoke, nowMs, (secret) => secretArn(name, secret));
  });
  const endpoint = new Map<string, AwsRegion>(
    regions.map(({ name, functions }, i) => [
      name,
      {
        dynamodb: dynamodbService(store, name, strongWriteMs),
        secretsmanager: secretsManagerService(secrets, name, rotations[i]),
        lambda: lambdaService(functions, name),
        monitoring: cloudwatchService(cloudwatch.get(name)!),
      },
    ]),
  );
  return { endpoint, rotations, secrets, store };
}
