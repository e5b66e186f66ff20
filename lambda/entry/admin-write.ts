import { dynamodbClient, secretsClient } from '../adapters/aws.ts';
import { adminWrite } from './compose/serving.ts';
import { aws, runtime } from './process.ts';

export const handler = adminWrite({ ...runtime, dynamodb: dynamodbClient(aws), secrets: secretsClient(aws) });
