import { LambdaClient } from '@aws-sdk/client-lambda';
import { dynamodbClient } from '../adapters/aws.ts';
import { askByLambda } from '../rotate/watch/ask.ts';
import { keysWatch } from './compose/keys.ts';
import { requireEnv } from './compose/variables.ts';
import { aws, runtime } from './process.ts';

export const handler = keysWatch(
  { ...runtime, dynamodb: dynamodbClient(aws) },
  askByLambda(new LambdaClient(aws), requireEnv(runtime.env, 'COUNTERSIGN_STAGE')),
);
