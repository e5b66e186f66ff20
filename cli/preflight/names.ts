/** Checks a stage's fixed names: if something else has one of them, the stack fails and rolls back. */
import type { DeployPlan, PlannedRegion } from '../../lambda/contract/deploy-plan.ts';
import { evacuationFunctionName } from '../../lambda/contract/evacuation.ts';
import {
  deliverName,
  enrolmentSweepName,
  findStreamName,
  functionName,
  functionsOf,
  type Generations,
  keyAlias,
  keysWatchName,
  namePrefix,
  outboxName,
  rotationFunctionName,
  secretName,
  stackName,
  TABLES,
  type TableKind,
  tableInUse,
  tableName,
} from '../../lambda/contract/names.ts';
import { PURPOSES } from '../../lambda/contract/purposes.ts';
import type { Kind, Region } from './account.ts';
import { day, fail, type Outcome, ok } from './outcome.ts';

/**
 * @param generations the Region's; they are part of the names of its tables
 * @param several whether the stage has other Regions: then this one keeps the evacuation flag of one
 * @param oauth whether the stage has OAuth
 * @param enrols whether instances enrol, and the Region sweeps their keys
 */
export const namesOf = (
  stage: string,
  generations: Generations,
  several: boolean,
  oauth = false,
  enrols = false,
): [Kind, string][] => [
  ...(Object.keys(TABLES) as TableKind[]).map((kind): [Kind, string] => [
    'table',
    tableInUse(stage, kind, generations),
  ]),
  ...PURPOSES.map((purpose): [Kind, string] => ['secret', secretName(stage, purpose)]),
  ...functionsOf(oauth).map((name): [Kind, string] => ['function', functionName(stage, name)]),
  ...PURPOSES.map((purpose): [Kind, string] => ['function', rotationFunctionName(stage, purpose)]),
  ['function', keysWatchName(stage)],
  ['function', outboxName(stage)],
  ['function', deliverName(stage)],
  ['function', findStreamName(stage)],
  ...(enrols ? [['function', enrolmentSweepName(stage)] satisfies [Kind, string]] : []),
  ...(several ? [['function', evacuationFunctionName(stage)] satisfies [Kind, string]] : []),
];

const GLOBAL = (Object.keys(TABLES) as TableKind[]).filter((kind) => TABLES[kind].scope === 'global');

/** @param home the home Region: its stack owns the replicas in the other Regions */
export async function checkNames(
  {
    stage,
    kind: stageKind,
    regions,
    keysManagedBy,
    tableGeneration,
    otherTables,
    oauth,
    enrols,
    homeRegion,
  }: DeployPlan,
  { name: region, ledgerGeneration, kmsKeyArn }: PlannedRegion,
  here: Region,
  home: Region,
): Promise<Outcome[]> {
  const ours = namePrefix(stage);
  const hasReplicas = (kind: Kind, name: string) =>
    kind === 'secret' || (kind === 'table' && GLOBAL.some((table) => name.startsWith(`${ours}${table}-`)));
  // Other stages may have stacks whose names begin like these: `prod-eu` those of `prod`.
  const ourStacks = [
    stackName(stage, 'home'),
    ...(['base', 'region'] as const).map((part) => stackName(stage, part, region)),
  ];
  const faults: Outcome[] = [];
  let existing = 0;
  const others = otherTables?.regions.includes(region)
    ? GLOBAL.map((kind): [Kind, string] => ['table', tableName(stage, kind, otherTables.generation)])
    : [];
  const own = namesOf(
    stage,
    { ledgerGeneration, tableGeneration },
    regions.length > 1,
    oauth,
    enrols && region === homeRegion,
  );
  // The stage's key is retained with its alias, also where a Region was removed.
  const alias: [Kind, string][] =
    stageKind === 'prod' && kmsKeyArn === undefined ? [['alias', keyAlias(stage)]] : [];
  for (const [kind, name] of [...own, ...others, ...alias]) {
    const found = await here.find(kind, name);
    // Since the promotion no stack makes secrets, and a schedule on one that is not there fails its stack.
    if (!found && kind === 'secret' && keysManagedBy === region)
      faults.push(
        fail(
          `secret ${name} does not exist, and since the promotion no stack makes it`,
          'make it (docs/upgrade.md, "A promoted stage and new purposes")',
        ),
      );
    if (!found) continue;
    existing++;
    if (found.deletedMs !== undefined) {
      const commands = `aws secretsmanager restore-secret --secret-id ${name} --region ${here.name}, then adopt it`;
      faults.push(
        fail(`secret ${name} was deleted on ${day(found.deletedMs)} and still holds its name`, commands),
      );
      continue;
    }
    // Live keysets, which belong to no stack since the promotion.
    if (kind === 'secret' && keysManagedBy !== undefined) continue;
    const owner =
      (await here.owner(found.id)) ??
      (hasReplicas(kind, name) ? await ownerOfOriginal(kind, name, here, home) : undefined);
    if (owner !== undefined && ourStacks.includes(owner)) continue;
    faults.push(
      owner === undefined
        ? fail(
            `${kind} ${name} exists, but belongs to no stack`,
            kind === 'alias'
              ? `aws kms delete-alias --alias-name ${name} --region ${region}; its key stays, for what it encrypts`
              : 'adopt it (docs/deploy.md, "Re-adoption"), or delete it',
          )
        : fail(`${kind} ${name} belongs to stack ${owner}`, 'choose another stage name'),
    );
  }
  if (faults.length > 0) return faults;
  return [
    ok(
      existing === 0
        ? 'every name is free'
        : `${existing} exist and belong to stacks ${ours}…: this is an update`,
    ),
  ];
}

async function ownerOfOriginal(
  kind: Kind,
  name: string,
  here: Region,
  home: Region,
): Promise<string | undefined> {
  if (here === home) return undefined;
  const original = await home.find(kind, name);
  return original && home.owner(original.id);
}
