/** The AppRole credentials of a purpose's rotation function, stored in the secret that the function reads. */
import { CreateSecretCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { appRoleSecretName, vaultName } from '../../lambda/contract/vault.ts';
import type { VaultApi } from '../../lambda/vault/api.ts';

export interface AppRoleOptions {
  readonly api: VaultApi;
  readonly rootToken: string;
  readonly stage: string;
  /** The stores of secrets, one for each Region that has its own. */
  readonly secrets: readonly SecretsManagerClient[];
}

export async function storeAppRole(
  { api, rootToken, stage, secrets }: AppRoleOptions,
  purpose: Purpose,
): Promise<void> {
  const role = `auth/approle/role/${vaultName(stage, purpose)}`;
  const { role_id } = dataOf(await api.read(`${role}/role-id`, rootToken));
  const { secret_id } = dataOf(await api.write(`${role}/secret-id`, {}, rootToken));
  const Name = appRoleSecretName(stage, purpose);
  const create = new CreateSecretCommand({ Name, SecretString: JSON.stringify({ role_id, secret_id }) });
  for (const each of secrets) await each.send(create);
}

const dataOf = (answer: unknown): Readonly<Record<string, unknown>> =>
  ((answer as { data?: object } | undefined)?.data ?? {}) as Readonly<Record<string, unknown>>;
