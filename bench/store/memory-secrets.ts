/** Secrets Manager in this process's memory, behind the one method of the SDK client that is used. */
import type { SdkSecrets } from '../../lambda/adapters/aws-sdk.ts';

/** Of the adapters or of the SDK: both have these names. */
interface Command {
  readonly constructor: { readonly name: string };
  readonly input: { readonly Name?: string; readonly SecretId?: string; readonly SecretString?: string };
}

export function memorySecrets(): SdkSecrets {
  const secrets = new Map<string, string>();
  const send = async ({ constructor: { name: kind }, input }: Command) => {
    if (kind === 'CreateSecretCommand') {
      secrets.set(input.Name!, input.SecretString!);
      return {};
    }
    if (kind === 'GetSecretValueCommand') return { SecretString: secrets.get(input.SecretId!) };
    throw new Error('not in the stand-in');
  };
  return { send } as unknown as SdkSecrets;
}
