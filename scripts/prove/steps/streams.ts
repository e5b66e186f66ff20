/** The step that looks at the streams of the shared tables, and at what reads them. */
import { outboxName, tableKinds, tableName } from '../../../lambda/contract/names.ts';
import { type Step, step } from '../plan.ts';
import type { Tools } from '../tools.ts';

export const STREAMS: readonly Step[] = [
  step({
    name: 'streams',
    does: "looks at the stream of each Region's replica, and at the mappings that read it",
    after: ['deploy'],
    needs: ['aws command'],
    run: lookAtStreams,
    checks: [
      {
        what: 'strong: the stream of each replica is on',
        when: ({ strong }) => strong,
        holds: ({ on }) => on,
        rows: [
          "strong mode: each replica's stream has a switch of its own, so a Region's stack turns its stream on where it is off",
          "strong mode: `UpdateTable` with a stream's specification changes the replica of its Region, needs rights on that one alone, and may be refused while the table changes",
        ],
      },
      { what: 'eventual: the same', when: ({ strong }) => !strong, holds: ({ on }) => on },
      { what: 'a mapping reads each of them', holds: ({ read }) => read },
      {
        what: 'each mapping reports its reads, while nothing changes',
        holds: ({ reported }) => reported,
        rows: [
          'a mapping that reads reports its reads, also of a stream without changes; one that is disabled or may not read reports nothing',
        ],
      },
    ],
  }),
];

async function lookAtStreams(tools: Tools) {
  const generation = tools.recall('generation') === '2' ? 2 : 1;
  const looks = await Promise.all(
    tools.regions.flatMap(({ name: region }) =>
      tableKinds('global').map((kind) => lookAt(tools, region, tableName(tools.stage, kind, generation))),
    ),
  );
  const all = (member: 'strong' | 'on' | 'read' | 'reported') => looks.every((each) => each[member]);
  return { strong: all('strong'), on: all('on'), read: all('read'), reported: all('reported') };
}

async function lookAt({ stage, awsCommand, until }: Tools, region: string, table: string) {
  const { Table } = await awsCommand(region, ['dynamodb', 'describe-table', '--table-name', table]);
  const stream = Table.LatestStreamArn as string | undefined;
  const list = ['lambda', 'list-event-source-mappings', '--function-name', outboxName(stage)];
  const { EventSourceMappings } = await awsCommand(region, list);
  const mapping = EventSourceMappings.find(
    ({ EventSourceArn }: { EventSourceArn: string }) => EventSourceArn === stream,
  );
  const polls = async (): Promise<boolean> => {
    const [from, to] = [Date.now() - 900_000, Date.now()].map((ms) => new Date(ms).toISOString());
    const { Datapoints } = await awsCommand(region, [
      ...['cloudwatch', 'get-metric-statistics', '--namespace', 'AWS/Lambda'],
      ...['--metric-name', 'PolledEventCount', '--statistics', 'SampleCount', '--period', '300'],
      ...['--dimensions', `Name=EventSourceMappingUUID,Value=${mapping.UUID}`],
      ...['--start-time', from!, '--end-time', to!],
    ]);
    return Datapoints.length > 0;
  };
  return {
    strong: Table.MultiRegionConsistency === 'STRONG',
    on: Table.StreamSpecification?.StreamEnabled === true,
    read: mapping?.State === 'Enabled',
    reported: mapping !== undefined && (await until(`reads of ${table} in ${region}`, 900, polls)),
  };
}
