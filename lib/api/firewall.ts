/**
 * The firewall refuses requests before they cost anything: from addresses of bad repute, too many, or known
 * attacks.
 */
import { Stack } from 'aws-cdk-lib';
import type { Stage } from 'aws-cdk-lib/aws-apigateway';
import { CfnWebACL, CfnWebACLAssociation } from 'aws-cdk-lib/aws-wafv2';
import { Construct } from 'constructs';
import type { Route } from '../../lambda/contract/routes.ts';

export const firewallName = (stage: string): string => `countersign-${stage}`;

/** Without the common rule set: it blocks bodies over 8 KB, and a registration may have 16. */
const MANAGED_RULES = [
  'AWSManagedRulesAmazonIpReputationList',
  'AWSManagedRulesKnownBadInputsRuleSet',
] as const;

export interface FirewallProps {
  readonly stage: string;
  /** In 5 minutes. */
  readonly requestsPerIp: number;
  readonly apiStage: Stage;
  /** The path of Route 53's health checkers, if they have one. No rate counts their requests. */
  readonly checkers?: Route | undefined;
}

export class Firewall extends Construct {
  constructor(scope: Construct, id: string, { stage, requestsPerIp, apiStage, checkers }: FirewallProps) {
    super(scope, id);
    const rates = [
      perIp('RequestsPerIp', requestsPerIp, checkers && notBy(checkers)),
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

/**
 * `?count=100` costs the nonce function as much as this many requests for one nonce. API Gateway counts one
 * request.
 */
const COST_OF_COUNT = 28;
/** The lowest rate that WAF takes. */
const LOWEST_LIMIT = 10;

/**
 * Every spelling of the parameter `count`: API Gateway decodes names before it reads them. No other parameter
 * of the routes can hold this text.
 */
const HAS_COUNT: CfnWebACL.StatementProperty = {
  byteMatchStatement: {
    fieldToMatch: { queryString: {} },
    searchString: 'count=',
    positionalConstraint: 'CONTAINS',
    textTransformations: [{ priority: 0, type: 'URL_DECODE' }],
  },
};

/** The end of the path is enough: without a domain it begins with the API's stage. */
const notBy = ({ resource }: Route): CfnWebACL.StatementProperty => ({
  notStatement: {
    statement: {
      byteMatchStatement: {
        fieldToMatch: { uriPath: {} },
        searchString: resource,
        positionalConstraint: 'ENDS_WITH',
        textTransformations: [{ priority: 0, type: 'NONE' }],
      },
    },
  },
});

/** @param limit requests in 5 minutes */
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

/** Without samples: WAF would keep whole requests for hours, with their API keys and proofs. */
const visibility = (metricName: string): CfnWebACL.VisibilityConfigProperty => ({
  metricName,
  cloudWatchMetricsEnabled: true,
  sampledRequestsEnabled: false,
});
