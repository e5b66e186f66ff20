/**
 * The outbox of a Region: the function that turns changes of the global tables into events, and what sends it
 * the changes.
 */
import { CustomResource, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { CfnEventSourceMapping } from 'aws-cdk-lib/aws-lambda';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { LONGEST_CHANGE_MS, LONGEST_SEARCH_MS } from '../../lambda/contract/defaults.ts';
import { ENDPOINTS, KEY, LOST, REGISTERED_AT, REMOVED_AT, STATE } from '../../lambda/contract/items.ts';
import {
  CONFLICT_PREFIX,
  COPIED_KEY,
  findStreamName,
  type GlobalTableKind,
  HEARTBEAT_PREFIX,
  outboxFailedName,
  outboxName,
  tableKinds,
  tableName,
} from '../../lambda/contract/names.ts';
import type { Config } from '../config/read.ts';
import { tableSets } from '../config/tables.ts';
import { keyStatements } from '../data/encryption.ts';
import { type EnvironmentValues, environmentOf } from '../functions/environment.ts';
import { allow, allowKeys, tableArn } from '../functions/permissions.ts';
import { PlatformFunction } from '../functions/platform-function.ts';
import { callEvery } from '../functions/schedule.ts';
import { wakeUpsArn } from './wake-ups.ts';

export interface OutboxProps {
  readonly config: Config;
  readonly region: Config['regions'][number];
  /** Directories with `index.mjs`. */
  readonly bundles: { readonly outbox: string; readonly 'find-stream': string };
  readonly values: EnvironmentValues;
}

/** A mapping filters by what is in `dynamodb` alone. Each pattern lets records through. */
const PATTERNS: Readonly<Record<GlobalTableKind, readonly object[]>> = {
  // Registrations, tombstones and notices of conflicts. Probes, marks and removals are none of them.
  registry: [
    ...[REGISTERED_AT, REMOVED_AT].map((name) => ({ NewImage: { [name]: { N: [{ exists: true }] } } })),
    { NewImage: { [LOST]: { S: [{ exists: true }] } } },
  ],
  clients: [{ Keys: { sk: { S: [STATE, { prefix: KEY }] } } }],
};

/** Of one table. The others that it serves may wait as long. */
const BATCH = 100;
const TIMEOUT = Duration.minutes(1);
const SEARCH_TIMEOUT = Duration.millis(LONGEST_SEARCH_MS + 60_000);

export class Outbox extends Construct {
  readonly logGroup: ILogGroup;
  /** Holds which records a mapping gave up. */
  readonly failed: Queue;
  /** Ids of the mappings of the tables in use, as metrics have them. */
  readonly mappings: Readonly<Record<GlobalTableKind, string>>;

  constructor(scope: Construct, id: string, { config, region, bundles, values }: OutboxProps) {
    super(scope, id);
    const stack = Stack.of(this);
    const stage = config.stage.name;
    const { inUse, other } = tableSets(config);
    // The last changes of tables that were in use before are read until the config names them no more.
    const isBefore = other && other.generation < inUse.generation && other.regions.includes(region.name);
    const tables = [inUse, ...(isBefore ? [other] : [])].flatMap(({ generation, consistency }) =>
      tableKinds('global').map((kind) => {
        const name = tableName(stage, kind, generation);
        return { kind, generation, consistency, name, arn: tableArn(stack, name) };
      }),
    );
    const [registry, clients] = (['registry', 'clients'] as const).map((kind) =>
      tableArn(stack, tableName(stage, kind, inUse.generation)),
    ) as [string, string];
    this.failed = new Queue(this, 'Failed', {
      queueName: outboxFailedName(stage),
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const outbox = new PlatformFunction(this, 'Outbox', {
      config,
      functionName: outboxName(stage),
      bundle: bundles.outbox,
      environment: environmentOf('outbox', values),
      timeout: TIMEOUT,
      statements: [
        allow(
          ['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem'],
          tableArn(stack, tableName(stage, 'events')),
        ),
        allow(['dynamodb:Scan'], clients),
        allowKeys(['GetItem'], [COPIED_KEY, `${HEARTBEAT_PREFIX}*`], [registry]),
        // What Regions tell each other; strongly consistent tables have no need of it.
        ...(config.consistency === 'eventual'
          ? [allowKeys(['PutItem'], [`${CONFLICT_PREFIX}*`, HEARTBEAT_PREFIX + region.name], [registry])]
          : []),
        allow(
          ['dynamodb:DescribeStream', 'dynamodb:GetRecords', 'dynamodb:GetShardIterator'],
          ...tables.map(({ arn }) => `${arn}/stream/*`),
        ),
        // It takes no resource. Lambda makes no mapping without it.
        allow(['dynamodb:ListStreams'], '*'),
        allow(['sqs:SendMessage'], this.failed.queueArn, wakeUpsArn(stack, stage)),
        // It finds the endpoints to wake.
        allowKeys(['Query'], [ENDPOINTS], [clients]),
        // A stream is encrypted as its table is.
        ...keyStatements(this, config, region, { services: ['dynamodb'] }),
      ],
    });
    this.logGroup = outbox.logGroup;
    callEvery(this, 'EveryTenMinutes', outbox.function, {
      ruleName: outboxName(stage),
      description: 'Looks which keys of clients end soon, and how late other Regions are',
      interval: Duration.minutes(10),
    });
    const strong = tables.flatMap(({ consistency, arn }) => (consistency === 'strong' ? [arn] : []));
    const finder = new PlatformFunction(this, 'FindStream', {
      config,
      functionName: findStreamName(stage),
      bundle: bundles['find-stream'],
      environment: environmentOf('find-stream', values),
      timeout: SEARCH_TIMEOUT,
      statements: [
        allow(['dynamodb:DescribeTable'], ...tables.map(({ arn }) => arn)),
        // In strong mode each replica's stream has a switch of its own.
        ...(strong.length > 0 ? [allow(['dynamodb:UpdateTable'], ...strong)] : []),
      ],
    });
    const mappings = tables.map(({ kind, generation, name }) => {
      // A mapping goes on from where it is: so tables keep theirs when the next ones are taken into use.
      const stream = new CustomResource(this, `Stream-${kind}-${generation}`, {
        serviceToken: finder.function.functionArn,
        resourceType: 'Custom::CountersignStream',
        properties: { TableName: name },
        serviceTimeout: SEARCH_TIMEOUT.plus(Duration.minutes(1)),
      });
      const mapping = new CfnEventSourceMapping(this, `Mapping-${kind}-${generation}`, {
        functionName: outbox.function.functionArn,
        eventSourceArn: stream.getAttString('StreamArn'),
        startingPosition: 'TRIM_HORIZON',
        batchSize: BATCH,
        bisectBatchOnFunctionError: true,
        maximumRecordAgeInSeconds: LONGEST_CHANGE_MS / 1000,
        functionResponseTypes: ['ReportBatchItemFailures'],
        destinationConfig: { onFailure: { destination: this.failed.queueArn } },
        filterCriteria: {
          filters: PATTERNS[kind].map((dynamodb) => ({ pattern: JSON.stringify({ dynamodb }) })),
        },
        // Alarms watch them, which a stage of kind dev does not have.
        ...(config.stage.kind === 'prod' && { metricsConfig: { metrics: ['EventCount'] } }),
      });
      return { kind, generation, id: mapping.ref };
    });
    const ofInUse = mappings.filter(({ generation }) => generation === inUse.generation);
    this.mappings = Object.fromEntries(ofInUse.map(({ kind, id }) => [kind, id])) as typeof this.mappings;
  }
}
