/**
 * Makes and watches keys in one Region: a rotation function for each purpose, and `keys-watch`, which asks
 * them every hour. Only one Region makes keys, the home Region unless they were promoted to another. Every
 * Region watches them, because a lost Region cannot report anything.
 */
import { Duration, Stack } from 'aws-cdk-lib';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import { CfnRotationSchedule } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { keysWatchName, secretName, tableName } from '../../lambda/contract/names.ts';
import { PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import type { Config } from '../config/read.ts';
import { allow, tableArn } from '../functions/permissions.ts';
import { PlatformFunction } from '../functions/platform-function.ts';
import { callEvery } from '../functions/schedule.ts';
import { RotationFunction } from './rotation-function.ts';

export interface KeyRotationProps {
  readonly config: Config;
  readonly region: Config['regions'][number];
  /** Each function's directory. */
  readonly bundles: Readonly<Record<'rotate' | 'keys-watch', string>>;
  readonly errorDocsUrl: string;
}

export class KeyRotation extends Construct {
  readonly functions: Readonly<Record<Purpose, LambdaFunction>>;
  readonly watchFunction: LambdaFunction;
  readonly rotationLogs: readonly ILogGroup[];
  readonly watchLog: ILogGroup;

  constructor(scope: Construct, id: string, { config, region, bundles, errorDocsUrl }: KeyRotationProps) {
    super(scope, id);
    const rotations = PURPOSES.map((purpose) => {
      const bundle = bundles.rotate;
      const rotation = new RotationFunction(this, purpose, { config, region, purpose, bundle, errorDocsUrl });
      if (region.name === config.keysManagedBy) this.#schedule(config, purpose, rotation);
      return rotation;
    });
    const watch = this.#watch(config, region.name, bundles['keys-watch'], errorDocsUrl, rotations);
    callEvery(this, 'Hourly', watch.function, {
      ruleName: keysWatchName(config.stage.name),
      description: "Looks at the Region's copies of the keys",
      interval: Duration.hours(1),
    });
    this.functions = Object.fromEntries(
      rotations.map((rotation, i) => [PURPOSES[i]!, rotation.function]),
    ) as Record<Purpose, LambdaFunction>;
    this.watchFunction = watch.function;
    this.rotationLogs = rotations.map(({ logGroup }) => logGroup);
    this.watchLog = watch.logGroup;
  }

  #schedule({ stage, keys }: Config, purpose: Purpose, rotation: RotationFunction): void {
    const schedule = new CfnRotationSchedule(this, `${purpose}-schedule`, {
      secretId: secretName(stage.name, purpose),
      rotationLambdaArn: rotation.function.functionArn,
      rotationRules: { scheduleExpression: `rate(${keys.rotationPeriod[purpose].toHours()} hours)` },
      // A changed schedule needs no new key.
      rotateImmediatelyOnUpdate: false,
    });
    // Secrets Manager calls the function before it accepts the schedule.
    schedule.node.addDependency(rotation);
  }

  #watch(
    config: Config,
    region: string,
    bundle: string,
    errorDocsUrl: string,
    rotations: readonly RotationFunction[],
  ): PlatformFunction {
    const periods = PURPOSES.map((purpose) => [
      purpose,
      config.keys.rotationPeriod[purpose].toMilliseconds(),
    ]);
    const { generation } = config.tables;
    const [registry, clients] = (['registry', 'clients'] as const).map((kind) =>
      tableName(config.stage.name, kind, generation),
    ) as [string, string];
    return new PlatformFunction(this, 'keys-watch', {
      config,
      functionName: keysWatchName(config.stage.name),
      bundle,
      timeout: Duration.minutes(5),
      environment: {
        COUNTERSIGN_STAGE: config.stage.name,
        COUNTERSIGN_REGION: region,
        COUNTERSIGN_ERROR_DOCS_URL: errorDocsUrl,
        COUNTERSIGN_ROTATION_PERIODS: JSON.stringify(Object.fromEntries(periods)),
        COUNTERSIGN_KEYS_MANAGED_BY: config.keysManagedBy,
        COUNTERSIGN_REGION_NAMES: JSON.stringify(config.regions.map(({ name }) => name)),
        COUNTERSIGN_REGISTRY_TABLE: registry,
        COUNTERSIGN_CLIENTS_TABLE: clients,
      },
      statements: [
        ...rotations.map(({ watchArn }) => allow(['lambda:InvokeFunction'], watchArn)),
        allow(
          ['dynamodb:DescribeTable'],
          ...[registry, clients].map((name) => tableArn(Stack.of(this), name)),
        ),
      ],
    });
  }
}
