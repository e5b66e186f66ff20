/**
 * Watches all Regions from outside: the entry's DNS records and health checks, the alarms on those, and the
 * dashboard. Alarms on health checks exist in us-east-1 only (docs/decisions/0010).
 */
import { type App, CfnOutput } from 'aws-cdk-lib';
import type { Dashboard } from 'aws-cdk-lib/aws-cloudwatch';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { WATCH_REGION } from '../../lambda/contract/forms.ts';
import type { Config } from '../config/read.ts';
import { PlatformDashboard } from '../operations/dashboard.ts';
import { AlarmTopic } from '../operations/topic.ts';
import { Entry } from '../routing/entry.ts';
import { entryUrl } from '../routing/urls.ts';
import { PlatformStack } from './platform-stack.ts';

export interface WatchStackProps {
  readonly config: Config;
}

/** Watches all Regions from outside. It is in us-east-1. */
export class WatchStack extends PlatformStack {
  /** Notified by the alarms on the Regions' health. Undefined without a domain. */
  readonly alarmTopic?: ITopic;
  /** Requests, latency, load and refusals of all Regions, and the runbook. */
  readonly dashboard: Dashboard;

  constructor(app: App, id: string, { config }: WatchStackProps) {
    const { stage, domain, watchAlarmTopicArn } = config;
    const description = `Countersign ${stage.name}: entry, health and dashboard of all Regions`;
    super(app, id, { config, region: WATCH_REGION, description });
    if (domain) {
      this.alarmTopic = watchAlarmTopicArn
        ? Topic.fromTopicArn(this, 'Alarms', watchAlarmTopicArn)
        : new AlarmTopic(this, 'Alarms', `countersign-${stage.name}-watch-alarms`);
      new Entry(this, 'Entry', { config, domain, topic: this.alarmTopic });
    }
    this.dashboard = new PlatformDashboard(this, 'Overview', config).dashboard;
    const url = entryUrl(config);
    if (url) new CfnOutput(this, 'EntryUrl', { value: url, description: 'What clients are configured with' });
  }
}
