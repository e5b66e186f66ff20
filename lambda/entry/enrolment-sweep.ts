import { dynamodbClient } from '../adapters/aws.ts';
import { enrolmentSweep } from './compose/oauth.ts';
import { aws, runtime } from './process.ts';

export const handler = enrolmentSweep({ ...runtime, dynamodb: dynamodbClient(aws) });
