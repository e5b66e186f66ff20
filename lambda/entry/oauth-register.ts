import { policies } from 'countersign:enrolment';
import { dynamodbClient, secretsClient } from '../adapters/aws.ts';
import { httpsJson } from '../oauth/issuer-keys.ts';
import { oauthRegister } from './compose/oauth.ts';
import { atStart, aws, runtime, started } from './process.ts';

export const handler = oauthRegister(
  { ...runtime, atStart, dynamodb: dynamodbClient(aws), secrets: secretsClient(aws) },
  { policies, fetchJson: httpsJson() },
);

await started();
