/** The queue of wake-ups: each names an endpoint. One that is lost costs a minute. */
import { SendMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { call } from './call.ts';

/** SQS takes so many messages in one call. */
const BATCH = 10;
/** SQS delays a message for 15 minutes at most. */
const LONGEST_DELAY_S = 900;

/** @returns sends a wake-up for each endpoint @throws Unavailable, by the call that it makes */
export const createWake =
  (sqs: Pick<SQSClient, 'send'>, QueueUrl: string) =>
  async (ids: readonly string[], delayMs: number): Promise<void> => {
    const DelaySeconds = Math.min(LONGEST_DELAY_S, Math.ceil(delayMs / 1000));
    for (let i = 0; i < ids.length; i += BATCH) {
      const Entries = ids
        .slice(i, i + BATCH)
        .map((MessageBody, n) => ({ Id: String(n), MessageBody, DelaySeconds }));
      await call('wake-ups', () => sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries })));
    }
  };
