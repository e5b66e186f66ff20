/** Deploys with the project's own `cdk`, from one synthesis, and looks at the account by AWS's API. */
import {
  CloudFormationClient,
  DeleteStackCommand,
  DescribeStacksCommand,
  type Stack,
  UpdateTerminationProtectionCommand,
  waitUntilStackDeleteComplete,
} from '@aws-sdk/client-cloudformation';
import { CloudWatchClient, paginateDescribeAlarms } from '@aws-sdk/client-cloudwatch';
import {
  DeleteItemCommand,
  DescribeTableCommand,
  DynamoDBClient,
  GetItemCommand,
} from '@aws-sdk/client-dynamodb';
import { GetFunctionConfigurationCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { numberOf } from '../../lambda/adapters/dynamodb.ts';
import { evacuationFlag } from '../../lambda/adapters/evacuations.ts';
import {
  ADMIN_FUNCTION,
  type AdminAction,
  type AdminActions,
  type ShownTables,
} from '../../lambda/contract/admin.ts';
import type { DeployPlan, PlannedStack } from '../../lambda/contract/deploy-plan.ts';
import { evacuationAlarmName } from '../../lambda/contract/evacuation.ts';
import { evacuatedKey, WRITE_STOP_KEY } from '../../lambda/contract/limits.ts';
import { functionName, namePrefix, tableKinds, tableName } from '../../lambda/contract/names.ts';
import { invokeAdmin } from '../admin.ts';
import { PATIENCE_MS } from '../ask.ts';
import { AWS_ANSWER_MS, type AwsCallOptions, awsLimits, callAws } from '../aws-limits.ts';
import { startCdk } from '../cdk.ts';
import { askHealth, type HealthAnswer, THROTTLED } from '../health.ts';
import { CliError, EXIT, type Io } from '../io.ts';
import { ifAnswered } from '../keys/ask.ts';
import { makeReplicas, removeReplicas } from '../keys/replicas.ts';
import { secretsOf } from '../keys/secrets.ts';
import { writeLines } from '../printable.ts';
import { markedAt } from '../registry/lost.ts';
import { readMark } from '../registry/mark.ts';
import { stageArguments, type Target } from '../target.ts';
import { endProtection } from './protection.ts';
import type { DeployParts, RegionHealth } from './run.ts';

export interface AwsPartsOptions {
  readonly plan: DeployPlan;
  /** Directory of the templates: every stack is deployed as it was synthesised once. */
  readonly assembly: string;
  readonly aws: Target['aws'];
  readonly signal: AbortSignal;
  /** Limit on each attempt of a call. @default 10 s */
  readonly answerMs?: number;
}

type Surroundings = Pick<Io, 'cwd' | 'env' | 'pollMs' | 'patienceMs'> & {
  readonly stderr: Pick<Io['stderr'], 'write'>;
};

/** How long a Region is asked again that answers 429. */
const THROTTLED_MS = 300_000;
const DELETION_S = 1_800;

export function awsParts(
  io: Surroundings,
  { plan, assembly, aws: target, signal, answerMs = AWS_ANSWER_MS }: AwsPartsOptions,
): DeployParts {
  const aws = (region: string) => ({ ...target(region), ...awsLimits(answerMs) });
  const pollMs = io.pollMs ?? 10_000;
  const what = ({ name, region }: PlannedStack) => `stack ${name} in ${region}`;
  const describe = async (stack: PlannedStack): Promise<Stack | undefined> => {
    const cloudFormation = new CloudFormationClient(aws(stack.region));
    const command = new DescribeStacksCommand({ StackName: stack.name });
    try {
      return await callAws(what(stack), signal, async (options) => {
        try {
          return (await cloudFormation.send(command, options)).Stacks?.[0];
        } catch (error) {
          const { name, message } = error as Error;
          // CloudFormation's error for a stack that does not exist.
          if (name === 'ValidationError' && message.includes('does not exist')) return undefined;
          throw error;
        }
      });
    } finally {
      cloudFormation.destroy();
    }
  };
  /** @returns whether an earlier run began to delete the stack; undefined if there is none */
  const isBeingDeleted = async (stack: PlannedStack): Promise<boolean | undefined> => {
    const found = await describe(stack);
    return found && found.StackStatus === 'DELETE_IN_PROGRESS';
  };
  /** Begins the deletion, and waits for its end. */
  const deleteStack = async (
    stack: PlannedStack,
    begin: (client: CloudFormationClient, options: AwsCallOptions) => Promise<void>,
  ): Promise<void> => {
    const client = new CloudFormationClient(aws(stack.region));
    try {
      await callAws(what(stack), signal, async (options) => {
        await begin(client, options);
        await waitUntilStackDeleteComplete(
          { client, maxWaitTime: DELETION_S, ...options },
          { StackName: stack.name },
        );
      });
    } finally {
      client.destroy();
    }
  };
  const ask = async <T>(
    region: string,
    asked: string,
    send: (dynamodb: DynamoDBClient, options: { readonly abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T> => {
    const dynamodb = new DynamoDBClient(aws(region));
    try {
      return await callAws(asked, signal, (options) => send(dynamodb, options));
    } finally {
      dynamodb.destroy();
    }
  };
  const limits = tableName(plan.stage, 'limits');
  const flagItem = (region: string) => ({
    TableName: limits,
    Key: { pk: { S: evacuatedKey(region) } },
  });
  const flagText = (region: string, keeper: string) =>
    `the evacuation flag of ${region}, in table ${limits} in ${keeper}`;
  const cdk = (verb: string, stack: PlannedStack, ...options: string[]) =>
    runCdk(
      io,
      [verb, stack.name, '--exclusively', '--app', assembly, '--no-notices', ...options],
      `${verb} of ${what(stack)}`,
      signal,
    );
  const alarmsOf = async (
    { name, region }: PlannedStack,
    state: { readonly StateValue?: 'ALARM' },
  ): Promise<string[]> => {
    const client = new CloudWatchClient(aws(region));
    try {
      const found: string[] = [];
      const AlarmNamePrefix = namePrefix(plan.stage);
      await callAws(`alarms of ${name}`, signal, async (options) => {
        for await (const { MetricAlarms = [], CompositeAlarms = [] } of paginateDescribeAlarms(
          { client },
          { AlarmNamePrefix, AlarmTypes: ['MetricAlarm', 'CompositeAlarm'], ...state },
          options,
        ))
          for (const { AlarmName } of [...MetricAlarms, ...CompositeAlarms]) found.push(AlarmName!);
      });
      return found.filter((each) => isOwnAlarm(plan, region, each));
    } finally {
      client.destroy();
    }
  };
  const admin = <A extends AdminAction>(region: string, action: A, params: AdminActions[A]['params']) =>
    invokeAdmin(
      { stage: plan.stage, regions: [region], args: '', aws: target },
      region,
      action,
      params,
      AbortSignal.any([signal, AbortSignal.timeout(io.patienceMs ?? PATIENCE_MS)]),
    );
  const inRegistry = async <T>(
    region: string,
    table: string,
    look: (registry: Parameters<typeof readMark>[0]) => Promise<T>,
  ): Promise<T> => {
    const dynamodb = new DynamoDBClient(aws(region));
    try {
      return await look({ dynamodb, region, table, signal });
    } finally {
      dynamodb.destroy();
    }
  };
  const deployedTables = async (region: string): Promise<DeployedTables | undefined> => {
    const FunctionName = functionName(plan.stage, ADMIN_FUNCTION['tables.show']);
    const client = new LambdaClient(aws(region));
    try {
      const variables = await callAws(`${FunctionName} in ${region}`, signal, (options) =>
        client.send(new GetFunctionConfigurationCommand({ FunctionName }), options).then(
          ({ Environment }) => Environment?.Variables,
          (error: Error) => {
            if (error.name === 'ResourceNotFoundException') return undefined;
            throw error;
          },
        ),
      );
      return variables && tablesIn(variables);
    } finally {
      client.destroy();
    }
  };
  return {
    async deploy(stack) {
      if ((await describe(stack))?.StackStatus === 'ROLLBACK_COMPLETE')
        throw new CliError(
          EXIT.failed,
          `${what(stack)} could not be made: it is ROLLBACK_COMPLETE, and takes no deployment. Delete it and what it left ` +
            'behind first: docs/deploy.md, "A first deployment that failed"',
        );
      await cdk('deploy', stack, '--require-approval', 'never');
    },
    async destroy(stack) {
      if (await isBeingDeleted(stack)) return deleteStack(stack, async () => {});
      await cdk('destroy', stack, '--force');
    },
    async remove(stack) {
      const begun = await isBeingDeleted(stack);
      if (begun === undefined) return;
      await deleteStack(stack, async (cloudFormation, options) => {
        const StackName = stack.name;
        // AWS changes the protection of such a stack no more.
        if (begun) return;
        await cloudFormation.send(
          new UpdateTerminationProtectionCommand({ StackName, EnableTerminationProtection: false }),
          options,
        );
        await cloudFormation.send(new DeleteStackCommand({ StackName }), options);
      });
    },
    async unprotect(region) {
      const clients = new Map([region, plan.homeRegion].map((each) => [each, new DynamoDBClient(aws(each))]));
      const replicas = { tables: sharedTables(plan), region, home: plan.homeRegion };
      const dynamodb = (each: string) => clients.get(each)!;
      try {
        await endProtection(replicas, { dynamodb, signal, nowMs: Date.now, pollMs });
      } finally {
        for (const client of clients.values()) client.destroy();
      }
    },
    replicate: (from, region) =>
      makeReplicas(secretsOf({ stage: plan.stage, aws }, signal), {
        from,
        region,
        kmsKeyArn: plan.regions.find(({ name }) => name === region)?.kmsKeyArn,
        stage: plan.stage,
        args: stageArguments(plan),
        pollMs,
        signal,
      }),
    unreplicate: (from, region) =>
      removeReplicas(secretsOf({ stage: plan.stage, aws }, signal), from, region),
    exists: async (stack) => (await describe(stack)) !== undefined,
    async health(stack) {
      const url = (await describe(stack))?.Outputs?.find(
        ({ OutputKey }) => OutputKey === 'BaseUrl',
      )?.OutputValue;
      if (url === undefined) return { is: 'silent' };
      const answer = await askHealth(url, { timeoutMs: AWS_ANSWER_MS, throttledMs: THROTTLED_MS, signal });
      if (answer === THROTTLED)
        throw new CliError(
          EXIT.unreachable,
          `${stack.region} answers 429 to too many requests: whether it is healthy is not known; run this again`,
        );
      return answer ? regionHealth(answer) : { is: 'silent' };
    },
    alarms: (stack) => alarmsOf(stack, { StateValue: 'ALARM' }),
    allAlarms: (stack) => alarmsOf(stack, {}),
    async isEvacuated(region, keeper) {
      const get = new GetItemCommand({ ...flagItem(region), ConsistentRead: true });
      const { Item } = await ask(keeper, flagText(region, keeper), (dynamodb, options) =>
        dynamodb.send(get, options),
      );
      return evacuationFlag(Item)?.stands === true;
    },
    async clearFlag(region, keeper) {
      const command = new DeleteItemCommand(flagItem(region));
      await ask(keeper, flagText(region, keeper), (dynamodb, options) => dynamodb.send(command, options));
    },
    async replicasOf(region, table) {
      const command = new DescribeTableCommand({ TableName: table });
      const { Table } = await ask(region, `table ${table} in ${region}`, (dynamodb, options) =>
        dynamodb.send(command, options).catch((error: Error) => {
          if (error.name === 'ResourceNotFoundException') return { Table: undefined };
          throw error;
        }),
      );
      return (Table?.Replicas ?? []).flatMap(({ RegionName }) =>
        RegionName === undefined || RegionName === region ? [] : [RegionName],
      );
    },
    registryIn: async (region) => (await deployedTables(region))?.registry,
    async tables(region) {
      const shown = await ifAnswered(admin(region, 'tables.show', {}));
      if (shown) return shown;
      // The function may be what a deployment repairs. What it would say is also known without it.
      const deployed = await deployedTables(region);
      // Its error says what is absent or not allowed.
      if (!deployed) return admin(region, 'tables.show', {});
      const get = new GetItemCommand({
        TableName: limits,
        Key: { pk: { S: WRITE_STOP_KEY } },
        ConsistentRead: true,
      });
      const { Item } = await ask(
        region,
        `the write stop, in table ${limits} in ${region}`,
        (dynamodb, options) => dynamodb.send(get, options),
      );
      const atMs = Item && numberOf(Item, 'stopped_at');
      if (atMs === undefined) return { ...deployed, stopped_at: null, stopped_ms: null };
      return { ...deployed, stopped_at: new Date(atMs).toISOString(), stopped_ms: Date.now() - atMs };
    },
    moveEndpoints: async (region, keeper) =>
      (await admin(keeper, 'webhooks.move', { from: region, to: keeper })).moved,
    copied: (region, table) => inRegistry(region, table, readMark),
    markedAt: (at, table, region) => inRegistry(at, table, (registry) => markedAt(region, registry)),
    report: (text) => io.stderr.write(`${text}\n`),
    signal,
    nowMs: Date.now,
    pollMs,
  };
}

/**
 * The prefix of the stage `prod` is also that of `prod-eu`. A flag's alarm counts wherever it lies: a change
 * of the Regions moves it to a keeper that the plan may not have.
 */
const isOwnAlarm = ({ stage, alarms, regions }: DeployPlan, region: string, name: string): boolean =>
  alarms[region]?.includes(name) === true ||
  regions.some((each) => name === evacuationAlarmName(stage, each.name));

type DeployedTables = Omit<ShownTables, 'stopped_at' | 'stopped_ms'>;

/** @param variables the environment of a function that answers `tables.show` */
const tablesIn = (variables: Record<string, string>): DeployedTables => ({
  registry: variables.COUNTERSIGN_REGISTRY_TABLE!,
  clients: variables.COUNTERSIGN_CLIENTS_TABLE!,
  consistency: variables.COUNTERSIGN_CONSISTENCY as ShownTables['consistency'],
  regions: (JSON.parse(variables.COUNTERSIGN_REGIONS!) as { readonly name: string }[]).map(
    ({ name }) => name,
  ),
});

/** @returns names of the tables that all Regions share, of every generation */
const sharedTables = ({ stage, tableGeneration, otherTables }: DeployPlan): string[] =>
  [tableGeneration, ...(otherTables ? [otherTables.generation] : [])].flatMap((generation) =>
    tableKinds('global').map((kind) => tableName(stage, kind, generation)),
  );

function regionHealth({ healthy, failing: checks }: HealthAnswer): RegionHealth {
  if (healthy) return { is: 'healthy' };
  return checks.length > 0 ? { is: 'failing', checks } : { is: 'out' };
}

/** @throws CliError where it fails */
async function runCdk(
  io: Surroundings,
  args: readonly string[],
  what: string,
  signal: AbortSignal,
): Promise<void> {
  const { child, ended } = startCdk(io, args, { stdout: 'pipe' });
  // It would go on alone. AWS finishes what it has begun with the stack.
  const end = () => child.kill();
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  for (const stream of [child.stdout!, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => writeLines(io.stderr, chunk));
  const code = await ended.finally(() => signal.removeEventListener('abort', end));
  if (signal.aborted)
    throw new CliError(EXIT.interrupted, `\`cdk\` was ended, ${what}: AWS finishes what it has begun`);
  if (code !== 0) throw new CliError(EXIT.failed, `\`cdk\` failed, ${what}: see above`);
}
