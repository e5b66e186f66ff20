/**
 * A secret's versions and staging labels, as a rotation needs them of Secrets Manager. A label stands on one version;
 * AWSCURRENT is what readers get, AWSPENDING what a rotation is making, AWSPREVIOUS what was current before.
 */
import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  type SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { call } from './dynamodb.ts';

export type StagingLabel = 'AWSCURRENT' | 'AWSPENDING' | 'AWSPREVIOUS';

export interface SecretState {
  /** Version ids by label. */
  readonly current: string | undefined;
  readonly pending: string | undefined;
  /** When a version or a label last changed, epoch milliseconds. */
  readonly changedAtMs: number;
  /** Where a replica is written; undefined where the secret has none. */
  readonly primaryRegion: string | undefined;
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
   * Gives a version its value and the label AWSPENDING. The same value once more changes nothing.
   *
   * @returns false where the version has another value already
   * @throws Unavailable
   */
  put(versionId: string, text: string, rotationToken?: string): Promise<boolean>;
  /**
   * Moves a label from the one version to the other, or with `to` undefined takes it away: compare and swap.
   *
   * @returns false where it does not stand on `from`
   * @throws Unavailable
   */
  move(label: StagingLabel, from: string, to: string | undefined): Promise<boolean>;
}

export function createSecretVersions(secrets: SecretsManagerClient, SecretId: string): SecretVersions {
  const part = `secret ${SecretId}`;
  return {
    async describe() {
      const described = await call(part, () => secrets.send(new DescribeSecretCommand({ SecretId })));
      const answer = answerOf(described);
      const { VersionIdsToStages = {}, LastChangedDate, PrimaryRegion, NextRotationDate } = answer;
      const holder = (label: StagingLabel) =>
        Object.keys(VersionIdsToStages).find((id) => VersionIdsToStages[id]!.includes(label));
      return {
        current: holder('AWSCURRENT'),
        pending: holder('AWSPENDING'),
        changedAtMs: LastChangedDate?.getTime() ?? 0,
        primaryRegion: PrimaryRegion,
        nextRotationAtMs: NextRotationDate?.getTime(),
      };
    },

    async read(version) {
      const asked = 'id' in version ? { VersionId: version.id } : { VersionStage: version.label };
      const get = new GetSecretValueCommand({ SecretId, ...asked });
      // Secrets Manager answers alike for a version that is not there and one that has no value yet.
      const result = await call(part, () => secrets.send(get), [NOT_FOUND]);
      if ('exception' in result) return undefined;
      return { versionId: result.answer.VersionId!, text: result.answer.SecretString ?? '' };
    },

    async put(versionId, text, rotationToken) {
      const command = new PutSecretValueCommand({
        SecretId,
        ClientRequestToken: versionId,
        SecretString: text,
        VersionStages: ['AWSPENDING'],
        ...(rotationToken !== undefined && { RotationToken: rotationToken }),
      });
      return 'answer' in (await call(part, () => secrets.send(command), [EXISTS]));
    },

    async move(label, from, to) {
      const command = new UpdateSecretVersionStageCommand({
        SecretId,
        VersionStage: label,
        RemoveFromVersionId: from,
        ...(to !== undefined && { MoveToVersionId: to }),
      });
      return 'answer' in (await call(part, () => secrets.send(command), LABEL_IS_ELSEWHERE));
    },
  };
}

const NOT_FOUND = 'ResourceNotFoundException';
const EXISTS = 'ResourceExistsException';
const LABEL_IS_ELSEWHERE = ['InvalidParameterException'];

function answerOf<T>(result: { answer: T } | { exception: string }): T {
  if ('answer' in result) return result.answer;
  throw new Error(result.exception);
}
