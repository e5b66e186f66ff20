/** The step that pauses replication. */
import { setTimeout as delay } from 'node:timers/promises';
import { tableName } from '../../../lambda/contract/names.ts';
import { idOf, isReadIn } from '../looks.ts';
import { type Step, step } from '../plan.ts';
import type { Tools } from '../tools.ts';

/** Experiments of AWS FIS take whole minutes. */
const PAUSE = 'PT5M';

export const REPLICATION: readonly Step[] = [
  step({
    name: 'replication-pause',
    does: `pauses the replication of registry at the last Region for 5 minutes, by AWS FIS, while users register in both`,
    after: ['keys'],
    needs: ['aws command', 'FIS role'],
    ifFailed: 'An experiment of AWS FIS ends by itself after five minutes.',
    run: pauseReplication,
    checks: [
      { what: 'the experiment ran', holds: ({ ran }) => ran },
      {
        what: 'strong: the Region that is cut off registers nobody',
        when: ({ strong }) => strong,
        holds: ({ away }) => !away,
        rows: ['strong mode: while no second Region can be reached, writes and strong reads fail'],
      },
      {
        what: 'eventual: the Region that is cut off registers users',
        when: ({ strong }) => !strong,
        holds: ({ away }) => away,
      },
      { what: 'the home Region registers meanwhile', holds: ({ home }) => home },
      {
        what: 'strong: what was acknowledged is read in every Region afterwards',
        when: ({ strong }) => strong,
        holds: ({ read }) => read,
      },
      {
        what: 'eventual: what either Region acknowledged arrives in the other afterwards',
        when: ({ strong }) => !strong,
        holds: ({ read }) => read,
        rows: ['eventual mode: writes that have not arrived do so when their Region is back'],
      },
    ],
  }),
];

async function pauseReplication(tools: Tools) {
  const { home, away } = tools;
  const table = tableName(tools.stage, 'registry', tools.recall('generation') === '2' ? 2 : 1);
  const described = await tools.awsCommand(away, ['dynamodb', 'describe-table', '--table-name', table]);
  const strong = described.Table.MultiRegionConsistency === 'STRONG';
  const template = {
    description: 'Countersign: replication of registry paused',
    roleArn: tools.fisRole,
    stopConditions: [{ source: 'none' }],
    targets: {
      table: {
        resourceType: 'aws:dynamodb:global-table',
        resourceArns: [described.Table.TableArn],
        selectionMode: 'ALL',
      },
    },
    actions: {
      pause: {
        actionId: 'aws:dynamodb:global-table-pause-replication',
        parameters: { duration: PAUSE },
        targets: { Tables: 'table' },
      },
    },
  };
  const made = ['fis', 'create-experiment-template', '--cli-input-json', JSON.stringify(template)];
  const { experimentTemplate } = await tools.awsCommand(away, made);
  const status = async (id: string): Promise<string> =>
    (await tools.awsCommand(away, ['fis', 'get-experiment', '--id', id])).experiment.state.status;
  try {
    const start = ['fis', 'start-experiment', '--experiment-template-id', experimentTemplate.id];
    const { id } = (await tools.awsCommand(away, start)).experiment;
    const ran = await tools.until('the experiment runs', 120, async () => (await status(id)) === 'running');
    // The experiment denies replication by a policy of the table, which takes effect within a minute.
    await delay(60_000);
    const acknowledged = await Promise.all(
      [home, away].map((region) => idOf(tools, region, `paused-${region}-${Date.now()}`)),
    );
    await tools.until('the end of the experiment', 600, async () =>
      ['completed', 'stopped', 'failed'].includes(await status(id)),
    );
    const ids = acknowledged.filter((each) => each !== undefined);
    const read = await tools.until('what was acknowledged, in every Region', 900, async () => {
      const looks = ids.flatMap((each) => tools.regions.map(({ name }) => isReadIn(tools, name, each)));
      return (await Promise.all(looks)).every(Boolean);
    });
    return { ran, strong, home: acknowledged[0] !== undefined, away: acknowledged[1] !== undefined, read };
  } finally {
    await tools.awsCommand(away, ['fis', 'delete-experiment-template', '--id', experimentTemplate.id]);
  }
}
