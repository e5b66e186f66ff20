/** Calls a function at an interval. */
import type { Duration } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as LambdaTarget } from 'aws-cdk-lib/aws-events-targets';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';

export interface CallEveryProps {
  readonly ruleName: string;
  readonly description: string;
  readonly interval: Duration;
}

/** A call that fails is not repeated, nor one that had to wait for so long: the next one is early enough. */
export function callEvery(
  scope: Construct,
  id: string,
  called: LambdaFunction,
  { ruleName, description, interval }: CallEveryProps,
): void {
  // Of EventBridge, which hands the call to Lambda; then Lambda has retries of its own.
  const targets = [new LambdaTarget(called, { retryAttempts: 0 })];
  new Rule(scope, id, { ruleName, description, schedule: Schedule.rate(interval), targets });
  called.configureAsyncInvoke({ retryAttempts: 0, maxEventAge: interval });
}
