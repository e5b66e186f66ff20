/** Which alarms `countersign deploy` judges: the stage's own, by the names that its templates give them. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { awsParts } from '../../cli/deploy/aws-parts.ts';
import { stackIn } from '../../cli/deploy/steps.ts';
import type { DeployPlan } from '../../lambda/contract/deploy-plan.ts';
import { type LocalServer, startServer } from '../../local/server.ts';

const [HERE, AWAY] = ['eu-west-1', 'eu-central-1'] as const;
const OWN = ['countersign-prod-no-keys', `countersign-prod-evacuated-${AWAY}`];
const OTHERS = ['countersign-prod-eu-no-keys', `countersign-prod-eu-evacuated-${AWAY}`];

let server: LocalServer;
beforeAll(async () => {
  server = await startServer(0, new Set());
  server.serve(async (_, response) => {
    const [MetricAlarms, CompositeAlarms] = [OWN, OTHERS].map((names) =>
      names.map((AlarmName) => ({ AlarmName })),
    );
    response.setHeader('content-type', 'application/x-amz-json-1.0');
    response.end(JSON.stringify({ MetricAlarms, CompositeAlarms }));
  });
});
afterAll(() => server.stop());

function alarms(own: DeployPlan['alarms']): Promise<readonly string[]> {
  const plan: DeployPlan = {
    ...{ stage: 'prod', kind: 'prod', homeRegion: HERE, consistency: 'eventual', tableGeneration: 1 },
    ...{ stacks: [], stackRegions: [], concurrencyQuota: 1000, alarms: own },
    regions: [HERE, AWAY].map((name) => ({ name, ledgerGeneration: 1 })),
  };
  const io = { cwd: '.', env: {}, stderr: { write: () => {} } };
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const aws = (region: string) => ({ region, endpoint: server.url, credentials });
  const parts = awsParts(io, { plan, assembly: '', aws, signal: new AbortController().signal });
  return parts.alarms(stackIn('prod', 'region', HERE));
}

it('those of a stage whose name begins like this one are not among them', async () => {
  expect(await alarms({ [HERE]: OWN })).toEqual(OWN);
});

it("a Region's flag counts also where the plan has another keeper; nothing else of another Region does", async () => {
  expect(await alarms({ [AWAY]: OWN })).toEqual([`countersign-prod-evacuated-${AWAY}`]);
});
