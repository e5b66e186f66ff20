/** What an operator does with a stack that was just deployed, with AWS credentials alone. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { JWK } from 'jose';
import type { AdminActions, AdminAnswer } from '../../lambda/contract/admin.ts';
import { functionName, PURPOSES, secretName } from '../../lambda/contract/names.ts';
import { initialKeyset } from '../../protocol/keyset.ts';
import type { Signer } from '../support/signer.ts';
import { type Deployment, STAGE } from './deployment.ts';

export async function initKeys({ sdk }: Deployment): Promise<void> {
  const secrets = new SecretsManagerClient(sdk);
  for (const purpose of PURPOSES) {
    const symmetric = { kty: 'oct', k: randomBytes(32).toString('base64url') };
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key =
      purpose === 'token'
        ? { alg: 'ES256', jwk: privateKey.export({ format: 'jwk' }) as JWK }
        : { alg: 'HKDF-SHA-256', jwk: symmetric };
    const SecretString = JSON.stringify(initialKeyset({ ...key, maxLifeMs: 7_776_000_000 }, Date.now()));
    await secrets.send(new PutSecretValueCommand({ SecretId: secretName(STAGE, purpose), SecretString }));
  }
}

export async function createClient(
  { sdk }: Deployment,
  params: AdminActions['clients.create']['params'],
): Promise<Signer> {
  const { Payload } = await new LambdaClient(sdk).send(
    new InvokeCommand({
      FunctionName: functionName(STAGE, 'admin-write'),
      Payload: JSON.stringify({ action: 'clients.create', params }),
    }),
  );
  const answer: AdminAnswer<'clients.create'> = JSON.parse(Payload!.transformToString());
  if (!answer.ok) throw new Error(answer.problem.detail);
  const { client_id: clientId, api_key: apiKey, kid } = answer.result;
  return { clientId, apiKey: apiKey!, kid };
}
