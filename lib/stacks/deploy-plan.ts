/**
 * Writes a file beside the templates, which `countersign preflight`, `deploy`, `destroy` and `region` read.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Stack } from 'aws-cdk-lib';
import type { CfnAlarm } from 'aws-cdk-lib/aws-cloudwatch';
import {
  type DeployPlan,
  deployPlanFile,
  type PlannedRegion,
  type PlannedStack,
} from '../../lambda/contract/deploy-plan.ts';
import type { Config } from '../config/read.ts';
import { tableSets } from '../config/tables.ts';
import { vaultNetwork } from '../config/vault-network.ts';
import { changesKeys } from '../data/encryption.ts';
import { PlatformStack } from './platform-stack.ts';

/** The stacks of a stage, by what they hold. */
export type Parts = Readonly<Record<PlannedStack['part'], readonly Stack[]>>;

export function writeDeployPlan(outdir: string, config: Config, stacks: Parts): void {
  const path = join(outdir, deployPlanFile(config.stage.name));
  writeFileSync(path, `${JSON.stringify(deployPlan(config, stacks), undefined, 2)}\n`);
}

function deployPlan(config: Config, parts: Parts): DeployPlan {
  const { account, bootstrapQualifier, concurrencyQuota, domain, homeRegion, keys, stage } = config;
  const { watchAlarmTopicArn } = config;
  const { inUse, other } = tableSets(config);
  const stacks = inOrder(config, parts);
  return {
    stage: stage.name,
    kind: stage.kind,
    ...(account !== undefined && { account }),
    ...(bootstrapQualifier !== undefined && { qualifier: bootstrapQualifier }),
    homeRegion,
    ...(keys.managedBy !== undefined && { keysManagedBy: keys.managedBy }),
    stacks,
    stackRegions: [...new Set(stacks.map(({ region }) => region))],
    consistency: inUse.consistency,
    tableGeneration: inUse.generation,
    ...(other && { otherTables: { generation: other.generation, regions: other.regions } }),
    ...(config.oauth && { oauth: true as const }),
    ...(config.enrolment.length > 0 && { enrols: true as const }),
    regions: config.regions.map((region) => plannedRegion(config, region)),
    ...(domain && {
      domain: { entry: domain.entry, ...(domain.hostedZone && { hostedZone: domain.hostedZone }) },
    }),
    concurrencyQuota,
    alarms: alarmNames(parts),
    ...(watchAlarmTopicArn !== undefined && { watchAlarmTopicArn }),
    ...(stage.kind === 'prod' && { apiGatewayRole: config.apiGatewayRole }),
  };
}

/**
 * Roles may use a new key before tables and secrets change to it. The Region that clients prefer is the last
 * of its kind.
 */
function inOrder(config: Config, parts: Parts): PlannedStack[] {
  const order = changesKeys(config)
    ? (['account', 'base', 'region', 'home', 'watch'] as const)
    : (['account', 'base', 'home', 'region', 'watch'] as const);
  return order.flatMap((part) =>
    parts[part].toReversed().map(({ stackName: name, region }) => ({ name, region, part })),
  );
}

function alarmNames(parts: Parts): Record<string, string[]> {
  const names: Record<string, string[]> = {};
  for (const stack of Object.values(parts).flat())
    if (stack instanceof PlatformStack)
      for (const { node } of stack.alarms) {
        names[stack.region] ??= [];
        names[stack.region]!.push((node.defaultChild as CfnAlarm).alarmName!);
      }
  return names;
}

function plannedRegion(config: Config, region: Config['regions'][number]): PlannedRegion {
  const { name, ledgerGeneration, kmsKeyArn, previousKmsKeyArn, certificateArn, alarmTopicArn } = region;
  const network = vaultNetwork(config, region);
  return {
    name,
    ledgerGeneration,
    ...(kmsKeyArn !== undefined && { kmsKeyArn }),
    ...(kmsKeyArn !== undefined && kmsKeyArn === previousKmsKeyArn && { namesMadeKey: true }),
    ...(certificateArn !== undefined && { certificateArn }),
    ...(alarmTopicArn !== undefined && { alarmTopicArn }),
    ...(network && { network }),
  };
}
