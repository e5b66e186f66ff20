import { dynamodbClient, secretsClient } from '../adapters/aws.ts';
import { health } from './compose/serving.ts';
import { aws, runtime } from './process.ts';

export const handler = health({ ...runtime, dynamodb: dynamodbClient(aws), secrets: secretsClient(aws) });
