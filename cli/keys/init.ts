/** First keys for a stage's empty keysets, made here. Provisional, until Vault makes and rotates them. */
import { createHash } from 'node:crypto';
import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { secretName } from '../../lambda/contract/names.ts';
import { PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import { initialKeyset, type Keyset, parseKeyset } from '../../protocol/keyset.ts';
import { awsError } from '../aws-error.ts';
import { CliError, EXIT } from '../io.ts';
import type { Target } from '../target.ts';
import { freshKey } from './fresh-key.ts';

/** Longest that what each purpose's key signs can live; the config may set less, never more. */
const MAX_LIFE_MS: Readonly<Record<Purpose, number>> = {
  nonce: 3600_000,
  'client-root': 90 * 24 * 3600_000,
  token: 3600_000,
};

export interface FilledKeyset {
  readonly secret: string;
  readonly kid: string;
}

/**
 * Fills the empty keysets. One that holds keys is never touched.
 *
 * @returns those that it filled
 * @throws CliError where none is empty
 */
export async function initKeysets(
  stage: string,
  aws: ReturnType<Target['aws']>,
  nowMs: number,
): Promise<FilledKeyset[]> {
  const secrets = new SecretsManagerClient(aws);
  try {
    const empty: { purpose: Purpose; versionId: string }[] = [];
    for (const purpose of PURPOSES) {
      const versionId = await emptyVersion(secrets, secretName(stage, purpose));
      if (versionId !== undefined) empty.push({ purpose, versionId });
    }
    if (empty.length === 0)
      throw new CliError(
        EXIT.failed,
        `every keyset of stage ${stage} holds keys already; nothing was changed`,
      );
    const filled: FilledKeyset[] = [];
    for (const { purpose, versionId } of empty) {
      const keyset = initialKeyset(await freshKey(purpose, MAX_LIFE_MS[purpose]), nowMs);
      const secret = secretName(stage, purpose);
      await put(secrets, secret, keyset, versionId);
      filled.push({ secret, kid: keyset.keys[0]!.kid });
    }
    return filled;
  } finally {
    secrets.destroy();
  }
}

/** @returns the version that is empty, or undefined where there are keys */
async function emptyVersion(secrets: SecretsManagerClient, secret: string): Promise<string | undefined> {
  const { SecretString, VersionId } = await secrets
    .send(new GetSecretValueCommand({ SecretId: secret }))
    .catch((error: unknown) => {
      throw awsError(error, secret);
    });
  let keyset: Keyset;
  try {
    keyset = parseKeyset(SecretString ?? '');
  } catch (error) {
    throw new CliError(EXIT.failed, `${secret} holds no keyset: ${(error as Error).message}`);
  }
  return keyset.keys.length === 0 ? (VersionId ?? '') : undefined;
}

async function put(
  secrets: SecretsManagerClient,
  secret: string,
  keyset: Keyset,
  emptyVersionId: string,
): Promise<void> {
  // A token that follows from the empty version: of two operators at once, the second is refused.
  const token = createHash('sha256')
    .update(`countersign keys init ${secret} ${emptyVersionId}`)
    .digest('hex');
  const command = new PutSecretValueCommand({
    SecretId: secret,
    SecretString: JSON.stringify(keyset),
    ClientRequestToken: token,
  });
  await secrets.send(command).catch((error: unknown) => {
    throw awsError(error, secret);
  });
}
