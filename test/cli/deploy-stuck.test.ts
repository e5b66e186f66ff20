/** A stack whose first deployment failed: it takes no other one, and `cdk` would only say so at its end. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { awsParts } from '../../cli/deploy/aws-parts.ts';
import type { DeployPlan } from '../../lambda/contract/deploy-plan.ts';
import { type LocalServer, startServer } from '../../local/server.ts';

const STACK = { name: 'countersign-live-home', region: 'eu-west-1', part: 'home' } as const;
let server: LocalServer;
let status = '';
beforeAll(async () => {
  server = await startServer(0, new Set());
  server.serve(async (_, response) => {
    response.setHeader('content-type', 'text/xml');
    response.end(
      '<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks>' +
        `<member><StackName>${STACK.name}</StackName><StackStatus>${status}</StackStatus></member>` +
        '</Stacks></DescribeStacksResult></DescribeStacksResponse>',
    );
  });
});
afterAll(() => server.stop());

function deploy(): Promise<void> {
  const plan: DeployPlan = {
    ...{ stage: 'live', kind: 'prod', homeRegion: 'eu-west-1', consistency: 'single', tableGeneration: 1 },
    ...{ stacks: [], stackRegions: [], regions: [], concurrencyQuota: 1000, alarms: {} },
  };
  // No folder of this project, so that no `cdk` is found there.
  const io = { cwd: '/nowhere', env: { PATH: '' }, stderr: { write: () => {} } };
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const aws = (region: string) => ({ region, endpoint: server.url, credentials });
  return awsParts(io, { plan, assembly: '', aws, signal: new AbortController().signal }).deploy(STACK);
}

it('is named with what must be done first, and cdk is not called', async () => {
  status = 'ROLLBACK_COMPLETE';
  await expect(deploy()).rejects.toThrow(
    /^stack countersign-live-home in eu-west-1 could not be made: .* docs\/deploy.md, "A first deployment that failed"$/,
  );
});

it('is deployed in every other state', async () => {
  for (status of ['CREATE_COMPLETE', 'UPDATE_ROLLBACK_COMPLETE', 'REVIEW_IN_PROGRESS'])
    await expect(deploy()).rejects.not.toThrow('could not be made');
});
