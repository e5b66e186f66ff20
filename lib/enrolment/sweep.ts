/** The function that deletes the keys of instances that have ended. */
import { Duration, Stack } from 'aws-cdk-lib';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { WRITE_STOP_KEY } from '../../lambda/contract/limits.ts';
import { enrolmentSweepName, tableInUse, tableName } from '../../lambda/contract/names.ts';
import type { Config } from '../config/read.ts';
import { keyStatements } from '../data/encryption.ts';
import { allow, allowItems, tableArn } from '../functions/permissions.ts';
import { PlatformFunction } from '../functions/platform-function.ts';
import { callEvery } from '../functions/schedule.ts';

export interface EnrolmentSweepProps {
  readonly config: Config;
  readonly region: Config['regions'][number];
  /** Directory with `index.mjs`. */
  readonly bundle: string;
  readonly errorDocsUrl: string;
}

export class EnrolmentSweep extends Construct {
  readonly logGroup: ILogGroup;

  constructor(scope: Construct, id: string, { config, region, bundle, errorDocsUrl }: EnrolmentSweepProps) {
    super(scope, id);
    const stage = config.stage.name;
    const stack = Stack.of(this);
    const clients = tableInUse(stage, 'clients', {
      ledgerGeneration: region.ledgerGeneration,
      tableGeneration: config.tables.generation,
    });
    const sweep = new PlatformFunction(this, 'Sweep', {
      config,
      functionName: enrolmentSweepName(stage),
      bundle,
      timeout: Duration.minutes(5),
      environment: {
        COUNTERSIGN_STAGE: stage,
        COUNTERSIGN_REGION: region.name,
        COUNTERSIGN_ERROR_DOCS_URL: errorDocsUrl,
        COUNTERSIGN_CLIENTS_TABLE: clients,
        COUNTERSIGN_LIMITS_TABLE: tableName(stage, 'limits'),
        COUNTERSIGN_INSTANCES: JSON.stringify(
          Object.fromEntries(config.enrolment.map(({ client, instances }) => [client, instances])),
        ),
      },
      statements: [
        allow(['dynamodb:Query', 'dynamodb:DeleteItem'], tableArn(stack, clients)),
        allowItems(stack, stage, ['GetItem'], [WRITE_STOP_KEY]),
        ...keyStatements(this, config, region, { services: ['dynamodb'] }),
      ],
    });
    this.logGroup = sweep.logGroup;
    callEvery(this, 'EveryHour', sweep.function, {
      ruleName: enrolmentSweepName(stage),
      description: 'Deletes the keys of instances that have ended',
      interval: Duration.hours(1),
    });
  }
}
