import { dynamodbClient } from '../adapters/aws.ts';
import { adminRead } from './compose/serving.ts';
import { aws, runtime } from './process.ts';

export const handler = adminRead({ ...runtime, dynamodb: dynamodbClient(aws) });
