/** Alarms on enrolment, of a stage of kind prod. Each has a section in docs/runbook.md. */
import { Duration } from 'aws-cdk-lib';
import { FilterPattern, type ILogGroup, MetricFilter } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { enrolmentSweepName } from '../../lambda/contract/names.ts';
import type { Config } from '../config/read.ts';
import { PlatformAlarm } from './alarm.ts';
import { linesWith } from './log-filter.ts';
import { filterTarget, functionMetric, regionMetric } from './metrics.ts';

export interface EnrolmentAlarmsProps {
  readonly config: Config;
  readonly region: string;
  /** Of the function that registers clients. */
  readonly registerLog: ILogGroup;
  /** Of the sweep, which one Region has. */
  readonly sweepLog: ILogGroup | undefined;
  readonly topic: ITopic | undefined;
}

/** One refused token is a mistake, such as a branch that no policy names. */
const REFUSED = 10;
/** Instances renew in time, restart, and are replaced. */
const RENEWALS = 3;

export class EnrolmentAlarms extends Construct {
  constructor(scope: Construct, id: string, props: EnrolmentAlarmsProps) {
    super(scope, id);
    const { config, region, registerLog, sweepLog, topic } = props;
    const stage = config.stage.name;
    const period = Duration.minutes(5);
    const hour = Duration.hours(1);
    const count = (
      id: string,
      logGroup: ILogGroup,
      filterPattern: ReturnType<typeof linesWith>,
      name: Counted,
    ) => new MetricFilter(this, id, { logGroup, filterPattern, ...filterTarget(name, stage) });
    const metric = (name: Counted, of = period) => regionMetric(name, stage, region, { period: of });
    const unusual = { config, topic, section: 'enrolment-unusual' };

    count('RefusedLines', registerLog, linesWith('reason', 'attestation_*'), 'refusedAttestations');
    new PlatformAlarm(this, 'Refused', {
      config,
      topic,
      section: 'enrolment-refused',
      what: 'Identity tokens of platforms are refused: somebody tries tokens that are not for them, or a workload fits no policy any more.',
      metric: metric('refusedAttestations'),
      threshold: REFUSED,
    });
    count('EnrolLines', registerLog, linesWith('action', 'clients.enrol'), 'enrolments');
    new PlatformAlarm(this, 'Rate', {
      ...unusual,
      of: 'rate',
      what: 'More instances enrol than the policies expect. Each gets a key: look who they are, and disable their client if they are not yours.',
      metric: metric('enrolments', hour),
      threshold: mostInAnHour(config),
    });
    new MetricFilter(this, 'IssuerLines', {
      logGroup: registerLog,
      filterPattern: FilterPattern.all(linesWith('message', 'enrolment'), linesWith('reason', 'issuer_keys')),
      ...filterTarget('issuerKeysUnreadable', stage),
    });
    new PlatformAlarm(this, 'IssuerKeys', {
      config,
      topic,
      section: 'enrolment-issuer',
      what: "An issuer's public keys cannot be read. New instances get no key an hour after the last time that they could.",
      metric: metric('issuerKeysUnreadable'),
      threshold: 3,
    });
    if (!sweepLog) return;
    count('InstanceLines', sweepLog, linesWith('reason', 'many_instances'), 'manyInstances');
    new PlatformAlarm(this, 'Instances', {
      ...unusual,
      of: 'instances',
      what: 'A client has more live keys of instances than its policy says.',
      metric: metric('manyInstances', hour),
      threshold: 1,
    });
    new PlatformAlarm(this, 'Unswept', {
      ...unusual,
      of: 'unswept',
      what: 'Keys of instances that have ended are not deleted. They are dead, and only take up space.',
      metric: functionMetric(enrolmentSweepName(stage), 'Errors', { period: hour }),
      threshold: 1,
      evaluationPeriods: 3,
    });
  }
}

type Counted = 'enrolments' | 'refusedAttestations' | 'manyInstances' | 'issuerKeysUnreadable';

const mostInAnHour = ({ enrolment }: Config): number =>
  enrolment.reduce(
    (sum, { instances, keyLife }) => sum + Math.ceil((RENEWALS * instances * 3_600) / keyLife.toSeconds()),
    0,
  );
