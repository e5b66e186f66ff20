/** `npm start -- --vault openbao`: a real server of Vault's API makes every key of the platform. */
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { expect, it } from 'vitest';
import { secretName } from '../../lambda/contract/names.ts';
import { PURPOSES } from '../../lambda/contract/purposes.ts';
import { startPlatform } from '../../local/platform.ts';
import { parseKeyset } from '../../protocol/keyset.ts';
import { CountersignClient } from '../../sdk/typescript/index.ts';

it('a platform whose keys OpenBao makes registers, and its keysets name their versions', async () => {
  const platform = await startPlatform({ port: 0, vault: 'openbao' });
  try {
    const { entry, awsEndpoint, clients, vault } = platform.info;
    expect((await fetch(`${vault}/v1/sys/health`)).status).toBe(200);
    await using client = new CountersignClient({ url: entry, apiKey: clients[0]!.api_key });
    expect((await client.register({ user_id: 'by-openbao' })).client_id).toBe('dev');
    const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
    const secrets = new SecretsManagerClient({ endpoint: awsEndpoint, region: 'local-a', credentials });
    for (const purpose of PURPOSES) {
      const SecretId = secretName('local', purpose);
      const { SecretString } = await secrets.send(new GetSecretValueCommand({ SecretId }));
      const keyset = parseKeyset(SecretString!);
      expect(keyset.keys.map(({ vault: origin }) => origin)).toEqual([
        { key: `countersign-local-${purpose}`, version: expect.any(Number) },
      ]);
    }
    secrets.destroy();
  } finally {
    await platform.stop();
  }
});
