/**
 * Checks that every Region can use the shared tables, and that they still replicate to each other. A customer
 * key that is unusable for long takes its Region's replica out of the table for good. The Region is healthy
 * again as soon as its key is, and takes registrations that no other Region sees.
 *
 * Each Region is asked for its own table: the home Region's can be cut off like any other.
 */
import type { DeployPlan } from '../../lambda/contract/deploy-plan.ts';
import { tableKinds, tableName } from '../../lambda/contract/names.ts';
import type { Region, TableState, TableView } from './account.ts';
import { fail, type Outcome, ok } from './outcome.ts';

/** By Region, the shared tables that exist there, by name; or why it could not be asked. */
export type Answers = ReadonlyMap<string, PromiseSettledResult<ReadonlyMap<string, TableView>>>;

/** The states of a table or replica that can be used, or that a deployment is changing. */
const GOOD = ['ACTIVE', 'CREATING', 'UPDATING', 'DELETING'];
const isGood = ({ status }: TableState): boolean => GOOD.includes(status);
const ARCHIVES = ['ARCHIVING', 'ARCHIVED'];

/** What becomes of a table that stays unusable. */
const LATER: Readonly<Record<DeployPlan['consistency'], string>> = {
  eventual: 'after 20 hours it is taken out of the replication for good',
  strong: 'after seven days it may be inaccessible for good',
  single: 'after seven days it is archived',
};

export async function askReplicas(
  { stage, tableGeneration }: DeployPlan,
  regions: readonly Region[],
): Promise<Answers> {
  const names = tableKinds('global').map((kind) => tableName(stage, kind, tableGeneration));
  const answers = await Promise.allSettled(
    regions.map(async (region) => {
      const found = await Promise.all(
        names.map(async (name) => [name, (await region.find('table', name))?.states] as const),
      );
      return new Map(found.flatMap(([name, states]) => (states ? [[name, states] as const] : [])));
    }),
  );
  return new Map(regions.map(({ name }, i) => [name, answers[i]!]));
}

/**
 * @param here the Region to check
 * @throws why it could not be asked, unless the others' answers show what is wrong there
 */
export function checkReplicas({ consistency }: DeployPlan, here: string, answers: Answers): Outcome[] {
  const answered = [...answers.values()].flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const faults: Outcome[] = [];
  const replicatesTo: number[] = [];
  for (const table of new Set(answered.flatMap((tables) => [...tables.keys()]))) {
    const views = answered.flatMap((tables) => {
      const view = tables.get(table);
      return view ? [view] : [];
    });
    const states = views.flat().filter(({ region }) => region === here);
    // A Region that is being added has no table yet.
    if (states.length === 0) continue;
    replicatesTo.push(groupsOf(views).find((group) => group.has(here))!.size - 1);
    const bad = states.find((state) => !isGood(state));
    const fault = cutOff(table, here, views) ?? (bad && unusable(table, bad, consistency));
    if (fault) faults.push(fault);
  }
  if (faults.length > 0) return faults;
  const isAlone = consistency !== 'single' && replicatesTo.includes(0);
  const refused = [answers.get(here)!, ...(isAlone ? answers.values() : [])].find(isRefusal);
  if (refused) throw refused.reason;
  // It has no table yet, or is the first Region of several.
  if (replicatesTo.length === 0 || isAlone) return [];
  return [
    ok(consistency === 'single' ? 'every shared table can be used' : 'every shared table is replicated'),
  ];
}

const isRefusal = (answer: PromiseSettledResult<unknown>): answer is PromiseRejectedResult =>
  answer.status === 'rejected';

/**
 * The Regions that replicate to each other are a group. The largest one is the table; where none is the
 * largest, one whose tables can be used is, if the others' cannot.
 *
 * @returns the fault of a Region that is not in that group, or of all Regions where it is not known
 */
function cutOff(table: string, here: string, views: readonly TableView[]): Outcome | undefined {
  const groups = groupsOf(views);
  const largest = Math.max(...groups.map((group) => group.size));
  const large = groups.filter((group) => group.size === largest);
  const usable = large.filter((group) => views.some(([own]) => group.has(own.region) && isGood(own)));
  const left = usable.length > 0 ? usable : large;
  const isLeft = left.some((group) => group.has(here));
  if (isLeft && left.length === 1) return undefined;
  if (!isLeft)
    return fail(
      `table ${table} is replicated no more: what is registered in ${here} stays there`,
      `countersign evacuate ${here} at once, then docs/runbook.md, replica-cut-off`,
    );
  const between = left.map((group) => [...group].sort().join(' and ')).sort();
  return fail(
    `table ${table} is not replicated between ${between.join(', ')}, and which of them was cut off is not seen here`,
    'evacuate at once the Region whose customer key was unusable for 20 hours (CloudTrail there: DisableKey, ' +
      'ScheduleKeyDeletion, PutKeyPolicy, RevokeGrant), then docs/runbook.md, replica-cut-off',
  );
}

/** @returns the Regions that replicate to each other, as at least one of each two says */
function groupsOf(views: readonly TableView[]): Set<string>[] {
  let groups: Set<string>[] = [];
  for (const view of views) {
    const joined = new Set(view.map(({ region }) => region));
    const [met, apart] = [true, false].map((meets) =>
      groups.filter((group) => [...group].some((region) => joined.has(region)) === meets),
    ) as [Set<string>[], Set<string>[]];
    groups = [...apart, new Set([...joined, ...met.flatMap((group) => [...group])])];
  }
  return groups;
}

function unusable(table: string, { status }: TableState, consistency: DeployPlan['consistency']): Outcome {
  if (ARCHIVES.includes(status))
    return fail(
      `table ${table} is ${status}: its items are only in the backup that DynamoDB made of it`,
      'restore that: docs/runbook.md, table-archived',
    );
  return fail(
    `table ${table} is ${status}: ${LATER[consistency]}`,
    `make its customer key usable again: docs/runbook.md, ${consistency === 'single' ? 'table-archived' : 'replica-cut-off'}`,
  );
}
