import { sdkDynamodb } from '../adapters/aws-sdk.ts';
import { outbox } from './compose/callbacks.ts';
import { aws, runtime } from './process.ts';
import { wake } from './wake.ts';

export const handler = outbox({ ...runtime, dynamodb: sdkDynamodb(aws) }, wake);
