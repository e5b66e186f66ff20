/** Secrets Manager in this process's memory, behind the one method of the SDK client that is used. */
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';

export function memorySecrets(): SecretsManagerClient {
  const secrets = new Map<string, string>();
  const send = async (command: unknown) => {
    if (command instanceof CreateSecretCommand) {
      secrets.set(command.input.Name!, command.input.SecretString!);
      return {};
    }
    if (command instanceof GetSecretValueCommand)
      return { SecretString: secrets.get(command.input.SecretId!) };
    throw new Error('not in the stand-in');
  };
  return { send } as unknown as SecretsManagerClient;
}
