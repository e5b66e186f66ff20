import { dynamodbClient, secretsClient } from '../adapters/aws.ts';
import { registration } from './compose/serving.ts';
import { aws, runtime } from './process.ts';

export const handler = registration({
  ...runtime,
  dynamodb: dynamodbClient(aws),
  secrets: secretsClient(aws),
});
