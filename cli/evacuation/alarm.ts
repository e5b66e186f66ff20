/** Waits until the alarm that Route 53 reads shows the wanted state. */
import { CloudWatchClient, DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';
import { evacuationAlarmName } from '../../lambda/contract/evacuation.ts';
import { AWS_ANSWER_MS, awsLimits, callAws } from '../aws-limits.ts';
import { CliError, EXIT } from '../io.ts';
import { pause } from '../pause.ts';
import type { Target } from '../target.ts';

export interface AlarmWait {
  readonly keeper: string;
  readonly region: string;
  readonly wanted: 'ALARM' | 'OK';
  readonly timeoutMs: number;
  readonly pollMs: number;
  readonly signal: AbortSignal;
}

/** Each look at the alarm may take this long: one near the end of the wait, too. */
const LEAST_MS = 1_000;

/** @throws CliError where it is not seen in time, cannot be read, or Ctrl-C ends the wait */
export async function waitForAlarm(
  target: Target,
  { keeper, region, wanted, timeoutMs, pollMs, signal }: AlarmWait,
): Promise<void> {
  const name = evacuationAlarmName(target.stage, region);
  const what = `alarm ${name} in ${keeper}`;
  const cloudwatch = new CloudWatchClient({ ...target.aws(keeper), ...awsLimits(AWS_ANSWER_MS) });
  const untilMs = performance.now() + timeoutMs;
  try {
    for (;;) {
      const limit = AbortSignal.timeout(Math.ceil(Math.max(LEAST_MS, untilMs - performance.now())));
      const { MetricAlarms = [] } = await callAws(what, AbortSignal.any([signal, limit]), (options) =>
        cloudwatch.send(new DescribeAlarmsCommand({ AlarmNames: [name] }), options),
      );
      const [alarm] = MetricAlarms;
      if (!alarm) throw new CliError(EXIT.failed, `${what} does not exist; deploy the stack of ${keeper}`);
      if (alarm.StateValue === wanted) return;
      if (performance.now() >= untilMs)
        throw new CliError(EXIT.failed, `${what} is ${alarm.StateValue} and not ${wanted} yet`);
      await pause(pollMs, signal);
    }
  } finally {
    cloudwatch.destroy();
  }
}
