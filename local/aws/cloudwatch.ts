/**
 * One Region's CloudWatch, with the features that the platform uses: custom metrics, and alarms on them that
 * fire at 1.
 */
import { type AlarmState, alarmData, type DataPoint, isForgotten } from '../dns/health-check.ts';
import type { AwsService } from './endpoint.ts';
import { AwsError, awsJson, parseJsonObject, targetOperation } from './protocol.ts';

export interface LocalAlarm {
  readonly name: string;
  readonly namespace: string;
  readonly metric: string;
  /** The metric's one dimension. */
  readonly dimension: { readonly Name: string; readonly Value: string };
}

interface Datum {
  readonly MetricName: string;
  readonly Value: number;
  readonly Dimensions?: readonly LocalAlarm['dimension'][];
}

export class CloudWatch {
  readonly #alarms: readonly LocalAlarm[];
  readonly #periodMs: number;
  readonly #nowMs: () => number;
  /** By alarm. */
  readonly #points = new Map<string, DataPoint[]>();

  /** @param periodMs the period of every alarm */
  constructor(alarms: readonly LocalAlarm[], periodMs: number, nowMs: () => number) {
    this.#alarms = alarms;
    this.#periodMs = periodMs;
    this.#nowMs = nowMs;
  }

  put(namespace: string, { MetricName, Value, Dimensions = [] }: Datum): void {
    const atMs = this.#nowMs();
    for (const alarm of this.#alarms) {
      const { Name, Value: value } = alarm.dimension;
      const same = Dimensions.length === 1 && Dimensions[0]!.Name === Name && Dimensions[0]!.Value === value;
      if (alarm.namespace !== namespace || alarm.metric !== MetricName || !same) continue;
      const kept = (this.#points.get(alarm.name) ?? []).filter(
        (point) => !isForgotten(point, atMs, this.#periodMs),
      );
      this.#points.set(alarm.name, [...kept, { atMs, value: Value }]);
    }
  }

  /** @returns the state that the alarm's data shows now */
  state(alarm: string): AlarmState {
    return alarmData(this.#points.get(alarm) ?? [], this.#nowMs(), this.#periodMs);
  }

  /** @param names undefined means all alarms */
  describe(names: readonly string[] | undefined): object[] {
    return this.#alarms
      .filter(({ name }) => names === undefined || names.includes(name))
      .map(({ name, namespace, metric, dimension }) => ({
        AlarmName: name,
        Namespace: namespace,
        MetricName: metric,
        Dimensions: [dimension],
        StateValue: this.state(name),
        Threshold: 1,
        Period: this.#periodMs / 1000,
        EvaluationPeriods: 1,
        TreatMissingData: 'missing',
      }));
  }
}

export function cloudwatchService(cloudwatch: CloudWatch): AwsService {
  return async (request) => {
    const input = parseJsonObject(request.body);
    const operation = targetOperation(request);
    if (operation === 'PutMetricData') {
      for (const datum of (input.MetricData ?? []) as Datum[]) cloudwatch.put(String(input.Namespace), datum);
      return awsJson('1.0', 200, {});
    }
    if (operation === 'DescribeAlarms') {
      const MetricAlarms = cloudwatch.describe(input.AlarmNames as string[] | undefined);
      return awsJson('1.0', 200, { MetricAlarms, CompositeAlarms: [] });
    }
    throw new AwsError('UnknownOperationException', `There is no operation ${operation} here`, 404);
  };
}
