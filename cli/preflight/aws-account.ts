/** Answers preflight's questions from the AWS account of the credentials. */
import { resolveNs } from 'node:dns/promises';
import { ACMClient, DescribeCertificateCommand } from '@aws-sdk/client-acm';
import { APIGatewayClient, GetAccountCommand } from '@aws-sdk/client-api-gateway';
import {
  CloudFormationClient,
  DescribeStackResourcesCommand,
  paginateDescribeStacks,
} from '@aws-sdk/client-cloudformation';
import { CloudTrailClient, DescribeTrailsCommand, GetTrailStatusCommand } from '@aws-sdk/client-cloudtrail';
import { DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DescribeVpcsCommand,
  EC2Client,
} from '@aws-sdk/client-ec2';
import { DescribeKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import {
  GetAccountSettingsCommand,
  GetFunctionConfigurationCommand,
  LambdaClient,
} from '@aws-sdk/client-lambda';
import { GetHostedZoneCommand, Route53Client } from '@aws-sdk/client-route-53';
import { DescribeSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { GetTopicAttributesCommand, SNSClient } from '@aws-sdk/client-sns';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { awsError, NOT_AWS } from '../aws-error.ts';
import { AWS_ANSWER_MS, awsLimits } from '../aws-limits.ts';
import { CliError, EXIT } from '../io.ts';
import type { Target } from '../target.ts';
import type { Account, Found, Kind, Region } from './account.ts';

/**
 * @param home the Region that answers what holds for the whole account
 * @param answerMs limit on one answer
 */
export function awsAccount(target: Target['aws'], home: string, answerMs = AWS_ANSWER_MS): Account {
  const aws = (region: string) => ({ ...target(region), ...awsLimits(answerMs) });
  return {
    async identity() {
      const what = `AWS in ${home}`;
      const { Account, Arn } = await new STSClient(aws(home))
        .send(new GetCallerIdentityCommand({}))
        .catch((error: unknown) => {
          throw awsError(error, what);
        });
      if (Account === undefined || Arn === undefined)
        throw new CliError(EXIT.unreachable, `${what}: ${NOT_AWS}`);
      return { account: Account, arn: Arn };
    },
    async trails() {
      const cloudTrail = new CloudTrailClient(aws(home));
      const { trailList = [] } = await cloudTrail.send(new DescribeTrailsCommand({}));
      return Promise.all(
        trailList.map(async ({ Name, TrailARN, IsMultiRegionTrail }) => {
          const { IsLogging } = await cloudTrail.send(new GetTrailStatusCommand({ Name: TrailARN }));
          return { name: Name!, multiRegion: IsMultiRegionTrail === true, logging: IsLogging === true };
        }),
      );
    },
    async hostedZone(id) {
      const zone = await orNone(new Route53Client(aws(home)).send(new GetHostedZoneCommand({ Id: id })));
      if (!zone) return undefined;
      const { HostedZone, DelegationSet } = zone;
      return {
        name: withoutDot(HostedZone!.Name!),
        isPrivate: HostedZone!.Config?.PrivateZone === true,
        nameServers: (DelegationSet?.NameServers ?? []).map(withoutDot),
      };
    },
    async delegation(name) {
      try {
        return (await resolveNs(name)).map(withoutDot);
      } catch (error) {
        if (['ENODATA', 'ENOTFOUND'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
        throw error;
      }
    },
    region: (name) => awsRegion(aws(name)),
  };
}

function awsRegion(options: ReturnType<Target['aws']>): Region {
  const cloudFormation = new CloudFormationClient(options);
  const lambda = new LambdaClient(options);
  const dynamodb = new DynamoDBClient(options);
  const secrets = new SecretsManagerClient(options);

  const finders: Readonly<Record<Kind, (name: string) => Promise<Found>>> = {
    async table(TableName) {
      const { Table } = await dynamodb.send(new DescribeTableCommand({ TableName }));
      const { TableName: id = TableName, TableStatus: status = '', Replicas = [] } = Table!;
      const others = Replicas.map(({ RegionName = '', ReplicaStatus = '' }) => ({
        region: RegionName,
        status: ReplicaStatus,
      }));
      const own = { region: options.region, status };
      return { id, states: [own, ...others.filter(({ region }) => region !== own.region)] };
    },
    async secret(SecretId) {
      const { ARN, DeletedDate } = await secrets.send(new DescribeSecretCommand({ SecretId }));
      return { id: ARN!, ...(DeletedDate && { deletedMs: DeletedDate.getTime() }) };
    },
    async function(FunctionName) {
      const found = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
      return { id: found.FunctionName! };
    },
    async alias(KeyId) {
      await new KMSClient(options).send(new DescribeKeyCommand({ KeyId }));
      return { id: KeyId };
    },
  };

  return {
    name: options.region,
    async concurrency() {
      const { AccountLimit } = await lambda.send(new GetAccountSettingsCommand({}));
      return AccountLimit!.ConcurrentExecutions!;
    },
    async bootstraps() {
      const found = [];
      for await (const { Stacks = [] } of paginateDescribeStacks({ client: cloudFormation }, {}))
        for (const { StackName, Parameters = [], Outputs = [] } of Stacks) {
          const qualifier = Parameters.find(
            ({ ParameterKey }) => ParameterKey === 'Qualifier',
          )?.ParameterValue;
          const version = Outputs.find(({ OutputKey }) => OutputKey === 'BootstrapVersion')?.OutputValue;
          if (qualifier && version) found.push({ stack: StackName!, qualifier, version: Number(version) });
        }
      return found;
    },
    find: (kind, name) => orNone(finders[kind](name)),
    async owner(PhysicalResourceId) {
      try {
        const { StackResources } = await cloudFormation.send(
          new DescribeStackResourcesCommand({ PhysicalResourceId }),
        );
        return StackResources?.[0]?.StackName;
      } catch (error) {
        // CloudFormation answers a ValidationError where no stack has the resource.
        if ((error as Error).name === 'ValidationError') return undefined;
        throw error;
      }
    },
    async certificate(CertificateArn) {
      const found = await orNone(
        new ACMClient(options).send(new DescribeCertificateCommand({ CertificateArn })),
      );
      if (!found) return undefined;
      const { Status, SubjectAlternativeNames = [], NotAfter } = found.Certificate!;
      return {
        status: Status!,
        names: SubjectAlternativeNames,
        ...(NotAfter && { notAfterMs: NotAfter.getTime() }),
      };
    },
    async key(KeyId) {
      const found = await orNone(new KMSClient(options).send(new DescribeKeyCommand({ KeyId })));
      if (!found) return undefined;
      const { Arn, KeyState, KeySpec, KeyManager } = found.KeyMetadata!;
      return {
        arn: Arn!,
        state: KeyState!,
        isSymmetric: KeySpec === 'SYMMETRIC_DEFAULT',
        isCustomers: KeyManager === 'CUSTOMER',
      };
    },
    async topic(TopicArn) {
      const found = await orNone(new SNSClient(options).send(new GetTopicAttributesCommand({ TopicArn })));
      if (!found) return undefined;
      const { Policy, KmsMasterKeyId } = found.Attributes!;
      return { policy: Policy!, ...(KmsMasterKeyId && { key: KmsMasterKeyId }) };
    },
    async network({ vpcId, subnetIds, securityGroupIds }) {
      const ec2 = new EC2Client(options);
      // With filters, an id that does not exist is no error, and the other ids are still answered.
      const where = (Name: string, ids: readonly string[]) => ({ Filters: [{ Name, Values: [...ids] }] });
      const [{ Vpcs = [] }, { Subnets = [] }, { SecurityGroups = [] }] = await Promise.all([
        ec2.send(new DescribeVpcsCommand(where('vpc-id', [vpcId]))),
        ec2.send(new DescribeSubnetsCommand(where('subnet-id', subnetIds))),
        ec2.send(new DescribeSecurityGroupsCommand(where('group-id', securityGroupIds))),
      ]);
      return {
        vpcs: Vpcs.map((vpc) => vpc.VpcId!),
        subnets: new Map(Subnets.map(({ SubnetId, VpcId }) => [SubnetId!, VpcId!])),
        securityGroups: new Map(SecurityGroups.map(({ GroupId, VpcId }) => [GroupId!, VpcId!])),
      };
    },
    async apiGatewayRole() {
      return (await new APIGatewayClient(options).send(new GetAccountCommand({}))).cloudwatchRoleArn;
    },
  };
}

/** The services' names for the error "not found". */
const NOT_FOUND = ['ResourceNotFoundException', 'NoSuchHostedZone', 'NotFoundException'];

const orNone = <T>(found: Promise<T>): Promise<T | undefined> =>
  found.catch((error: Error) => {
    if (NOT_FOUND.includes(error.name)) return undefined;
    throw error;
  });

const withoutDot = (name: string): string => name.replace(/\.$/, '');
