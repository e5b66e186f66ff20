import { sdkDynamodb } from '../adapters/aws-sdk.ts';
import { adminRead } from './compose/serving.ts';
import { aws, runtime } from './process.ts';

export const handler = adminRead({ ...runtime, dynamodb: sdkDynamodb(aws) });
