import { dynamodbClient, secretsClient } from '../adapters/aws.ts';
import { oauthToken } from './compose/oauth.ts';
import { atStart, aws, runtime, started } from './process.ts';

export const handler = oauthToken({
  ...runtime,
  atStart,
  dynamodb: dynamodbClient(aws),
  secrets: secretsClient(aws),
});

await started();
