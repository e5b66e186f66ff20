import { dynamodbClient, secretsClient } from '../adapters/aws.ts';
import { events } from './compose/serving.ts';
import { atStart, aws, runtime, started } from './process.ts';

export const handler = events({
  ...runtime,
  atStart,
  dynamodb: dynamodbClient(aws),
  secrets: secretsClient(aws),
});

await started();
