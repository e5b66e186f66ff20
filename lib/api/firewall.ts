/** What is refused before it costs anything: addresses of bad repute, too many requests, known attacks. */
import { Stack } from 'aws-cdk-lib';
import type { Stage } from 'aws-cdk-lib/aws-apigateway';
import { CfnWebACL, CfnWebACLAssociation } from 'aws-cdk-lib/aws-wafv2';
import { Construct } from 'constructs';

export const firewallName = (stage: string): string => `countersign-${stage}`;

/** The common rule set is left out on purpose: it blocks bodies over 8 KB, and a registration may have 16. */
const MANAGED_RULES = [
  'AWSManagedRulesAmazonIpReputationList',
  'AWSManagedRulesKnownBadInputsRuleSet',
] as const;

export interface FirewallProps {
  readonly stage: string;
  /** In five minutes. */
  readonly requestsPerIp: number;
  readonly apiStage: Stage;
}

export class Firewall extends Construct {
  constructor(scope: Construct, id: string, { stage, requestsPerIp, apiStage }: FirewallProps) {
    super(scope, id);
    const rate: CfnWebACL.RuleProperty = {
      name: 'RequestsPerIp',
      priority: MANAGED_RULES.length,
      statement: {
        rateBasedStatement: { aggregateKeyType: 'IP', limit: requestsPerIp, evaluationWindowSec: 300 },
      },
      action: { block: {} },
      visibilityConfig: visibility('RequestsPerIp'),
    };
    const acl = new CfnWebACL(this, 'Acl', {
      name: firewallName(stage),
      scope: 'REGIONAL',
      defaultAction: { allow: {} },
      visibilityConfig: visibility(firewallName(stage)),
      rules: [...MANAGED_RULES.map(managed), rate],
    });
    const { partition, region } = Stack.of(this);
    new CfnWebACLAssociation(this, 'Association', {
      webAclArn: acl.attrArn,
      resourceArn: `arn:${partition}:apigateway:${region}::/restapis/${apiStage.restApi.restApiId}/stages/${apiStage.stageName}`,
    });
  }
}

const managed = (name: string, priority: number): CfnWebACL.RuleProperty => ({
  name,
  priority,
  statement: { managedRuleGroupStatement: { vendorName: 'AWS', name } },
  overrideAction: { none: {} },
  visibilityConfig: visibility(name),
});

/** No samples: they keep whole requests, and so API keys and proofs, for hours. */
const visibility = (metricName: string): CfnWebACL.VisibilityConfigProperty => ({
  metricName,
  cloudWatchMetricsEnabled: true,
  sampledRequestsEnabled: false,
});
