/** cdk-nag's AwsSolutions. A finding is an error, unless the table in acknowledged.ts accepts it. */
import {
  type App,
  CfnResource,
  type IPolicyValidationContext,
  type IPolicyValidationPlugin,
  type PolicyValidationPluginReport,
  Validations,
} from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { IConstruct } from 'constructs';
import { ACKNOWLEDGED, type AcceptedFinding } from './acknowledged.ts';

export class AcknowledgingChecks implements IPolicyValidationPlugin {
  readonly name = 'AwsSolutions';
  /** Rows that accepted a finding. */
  readonly used = new Set<AcceptedFinding>();
  readonly #kind: 'dev' | 'prod';

  constructor(kind: 'dev' | 'prod') {
    this.#kind = kind;
  }

  validate(context: IPolicyValidationContext): PolicyValidationPluginReport {
    const app = context.appConstruct;
    const types = resourceTypes(app);
    const { violations } = new AwsSolutionsChecks().validateScope(app);
    const left = violations.flatMap((violation) => {
      const violatingResources = violation.violatingResources.filter(({ constructPath }) => {
        const row = acknowledgement(
          violation.ruleName,
          types.get(constructPath!)!,
          this.#kind,
          constructPath!,
        );
        if (row) this.used.add(row);
        return !row;
      });
      return violatingResources.length === 0 ? [] : [{ ...violation, violatingResources }];
    });
    return { success: left.length === 0, violations: left };
  }
}

/** Call it once the app has all its stacks. */
export function addPolicyChecks(app: App, kind: 'dev' | 'prod'): AcknowledgingChecks {
  const checks = new AcknowledgingChecks(kind);
  Validations.of(app).addPlugins(checks);
  return checks;
}

/**
 * @param rule as cdk-nag writes it: `rule`, or `rule[finding]`
 * @param path of the construct
 * @returns the row that accepts a finding
 */
export function acknowledgement(
  rule: string,
  type: string,
  kind: 'dev' | 'prod',
  path: string,
): AcceptedFinding | undefined {
  const [, name, finding] = rule.match(/^([^[]+)(?:\[(.*)\])?$/)!;
  return ACKNOWLEDGED.find(
    (row) =>
      row.rule === name &&
      row.type === type &&
      (row.kind ?? kind) === kind &&
      (row.at ?? /^/).test(path) &&
      (row.finding ? row.finding.test(finding ?? '') : finding === undefined),
  );
}

const resourceTypes = (scope: IConstruct): Map<string, string> =>
  new Map(
    scope.node
      .findAll()
      .filter((each) => CfnResource.isCfnResource(each))
      .map((each) => [each.node.path, each.cfnResourceType]),
  );
