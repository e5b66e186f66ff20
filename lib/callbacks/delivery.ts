/** Delivery to consumers' endpoints in a Region: the function, its queue of wake-ups, and its schedule. */
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { RecursiveLoop } from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { DEAD, ENDPOINTS } from '../../lambda/contract/items.ts';
import { keysItemKey, publicKeysKey, WRITE_STOP_KEY } from '../../lambda/contract/limits.ts';
import { deliverName, secretName, tableInUse, tableName, wakeUpsName } from '../../lambda/contract/names.ts';
import type { Config } from '../config/read.ts';
import { keyStatements } from '../data/encryption.ts';
import { type EnvironmentValues, environmentOf } from '../functions/environment.ts';
import { allow, allowItems, allowKeys, secretArn, tableArn } from '../functions/permissions.ts';
import { PlatformFunction } from '../functions/platform-function.ts';
import { callEvery } from '../functions/schedule.ts';

export interface DeliveryProps {
  readonly config: Config;
  readonly region: Config['regions'][number];
  /** Directory with `index.mjs`. */
  readonly bundle: string;
  readonly values: EnvironmentValues;
}

/** Longer than a turn, its last callbacks and their writes; shorter than a lease. */
const TIMEOUT = Duration.seconds(50);
/**
 * Each turn takes one, and callbacks leave three quarters of the account's concurrency to requests. A turn is
 * short, so more endpoints than this take turns.
 */
const MOST_AT_ONCE = 50;
const SHARE = 4;
/** A queue's mapping takes no lower limit. */
const LEAST_AT_ONCE = 2;
const PURPOSES = ['webhook', 'webhook-root'] as const;

/** Never in the VPC that reaches Vault: consumers choose the names that the function calls. */
export class Delivery extends Construct {
  readonly logGroup: ILogGroup;
  readonly wakeUps: Queue;

  constructor(scope: Construct, id: string, { config, region, bundle, values }: DeliveryProps) {
    super(scope, id);
    const stack = Stack.of(this);
    const stage = config.stage.name;
    const generations = {
      ledgerGeneration: region.ledgerGeneration,
      tableGeneration: config.tables.generation,
    };
    this.wakeUps = new Queue(this, 'WakeUps', {
      queueName: wakeUpsName(stage),
      enforceSSL: true,
      // A wake-up that is older says nothing: the schedule wakes every minute what is due.
      retentionPeriod: Duration.minutes(20),
      // Six times the timeout, as AWS asks: Lambda may be refused capacity for a while.
      visibilityTimeout: Duration.minutes(5),
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const clients = tableArn(stack, tableInUse(stage, 'clients', generations));
    const deliver = new PlatformFunction(this, 'Deliver', {
      config,
      functionName: deliverName(stage),
      bundle,
      environment: environmentOf('deliver', values),
      timeout: TIMEOUT,
      // A turn that has more to do wakes the next one. A lease and the mapping's limit bound them.
      recursiveLoop: RecursiveLoop.ALLOW,
      statements: [
        allowKeys(['Query', 'PutItem', 'UpdateItem', 'DeleteItem'], [ENDPOINTS, `${DEAD}*`], [clients]),
        allow(['dynamodb:GetItem'], tableArn(stack, tableInUse(stage, 'registry', generations))),
        // A reader closes the holes that writers left.
        allow(
          ['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:Query'],
          tableArn(stack, tableName(stage, 'events')),
        ),
        allowItems(stack, stage, ['GetItem'], [...PURPOSES.map(keysItemKey), WRITE_STOP_KEY]),
        allowItems(stack, stage, ['PutItem'], PURPOSES.map(publicKeysKey)),
        ...PURPOSES.map((purpose) =>
          allow(['secretsmanager:GetSecretValue'], secretArn(stack, secretName(stage, purpose))),
        ),
        allow(
          ['sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ReceiveMessage', 'sqs:SendMessage'],
          this.wakeUps.queueArn,
        ),
        ...keyStatements(this, config, region, { services: ['secretsmanager', 'dynamodb'] }),
      ],
    });
    this.logGroup = deliver.logGroup;
    deliver.function.addEventSource(
      new SqsEventSource(this.wakeUps, {
        batchSize: 1,
        maxConcurrency: Math.max(
          LEAST_AT_ONCE,
          Math.min(MOST_AT_ONCE, Math.floor(config.concurrencyQuota / SHARE)),
        ),
        reportBatchItemFailures: true,
      }),
    );
    callEvery(this, 'EveryMinute', deliver.function, {
      ruleName: deliverName(stage),
      description: 'Wakes endpoints that have something due',
      interval: Duration.minutes(1),
    });
  }
}
