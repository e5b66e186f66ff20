/** The way to other tables (docs/upgrade.md, "Other tables"), for a stage whose tables keep their Regions. */
import type { DeployPlan } from '../../lambda/contract/deploy-plan.ts';
import { stageArguments } from '../target.ts';

/** A step of that page, under its number there. */
interface TablesStep {
  readonly when?: string;
  readonly commands: readonly string[];
}

export const RECORD_COMMAND = 'npx cdk synth -c countersign:lock=write';

export function tablesSteps(plan: DeployPlan): TablesStep[] {
  const now = plan.tableGeneration;
  const next = now + 1;
  const args = stageArguments(plan);
  const other = (generation: number) =>
    `other: { generation: ${generation}, regions: [...], witnessRegion: ... }`;
  return [
    {
      when: `set tables: { ${other(next)} } in the config`,
      commands: [RECORD_COMMAND, 'npx countersign deploy'],
    },
    {
      when: 'while users still register, to see how long it takes',
      commands: [`npx countersign registry copy --to-generation ${next} --while-writing${args}`],
    },
    {
      when: 'evacuate each Region that will not serve any more (countersign evacuate REGION), then stop the writes in every one',
      commands: [`npx countersign registry stop-writes${args}`],
    },
    {
      when: 'as often as needed until it ends with complete and equal',
      commands: [`npx countersign registry copy --to-generation ${next}${args}`],
    },
    {
      when: `set regions and witnessRegion as wanted, and tables: { generation: ${next}, ${other(now)} }, in the config`,
      commands: [RECORD_COMMAND, 'npx countersign deploy --watch 0s'],
    },
    {
      when: `once every Region uses generation ${next}, with the Regions that serve then`,
      commands: [`npx countersign registry resume-writes${args}`],
    },
    {
      when: 'a day and an hour later, for the events of changes that no stream held',
      commands: [`npx countersign events rebuild --since 50h${args}`],
    },
  ];
}

/**
 * A strongly consistent set never changes: AWS removes a replica and the witness together, and leaves one
 * Region.
 *
 * @param what cannot be done
 */
export function otherTables(plan: DeployPlan, what: string): string {
  const lines = tablesSteps(plan).map(
    ({ when, commands }, i) =>
      `${i + 1}. ${when === undefined ? '' : `${when}: `}${commands.join(', commit, ')}`,
  );
  return [
    `${what}: strongly consistent tables keep their Regions. Copy them into tables of the Regions that you want ` +
      '(docs/upgrade.md, "Other tables", has each step under the same number):',
    ...lines,
  ].join('\n');
}
