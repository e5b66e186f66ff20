/** Waits until the alarm that Route 53 reads shows the wanted state. */
import { CloudWatchClient, DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';
import { evacuationAlarmName } from '../../lambda/contract/evacuation.ts';
import { awsError } from '../aws-error.ts';
import { AWS_ANSWER_MS, awsLimits } from '../aws-limits.ts';
import { CliError, EXIT, interrupted } from '../io.ts';
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
      const { MetricAlarms = [] } = await cloudwatch
        .send(new DescribeAlarmsCommand({ AlarmNames: [name] }), { abortSignal: signal })
        .catch((error: unknown) => {
          if (signal.aborted) throw interrupted();
          throw awsError(error, what);
        });
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
