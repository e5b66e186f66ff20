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
    const rates = [
      perIp('RequestsPerIp', requestsPerIp),
      perIp('CountsPerIp', Math.max(LOWEST_LIMIT, Math.floor(requestsPerIp / COST_OF_COUNT)), HAS_COUNT),
    ];
    const acl = new CfnWebACL(this, 'Acl', {
      name: firewallName(stage),
      scope: 'REGIONAL',
      defaultAction: { allow: {} },
      visibilityConfig: visibility(firewallName(stage)),
      rules: [...MANAGED_RULES.map(managed), ...rates].map((rule, priority) => ({ ...rule, priority })),
    });
    const { partition, region } = Stack.of(this);
    new CfnWebACLAssociation(this, 'Association', {
      webAclArn: acl.attrArn,
      resourceArn: `arn:${partition}:apigateway:${region}::/restapis/${apiStage.restApi.restApiId}/stages/${apiStage.stageName}`,
    });
  }
}

type Rule = Omit<CfnWebACL.RuleProperty, 'priority'>;

/** What `?count=100` costs the nonce function, in requests for one nonce: API Gateway counts both as one request. */
const COST_OF_COUNT = 28;
/** WAF takes none below. */
const LOWEST_LIMIT = 10;

/**
 * Whatever API Gateway may read as the parameter `count`, which it decodes: a name has many spellings, and no other
 * parameter of ours can hold this text.
 */
const HAS_COUNT: CfnWebACL.StatementProperty = {
  byteMatchStatement: {
    fieldToMatch: { queryString: {} },
    searchString: 'count=',
    positionalConstraint: 'CONTAINS',
    textTransformations: [{ priority: 0, type: 'URL_DECODE' }],
  },
};

/** @param limit in five minutes */
const perIp = (name: string, limit: number, scopeDownStatement?: CfnWebACL.StatementProperty): Rule => ({
  name,
  statement: {
    rateBasedStatement: {
      aggregateKeyType: 'IP',
      limit,
      evaluationWindowSec: 300,
      ...(scopeDownStatement && { scopeDownStatement }),
    },
  },
  action: { block: {} },
  visibilityConfig: visibility(name),
});

const managed = (name: string): Rule => ({
  name,
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
