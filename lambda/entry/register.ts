import * as schema from 'countersign:registration-schema';
import { dynamodbClient, secretsClient } from '../adapters/aws.ts';
import { register } from './compose/serving.ts';
import { aws, runtime } from './process.ts';

export const handler = register(
  { ...runtime, dynamodb: dynamodbClient(aws), secrets: secretsClient(aws) },
  schema,
);
