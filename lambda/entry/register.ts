import * as schema from 'countersign:registration-schema';
import { dynamodbClient, secretsClient } from '../adapters/aws.ts';
import { register } from './compose/serving.ts';
import { atStart, aws, runtime, started } from './process.ts';

export const handler = register(
  { ...runtime, atStart, dynamodb: dynamodbClient(aws), secrets: secretsClient(aws) },
  schema,
);

await started();
