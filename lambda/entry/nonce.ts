import { dynamodbClient, secretsClient } from '../adapters/aws.ts';
import { nonce } from './compose/serving.ts';
import { aws, runtime } from './process.ts';

export const handler = nonce({ ...runtime, dynamodb: dynamodbClient(aws), secrets: secretsClient(aws) });
