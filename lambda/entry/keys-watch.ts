import { LambdaClient } from '@aws-sdk/client-lambda';
import { requireEnv } from '../contract/environment.ts';
import { keysWatch } from '../key-functions.ts';
import { askByLambda } from '../keys-watch/ask.ts';
import { aws, runtime } from './process.ts';

export const handler = keysWatch(
  runtime,
  askByLambda(new LambdaClient(aws), requireEnv(runtime.env, 'COUNTERSIGN_STAGE')),
);
