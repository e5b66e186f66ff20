/**
 * Checks that the shared tables are still replicated to a Region. A customer key that is unusable for long
 * takes its Region's replica out of the table for good. The Region is healthy again as soon as its key is,
 * and takes registrations that no other Region sees.
 */
import type { DeployPlan } from '../../lambda/contract/deploy-plan.ts';
import { tableKinds, tableName } from '../../lambda/contract/names.ts';
import type { Region } from './account.ts';
import { fail, type Outcome, ok } from './outcome.ts';

/** The states of a replica that replicates, or that a deployment is changing. */
const GOOD = ['ACTIVE', 'CREATING', 'UPDATING', 'DELETING'];

/** @param home the home Region: every Region's replica is one of its table */
export async function checkReplicas(
  { stage, consistency, tableGeneration }: DeployPlan,
  here: Region,
  home: Region,
): Promise<Outcome[]> {
  if (consistency === 'single') return [];
  const faults: Outcome[] = [];
  let existing = 0;
  for (const kind of tableKinds('global')) {
    const name = tableName(stage, kind, tableGeneration);
    const original = await home.find('table', name);
    if (!original) continue;
    const state = original.states?.find(({ region }) => region === here.name);
    // A Region that is being added has no table yet.
    if (!state && !(await here.find('table', name))) continue;
    existing++;
    if (!state)
      faults.push(
        fail(
          `table ${name} is replicated no more: what is registered in ${here.name} stays there`,
          `countersign evacuate ${here.name} at once, then docs/runbook.md, replica-cut-off`,
        ),
      );
    else if (!GOOD.includes(state.status))
      faults.push(
        fail(
          `table ${name} is ${state.status}: after 20 hours it is taken out of the replication for good`,
          'make its customer key usable again: docs/runbook.md, replica-cut-off',
        ),
      );
  }
  return faults.length > 0 || existing === 0 ? faults : [ok('every shared table is replicated')];
}
