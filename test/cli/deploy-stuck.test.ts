/**
 * A stack whose first deployment failed takes no other one, and `cdk` would only say so at its end. A stack
 * that is being deleted takes no change.
 */
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { awsParts } from '../../cli/deploy/aws-parts.ts';
import type { DeployPlan } from '../../lambda/contract/deploy-plan.ts';
import { type LocalServer, startServer } from '../../local/server.ts';

const STACK = { name: 'countersign-live-home', region: 'eu-west-1', part: 'home' } as const;
let server: LocalServer;
let status = '';
let asked: string[] = [];
beforeAll(async () => {
  server = await startServer(0, new Set());
  server.serve(async (request, response) => {
    const action = new URLSearchParams(await text(request)).get('Action') ?? '';
    asked.push(action);
    if (action === 'UpdateTerminationProtection' && status === 'DELETE_IN_PROGRESS') {
      response.statusCode = 400;
      response.end(
        '<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>TerminationProtection cannot be updated for a DELETE_IN_PROGRESS stack</Message></Error></ErrorResponse>',
      );
      return;
    }
    // The deletion ends while somebody waits for it.
    if (asked.length > 2 && status === 'DELETE_IN_PROGRESS') status = 'DELETE_COMPLETE';
    response.setHeader('content-type', 'text/xml');
    response.end(
      '<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks>' +
        `<member><StackName>${STACK.name}</StackName><StackStatus>${status}</StackStatus></member>` +
        '</Stacks></DescribeStacksResult></DescribeStacksResponse>',
    );
  });
});
afterAll(() => server.stop());

const deploy = (): Promise<void> => parts().deploy(STACK);

function parts() {
  const plan: DeployPlan = {
    ...{ stage: 'live', kind: 'prod', homeRegion: 'eu-west-1', consistency: 'single', tableGeneration: 1 },
    ...{ stacks: [], stackRegions: [], regions: [], concurrencyQuota: 1000, alarms: {} },
  };
  // No folder of this project, so that no `cdk` is found there.
  const io = { cwd: '/nowhere', env: { PATH: '' }, stderr: { write: () => {} } };
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const aws = (region: string) => ({ region, endpoint: server.url, credentials });
  return awsParts(io, { plan, assembly: '', aws, signal: new AbortController().signal });
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

it.each(['remove', 'destroy'] as const)(
  'is waited for where an earlier run has begun its deletion, and takes no change: %s',
  async (verb) => {
    status = 'DELETE_IN_PROGRESS';
    asked = [];
    await parts()[verb](STACK);
    expect(status).toBe('DELETE_COMPLETE');
    expect(new Set(asked)).toEqual(new Set(['DescribeStacks']));
  },
);
