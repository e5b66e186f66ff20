/** The queue of wake-ups by its fixed name, for functions that another construct makes. */
import type { Stack } from 'aws-cdk-lib';
import { wakeUpsName } from '../../lambda/contract/names.ts';

export const wakeUpsUrl = (stack: Stack, stage: string): string =>
  `https://sqs.${stack.region}.${stack.urlSuffix}/${stack.account}/${wakeUpsName(stage)}`;

export const wakeUpsArn = (stack: Stack, stage: string): string =>
  stack.formatArn({ service: 'sqs', resource: wakeUpsName(stage) });
