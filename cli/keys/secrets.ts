/**
 * Moves the secrets between Regions with the operator's own rights (docs/decisions/0029). It reads no value:
 * only where a secret has its primary, and whether its replicas are there.
 */
import {
  DescribeSecretCommand,
  RemoveRegionsFromReplicationCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
  StopReplicationToReplicaCommand,
} from '@aws-sdk/client-secrets-manager';
import { secretName } from '../../lambda/contract/names.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { AWS_ANSWER_MS, type AwsCallOptions, awsLimits, callAws } from '../aws-limits.ts';
import type { Target } from '../target.ts';

export interface Replica {
  readonly region: string;
  readonly status: string;
  /** The KMS key that it has, or that it was to have. */
  readonly kmsKeyId: string | undefined;
  readonly message: string | undefined;
}

export interface DescribedSecret {
  /** Undefined where AWS names none: then the secret has no replica, and is none. */
  readonly primaryRegion: string | undefined;
  readonly kmsKeyId: string | undefined;
  /** Of a primary. */
  readonly replicas: readonly Replica[];
}

/** All methods throw CliError where Secrets Manager refuses, or is not reached. */
export interface Secrets {
  /** @returns undefined where the Region has no such secret */
  describe(region: string, purpose: Purpose): Promise<DescribedSecret | undefined>;
  /** Makes a Region's replica a secret of its own. */
  detach(region: string, purpose: Purpose): Promise<void>;
  /** Makes a Region's secret a replica of another Region's, whatever it held. */
  replicate(from: string, to: string, purpose: Purpose, kmsKeyId: string | undefined): Promise<void>;
  /** Deletes a Region's replica. */
  removeReplica(from: string, region: string, purpose: Purpose): Promise<void>;
}

export function secretsOf(target: Pick<Target, 'stage' | 'aws'>, signal: AbortSignal): Secrets {
  /** @param ifMissing the result where the Region has no such secret. @default an error */
  async function call<R>(
    region: string,
    purpose: Purpose,
    send: (client: SecretsManagerClient, SecretId: string, options: AwsCallOptions) => Promise<R>,
    ifMissing?: { readonly result: R },
  ): Promise<R> {
    const SecretId = secretName(target.stage, purpose);
    const client = new SecretsManagerClient({ ...target.aws(region), ...awsLimits(AWS_ANSWER_MS) });
    try {
      return await callAws(`secret ${SecretId} in ${region}`, signal, (options) =>
        send(client, SecretId, options).catch((error: Error) => {
          if (ifMissing && error.name === 'ResourceNotFoundException') return ifMissing.result;
          throw error;
        }),
      );
    } finally {
      client.destroy();
    }
  }

  return {
    describe: (region, purpose) =>
      call<DescribedSecret | undefined>(
        region,
        purpose,
        async (client, SecretId, options) => {
          const answer = await client.send(new DescribeSecretCommand({ SecretId }), options);
          return {
            primaryRegion: answer.PrimaryRegion,
            kmsKeyId: answer.KmsKeyId,
            replicas: (answer.ReplicationStatus ?? []).map(
              ({ Region = '', Status = '', KmsKeyId, StatusMessage }) => ({
                region: Region,
                status: Status,
                kmsKeyId: KmsKeyId,
                message: StatusMessage,
              }),
            ),
          };
        },
        { result: undefined },
      ),

    detach: (region, purpose) =>
      call(region, purpose, async (client, SecretId, options) => {
        await client.send(new StopReplicationToReplicaCommand({ SecretId }), options);
      }),

    replicate: (from, to, purpose, kmsKeyId) =>
      call(from, purpose, async (client, SecretId, options) => {
        const replica = { Region: to, ...(kmsKeyId !== undefined && { KmsKeyId: kmsKeyId }) };
        const command = new ReplicateSecretToRegionsCommand({
          SecretId,
          AddReplicaRegions: [replica],
          ForceOverwriteReplicaSecret: true,
        });
        await client.send(command, options);
      }),

    removeReplica: (from, region, purpose) =>
      call(from, purpose, async (client, SecretId, options) => {
        const command = new RemoveRegionsFromReplicationCommand({ SecretId, RemoveReplicaRegions: [region] });
        await client.send(command, options);
      }),
  };
}
