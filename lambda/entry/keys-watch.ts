import { LambdaClient } from '@aws-sdk/client-lambda';
import { askByLambda } from '../rotate/watch/ask.ts';
import { keysWatch } from './compose/keys.ts';
import { aws, runtime } from './process.ts';
import { requireEnv } from './variables.ts';

export const handler = keysWatch(
  runtime,
  askByLambda(new LambdaClient(aws), requireEnv(runtime.env, 'COUNTERSIGN_STAGE')),
);
