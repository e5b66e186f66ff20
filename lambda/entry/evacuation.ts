import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { sdkDynamodb } from '../adapters/aws-sdk.ts';
import { evacuation } from './compose/evacuation.ts';
import { aws, runtime } from './process.ts';

export const handler = evacuation({ ...runtime, dynamodb: sdkDynamodb(aws) }, new CloudWatchClient(aws));
