/** Writes a file beside the templates: what `countersign preflight` must find in the account. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Stack } from 'aws-cdk-lib';
import { type DeployPlan, deployPlanFile, type PlannedRegion } from '../../lambda/contract/deploy-plan.ts';
import type { Config } from '../config/read.ts';
import { vaultNetwork } from '../keys/rotation-function.ts';

/** @param stacks all stacks that the stage deploys */
export function writeDeployPlan(outdir: string, config: Config, stacks: readonly Stack[]): void {
  const path = join(outdir, deployPlanFile(config.stage.name));
  writeFileSync(path, `${JSON.stringify(deployPlan(config, stacks), undefined, 2)}\n`);
}

function deployPlan(config: Config, stacks: readonly Stack[]): DeployPlan {
  const { account, bootstrapQualifier, domain, homeRegion, keys, stage, watchAlarmTopicArn } = config;
  return {
    stage: stage.name,
    kind: stage.kind,
    ...(account !== undefined && { account }),
    ...(bootstrapQualifier !== undefined && { qualifier: bootstrapQualifier }),
    homeRegion,
    ...(keys.managedBy !== undefined && { keysManagedBy: keys.managedBy }),
    stackRegions: [...new Set(stacks.map(({ region }) => region))],
    regions: config.regions.map((region) => plannedRegion(config, region)),
    ...(domain && {
      domain: { entry: domain.entry, ...(domain.hostedZone && { hostedZone: domain.hostedZone }) },
    }),
    ...(watchAlarmTopicArn !== undefined && { watchAlarmTopicArn }),
    ...(stage.kind === 'prod' && { apiGatewayRole: config.apiGatewayRole }),
  };
}

function plannedRegion(config: Config, region: Config['regions'][number]): PlannedRegion {
  const { name, ledgerGeneration, kmsKeyArn, certificateArn, alarmTopicArn } = region;
  const network = vaultNetwork(config, region);
  return {
    name,
    ledgerGeneration,
    ...(kmsKeyArn !== undefined && { kmsKeyArn }),
    ...(certificateArn !== undefined && { certificateArn }),
    ...(alarmTopicArn !== undefined && { alarmTopicArn }),
    ...(network && { network }),
  };
}
