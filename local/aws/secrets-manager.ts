/** One Region's Secrets Manager, in its own protocol (AWS JSON 1.1). */
import { randomUUID } from 'node:crypto';
import type { AwsService } from './endpoint.ts';
import { AwsError, awsJson, parseJsonObject, targetOperation } from './protocol.ts';
import type { ReplicaRegion, SecretRegions } from './secret-regions.ts';
import type { SecretRotation } from './secret-rotation.ts';
import type { Secret, SecretVersion } from './secret-store.ts';

const ACCOUNT_ID = '000000000000';

export const secretArn = (region: string, { name, suffix }: Secret): string =>
  `arn:aws:secretsmanager:${region}:${ACCOUNT_ID}:secret:${name}-${suffix}`;

type Input = Readonly<Record<string, unknown>>;

/** @param rotation rotates the Region's secrets; without it, RotateSecret is refused */
export function secretsManagerService(
  regions: SecretRegions,
  region: string,
  rotation?: SecretRotation,
): AwsService {
  const store = regions.in(region);
  const arn = (secret: Secret) => secretArn(region, secret);
  const summary = (secret: Secret) => ({
    ARN: arn(secret),
    Name: secret.name,
    Description: secret.description,
    CreatedDate: seconds(secret.createdAtMs),
    LastChangedDate: seconds(secret.changedAtMs),
    PrimaryRegion: secret.primaryRegion,
    KmsKeyId: secret.kmsKeyId,
  });
  const replicated = (secret: Secret) => ({
    ARN: arn(secret),
    ReplicationStatus: regions.status(region, secret.name).map(({ status, message, ...to }) => ({
      Region: to.region,
      KmsKeyId: to.kmsKeyId,
      Status: status,
      StatusMessage: message,
    })),
  });

  const operations: Readonly<Record<string, (input: Input) => object>> = {
    CreateSecret(input) {
      const [description, kmsKeyId] = [text(input, 'Description'), text(input, 'KmsKeyId')];
      const value = text(input, 'SecretString') ?? null;
      const token = required(input, 'ClientRequestToken');
      const secret = store.create({ name: required(input, 'Name'), description, kmsKeyId }, token, value);
      regions.replicate(
        region,
        secret.name,
        replicaRegions(input),
        input.ForceOverwriteReplicaSecret === true,
      );
      return { ...replicated(secret), Name: secret.name, ...(value !== null && { VersionId: token }) };
    },

    GetSecretValue(input) {
      const id = required(input, 'SecretId');
      const secret = store.find(id);
      const version = store.read(secret, text(input, 'VersionId'), text(input, 'VersionStage'));
      return {
        ARN: arn(secret),
        Name: secret.name,
        VersionId: version.id,
        SecretString: version.value,
        VersionStages: [...version.stages],
        CreatedDate: seconds(version.createdAtMs),
      };
    },

    PutSecretValue(input) {
      const id = required(input, 'SecretId');
      const secret = store.primary(id);
      const stages = (input.VersionStages as string[] | undefined) ?? ['AWSCURRENT'];
      const value = required(input, 'SecretString');
      const version = store.put(id, required(input, 'ClientRequestToken'), value, stages);
      return {
        ARN: arn(secret),
        Name: secret.name,
        VersionId: version.id,
        VersionStages: [...version.stages],
      };
    },

    UpdateSecretVersionStage(input) {
      const secret = store.primary(required(input, 'SecretId'));
      const [from, to] = [text(input, 'RemoveFromVersionId'), text(input, 'MoveToVersionId')];
      store.moveStage(secret.name, required(input, 'VersionStage'), from, to);
      regions.labelMoved(region, secret.name);
      return { ARN: arn(secret), Name: secret.name };
    },

    RotateSecret(input) {
      const secret = store.primary(required(input, 'SecretId'));
      if (!rotation) throw new AwsError('InvalidRequestException', 'Nothing rotates secrets here');
      const token = text(input, 'ClientRequestToken') ?? randomUUID();
      rotation.rotate({
        secretId: secret.name,
        token,
        functionArn: text(input, 'RotationLambdaARN'),
        rules: input.RotationRules as Record<string, unknown> | undefined,
        immediately: input.RotateImmediately !== false,
      });
      return { ARN: arn(secret), Name: secret.name, VersionId: token };
    },

    CancelRotateSecret(input) {
      const secret = store.primary(required(input, 'SecretId'));
      store.setRotation(secret.name, null);
      return { ARN: arn(secret), Name: secret.name };
    },

    ReplicateSecretToRegions(input) {
      const secret = store.primary(required(input, 'SecretId'));
      regions.replicate(
        region,
        secret.name,
        replicaRegions(input),
        input.ForceOverwriteReplicaSecret === true,
      );
      return replicated(secret);
    },

    StopReplicationToReplica(input) {
      return { ARN: arn(regions.stop(region, required(input, 'SecretId'))) };
    },

    RemoveRegionsFromReplication(input) {
      const secret = store.primary(required(input, 'SecretId'));
      regions.removeReplicas(region, secret.name, input.RemoveReplicaRegions as string[]);
      return replicated(secret);
    },

    DescribeSecret(input) {
      const secret = store.find(required(input, 'SecretId'));
      return {
        ...summary(secret),
        ...rotationSummary(secret),
        ...replicated(secret),
        VersionIdsToStages: Object.fromEntries(versionsOf(secret).map(({ id, stages }) => [id, [...stages]])),
      };
    },

    ListSecrets(input) {
      const unknown = Object.keys(input).filter((name) => name !== 'MaxResults');
      if (unknown.length > 0)
        throw new AwsError('InvalidParameterException', `ListSecrets knows no ${unknown.join(', ')} here`);
      return { SecretList: store.all().map(summary) };
    },
  };

  return async (request) => {
    const operation = targetOperation(request);
    const run = Object.hasOwn(operations, operation) ? operations[operation] : undefined;
    if (!run) throw new AwsError('UnknownOperationException', `There is no ${operation} here`);
    return awsJson('1.1', 200, run(parseJsonObject(request.body)));
  };
}

/** @returns the versions with a label. Others are deprecated, and AWS does not list them. */
const versionsOf = (secret: Secret): SecretVersion[] =>
  [...secret.versions.values()].filter(({ stages }) => stages.size > 0);

function rotationSummary({ rotation }: Secret): object {
  if (!rotation) return { RotationEnabled: false };
  const { functionArn, rules, nextAtMs, lastAtMs } = rotation;
  return {
    RotationEnabled: true,
    RotationLambdaARN: functionArn,
    RotationRules: rules,
    ...(Number.isFinite(nextAtMs) && { NextRotationDate: seconds(nextAtMs) }),
    ...(lastAtMs !== null && { LastRotatedDate: seconds(lastAtMs) }),
  };
}

/** AWS JSON gives times in seconds. */
const seconds = (epochMs: number): number => epochMs / 1000;

function replicaRegions({ AddReplicaRegions: added = [] }: Input): ReplicaRegion[] {
  return (added as { Region: string; KmsKeyId?: string }[]).map(({ Region, KmsKeyId }) => ({
    region: Region,
    kmsKeyId: KmsKeyId,
  }));
}

function text(input: Input, name: string): string | undefined {
  const value = input[name];
  if (value === undefined || typeof value === 'string') return value;
  throw new AwsError('InvalidParameterException', `${name} must be a string`);
}

function required(input: Input, name: string): string {
  const value = text(input, name);
  if (value) return value;
  throw new AwsError('InvalidParameterException', `${name} is missing`);
}
