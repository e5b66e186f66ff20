import { SQSClient } from '@aws-sdk/client-sqs';
import { createWake } from '../adapters/wake-ups.ts';
import { requireEnv } from './compose/variables.ts';
import { aws, runtime } from './process.ts';

export const wake = createWake(new SQSClient(aws), requireEnv(runtime.env, 'COUNTERSIGN_WAKE_UPS_URL'));
