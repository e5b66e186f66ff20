/**
 * A secret's versions and staging labels, which a rotation moves. A label marks one version: AWSCURRENT the
 * one that readers get, AWSPENDING the one that a rotation makes, AWSPREVIOUS the one that was current
 * before.
 */
import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  type SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import type { ReplicaState } from '../contract/keys.ts';
import { call } from './call.ts';

export type StagingLabel = 'AWSCURRENT' | 'AWSPENDING' | 'AWSPREVIOUS';

export interface SecretState {
  /** Version ids by label. */
  readonly current: string | undefined;
  readonly pending: string | undefined;
  /** When a version or a label last changed, epoch milliseconds. */
  readonly changedAtMs: number;
  /** The only Region where the secret can be written; undefined where it has no replica. */
  readonly primaryRegion: string | undefined;
  /** Of a primary: each replica as AWS reports it. `InProgress`: it has yet to receive the last change. */
  readonly replicas: readonly ReplicaState[];
  /** When Secrets Manager rotates next, epoch milliseconds; undefined where it does not. */
  readonly nextRotationAtMs: number | undefined;
}

export interface SecretVersion {
  readonly versionId: string;
  readonly text: string;
}

export interface SecretVersions {
  /** @throws Unavailable */
  describe(): Promise<SecretState>;
  /** @returns undefined where there is no such version, or one without a value @throws Unavailable */
  read(
    version: { readonly id: string } | { readonly label: StagingLabel },
  ): Promise<SecretVersion | undefined>;
  /**
   * Gives a version its value and the label AWSPENDING. A repeated call with the same value changes nothing.
   *
   * @param signal no request is sent, or repeated, after it
   * @returns false where the version has another value already
   * @throws Unavailable
   */
  put(versionId: string, text: string, rotationToken?: string, signal?: AbortSignal): Promise<boolean>;
  /**
   * Moves a label from one version to another, or removes it where `to` is undefined: compare and swap.
   *
   * @param signal no request is sent, or repeated, after it
   * @returns false where `from` does not have the label
   * @throws Unavailable
   */
  move(label: StagingLabel, from: string, to: string | undefined, signal?: AbortSignal): Promise<boolean>;
}

export function createSecretVersions(secrets: SecretsManagerClient, SecretId: string): SecretVersions {
  const part = `secret ${SecretId}`;
  return {
    async describe() {
      const { answer } = await call(part, () => secrets.send(new DescribeSecretCommand({ SecretId })));
      const { VersionIdsToStages = {}, LastChangedDate, PrimaryRegion, NextRotationDate } = answer;
      const { ReplicationStatus = [] } = answer;
      const holder = (label: StagingLabel) =>
        Object.entries(VersionIdsToStages).find(([, labels]) => labels.includes(label))?.[0];
      return {
        current: holder('AWSCURRENT'),
        pending: holder('AWSPENDING'),
        changedAtMs: LastChangedDate?.getTime() ?? 0,
        primaryRegion: PrimaryRegion,
        replicas: ReplicationStatus.map(({ Region = '', Status = '', StatusMessage }) => ({
          region: Region,
          status: Status,
          message: StatusMessage ?? null,
        })),
        nextRotationAtMs: NextRotationDate?.getTime(),
      };
    },

    async read(version) {
      const asked = 'id' in version ? { VersionId: version.id } : { VersionStage: version.label };
      const get = new GetSecretValueCommand({ SecretId, ...asked });
      // Secrets Manager answers the same for a missing version and for one without a value.
      const result = await call(part, () => secrets.send(get), [NOT_FOUND]);
      if ('exception' in result) return undefined;
      const { VersionId = '', SecretString = '' } = result.answer;
      return { versionId: VersionId, text: SecretString };
    },

    async put(versionId, text, rotationToken, signal) {
      const command = new PutSecretValueCommand({
        SecretId,
        ClientRequestToken: versionId,
        SecretString: text,
        VersionStages: ['AWSPENDING'],
        ...(rotationToken !== undefined && { RotationToken: rotationToken }),
      });
      return 'answer' in (await call(part, () => secrets.send(command, until(signal)), [EXISTS]));
    },

    async move(label, from, to, signal) {
      const command = new UpdateSecretVersionStageCommand({
        SecretId,
        VersionStage: label,
        RemoveFromVersionId: from,
        ...(to !== undefined && { MoveToVersionId: to }),
      });
      return 'answer' in (await call(part, () => secrets.send(command, until(signal)), LABEL_IS_ELSEWHERE));
    },
  };
}

const NOT_FOUND = 'ResourceNotFoundException';
const EXISTS = 'ResourceExistsException';
const LABEL_IS_ELSEWHERE = ['InvalidParameterException'];

const until = (signal: AbortSignal | undefined) => (signal ? { abortSignal: signal } : {});
