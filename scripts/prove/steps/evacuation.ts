/** The steps that take a Region out of service, and back. */
import { get } from 'node:https';
import { json as readJson } from 'node:stream/consumers';
import { evacuationAlarmName } from '../../../lambda/contract/evacuation.ts';
import { allOf, registers } from '../looks.ts';
import { type Step, step } from '../plan.ts';
import type { Tools } from '../tools.ts';

export const EVACUATION: readonly Step[] = [
  step({
    name: 'evacuation',
    does: 'evacuates the Region that the entry leads to (`countersign evacuate`)',
    after: ['keys'],
    needs: ['alarms', 'domain'],
    ifFailed: 'A Region may be evacuated: `countersign return` ends that.',
    async run(tools) {
      const out = tools.recall('evacuated') ?? (await entryRegion(tools)) ?? tools.home;
      tools.remember('evacuated', out);
      const { code, json } = await tools.countersign(['evacuate', out, '--yes', '--timeout', '10m']);
      const elsewhere = await tools.until('the entry leads elsewhere', 600, async () => {
        const region = await entryRegion(tools);
        return region !== undefined && region !== out;
      });
      const others = tools.regions.filter(({ name }) => name !== out);
      const works = await registers(tools, others);
      return { code, alarm: json.alarm as unknown, elsewhere, works };
    },
    checks: [
      {
        what: 'both flags stand and the alarm fired',
        holds: ({ code, alarm }) => code === 0 && alarm === 'ALARM',
      },
      { what: 'the entry leads to another Region', holds: ({ elsewhere }) => elsewhere },
      { what: 'the other Regions register', holds: ({ works }) => allOf(works) },
    ],
  }),
  step({
    name: 'return',
    does: 'returns that Region (`countersign return`) and waits for the hold-down',
    after: ['evacuation'],
    needs: ['alarms', 'domain'],
    async run(tools) {
      const out = tools.recall('evacuated')!;
      const { code } = await tools.countersign(['return', out, '--yes', '--timeout', '10m']);
      const { url } = tools.regions.find(({ name }) => name === out)!;
      const healthy = await tools.until(
        'health of the Region',
        900,
        async () => (await fetch(`${url}/v1/health`)).ok,
      );
      const back = await tools.until(
        'the entry leads back',
        600,
        async () => (await entryRegion(tools)) === out,
      );
      return { code, healthy, back, works: await registers(tools) };
    },
    checks: [
      { what: 'no flag stands and the alarm ended', holds: ({ code }) => code === 0 },
      { what: 'the Region is healthy after the hold-down', holds: ({ healthy }) => healthy },
      {
        what: 'the entry, which led elsewhere, leads to it again',
        holds: ({ back }) => back,
        rows: ['a calculated check is healthy if enough of its children are'],
      },
      { what: 'every Region registers', holds: ({ works }) => allOf(works) },
    ],
  }),
  step({
    name: 'silence',
    does: 'waits until the alarm of the evacuation has no data any more',
    after: ['return'],
    needs: ['alarms', 'domain', 'aws command'],
    async run(tools) {
      const out = tools.recall('evacuated')!;
      const name = evacuationAlarmName(tools.stage, out);
      const asked = ['cloudwatch', 'describe-alarms', '--alarm-names', name];
      const silent = await tools.until('no data in the alarm', 2_400, async () => {
        const found = await Promise.all(tools.regions.map((each) => tools.awsCommand(each.name, asked)));
        const states = found.flatMap(({ MetricAlarms }) => MetricAlarms as { readonly StateValue: string }[]);
        return states.some(({ StateValue }) => StateValue === 'INSUFFICIENT_DATA');
      });
      return { silent, region: await entryRegion(tools), out };
    },
    checks: [
      {
        what: 'the alarm has insufficient data once its metric ended',
        holds: ({ silent }) => silent,
        rows: [
          'an alarm without data in its whole evaluation range has insufficient data, if missing data is to stay missing',
        ],
      },
      {
        what: 'the entry still leads to the Region',
        holds: ({ region, out }) => region === out,
        rows: ['a check that is set to keep the last status does so while its alarm has no data'],
      },
    ],
  }),
];

/**
 * @returns the Region that answers at the entry for whoever asks from here. Each look has a connection of its
 * own, so that it asks the name server again.
 */
async function entryRegion({ entry }: Tools): Promise<string | undefined> {
  const answer = Promise.withResolvers<string | undefined>();
  get(`${entry}/v1/health`, { agent: false, timeout: 10_000 }, async (response) => {
    const { region } = (await readJson(response).catch(() => ({}))) as { readonly region?: string };
    answer.resolve(response.statusCode === 200 ? region : undefined);
  }).on('error', () => answer.resolve(undefined));
  return answer.promise;
}
