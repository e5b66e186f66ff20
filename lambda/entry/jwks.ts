import { dynamodbClient, secretsClient } from '../adapters/aws.ts';
import { jwks } from './compose/serving.ts';
import { aws, runtime } from './process.ts';

export const handler = jwks({ ...runtime, dynamodb: dynamodbClient(aws), secrets: secretsClient(aws) });
