import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { dynamodbClient } from '../adapters/aws.ts';
import { evacuation } from './compose/evacuation.ts';
import { aws, runtime } from './process.ts';

export const handler = evacuation({ ...runtime, dynamodb: dynamodbClient(aws) }, new CloudWatchClient(aws));
