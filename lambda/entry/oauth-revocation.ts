import { dynamodbClient, secretsClient } from '../adapters/aws.ts';
import { oauthRevocation } from './compose/oauth.ts';
import { atStart, aws, runtime, started } from './process.ts';

export const handler = oauthRevocation(
  { ...runtime, atStart, dynamodb: dynamodbClient(aws), secrets: secretsClient(aws) },
  (region) => dynamodbClient({ ...aws, region }),
);

await started();
