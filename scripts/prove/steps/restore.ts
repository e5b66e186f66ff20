/** The steps that restore a table, and take it into use. */
import { tableName } from '../../../lambda/contract/names.ts';
import { allOf, registers } from '../looks.ts';
import { type Step, step } from '../plan.ts';
import type { Tools } from '../tools.ts';

export const RESTORE: readonly Step[] = [
  step({
    name: 'restored-table',
    does: 'restores registry to a point in time, into a table of another name',
    after: ['register'],
    needs: ['aws command', 'generations'],
    async run(tools) {
      const asked = ['dynamodb', 'restore-table-to-point-in-time', '--source-table-name'];
      const target = restored(tools);
      const exists = await tools
        .awsCommand(tools.home, ['dynamodb', 'describe-table', '--table-name', target])
        .then(
          () => true,
          () => false,
        );
      if (!exists)
        await tools.awsCommand(tools.home, [
          ...[...asked, tableName(tools.stage, 'registry'), '--target-table-name', target],
          '--use-latest-restorable-time',
        ]);
      return tools.until('the restored table', 3_600, async () => {
        const described = ['dynamodb', 'describe-table', '--table-name', target];
        return (await tools.awsCommand(tools.home, described)).Table.TableStatus === 'ACTIVE';
      });
    },
    checks: [
      {
        what: 'the table is restored under a name of its own (how far back is not seen)',
        holds: (active) => active,
        rows: ['point-in-time recovery goes back 35 days, and restores to a new table'],
      },
    ],
  }),
  step({
    name: 'restore-copy',
    does: 'makes tables of generation 2, stops writes, and copies the restored table into them',
    after: ['restored-table'],
    needs: ['generations'],
    ifFailed: 'Writes may be stopped: `countersign registry resume-writes` ends that.',
    async run(tools) {
      await tools.deploy({ tables: { other: { generation: 2 } } });
      await tools.countersign(['registry', 'stop-writes']);
      const from = ['--from-table', restored(tools)];
      return tools.countersign(['registry', 'copy', '--to-generation', '2', ...from]);
    },
    checks: [
      {
        what: 'the copy is complete and equal',
        holds: ({ code, json }) => code === 0 && json.complete === true,
      },
    ],
  }),
  step({
    name: 'restore-use',
    does: 'takes generation 2 into use, and lets writes go on',
    after: ['restore-copy'],
    needs: ['generations'],
    ifFailed: 'Writes may be stopped: `countersign registry resume-writes` ends that.',
    async run(tools) {
      await tools.deploy({ tables: { generation: 2, other: { generation: 1 } } });
      tools.remember('generation', '2');
      const { json } = await tools.countersign(['registry', 'show']);
      await tools.countersign(['registry', 'resume-writes']);
      await tools.awsCommand(tools.home, ['dynamodb', 'delete-table', '--table-name', restored(tools)]);
      const works = await tools.until('registrations', 120, async () => allOf(await registers(tools)));
      return { shown: JSON.stringify(json), table: tableName(tools.stage, 'registry', 2), works };
    },
    checks: [
      { what: 'the Regions use generation 2', holds: ({ shown, table }) => shown.includes(`"${table}"`) },
      { what: 'every Region registers', holds: ({ works }) => works },
    ],
  }),
];

const restored = ({ stage }: Tools): string => `countersign-${stage}-registry-restored`;
