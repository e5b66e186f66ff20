import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import {
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  EC2Client,
} from '@aws-sdk/client-ec2';
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { CreateTopicCommand, SNSClient } from '@aws-sdk/client-sns';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { awsParts } from '../../cli/deploy/aws-parts.ts';
import { awsAccount } from '../../cli/preflight/aws-account.ts';
import { type Finding, runChecks } from '../../cli/preflight/checks.ts';
import { namesOf } from '../../cli/preflight/names.ts';
import type { DeployPlan, PlannedRegion } from '../../lambda/contract/deploy-plan.ts';
import { tableName } from '../../lambda/contract/names.ts';
import { type Deployment, startDeployment } from '../../local/deploy/deployment.ts';
import { pythonWith } from '../../local/real/python.ts';
import { CountersignClient, NotFoundError } from '../../sdk/typescript/index.ts';
import { checkedFetch } from '../support/checked-fetch.ts';
import { hs256, type Signer } from '../support/signer.ts';
import { type Client, connect } from './client.ts';
import { inventory } from './inventory.ts';
import { countersign } from './operator.ts';

const REGIONS = ['eu-west-1', 'eu-central-1'];
/** Within this time every Region refuses a key that it confirmed as revoked. */
const REVOKED_AFTER_MS = 10_000;
/** The longest time that a test waits for the CDK. */
const DEPLOY_MS = 300_000;
const run = promisify(execFile);
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

let deployment: Deployment;
let before: Record<string, string[]>;
/** Resources of the home Region that a config could name. */
let named: Pick<PlannedRegion, 'kmsKeyArn' | 'alarmTopicArn' | 'network'>;
let preflightBefore: Finding[];
let signer: Signer;
let basicKey: string;

beforeAll(async () => {
  deployment = await startDeployment({ stage: 'ci', regions: REGIONS });
  named = await nameable(deployment.aws(REGIONS[0]!));
  before = await inventory(deployment);
  preflightBefore = await preflight();
  await deployment.deploy();
});
afterAll(() => deployment?.stop());

const urlOf = (region: string): string => deployment.regions.find(({ name }) => name === region)!.url;
const clientOf = (region: string): Client => connect(urlOf(region), deployment.regions[0]!.url, signer);
const fetchJson = async (url: string) => {
  const answer = await checkedFetch()(url);
  return { status: answer.status, body: await answer.json() };
};

/** The account's state, including a Region outside the platform that is not bootstrapped. */
async function preflight(): Promise<Finding[]> {
  const account = awsAccount(deployment.aws, REGIONS[0]!);
  const { account: id } = await account.identity();
  const [home, ...others] = REGIONS.map((name) => ({ name, ledgerGeneration: 1 }));
  const regions = [{ ...home!, ...named }, ...others];
  const stackRegions = [...REGIONS, 'us-west-2'];
  const stage = {
    stage: 'ci',
    kind: 'dev',
    homeRegion: REGIONS[0]!,
    concurrencyQuota: 1000,
    alarms: {},
  } as const;
  return runChecks(
    account,
    id,
    { ...stage, stackRegions, consistency: 'single', tableGeneration: 1, stacks: [], regions },
    Date.now(),
  );
}

async function nameable(aws: ReturnType<Deployment['aws']>): Promise<typeof named> {
  const { KeyMetadata } = await new KMSClient(aws).send(new CreateKeyCommand({}));
  const { TopicArn } = await new SNSClient(aws).send(new CreateTopicCommand({ Name: 'named' }));
  const ec2 = new EC2Client(aws);
  const { Vpc } = await ec2.send(new CreateVpcCommand({ CidrBlock: '10.9.0.0/16' }));
  const VpcId = Vpc!.VpcId!;
  const { Subnet } = await ec2.send(new CreateSubnetCommand({ VpcId, CidrBlock: '10.9.0.0/24' }));
  const { GroupId } = await ec2.send(
    new CreateSecurityGroupCommand({ VpcId, GroupName: 'named', Description: 'named' }),
  );
  const network = { vpcId: VpcId, subnetIds: [Subnet!.SubnetId!], securityGroupIds: [GroupId!] };
  return { kmsKeyArn: KeyMetadata!.Arn!, alarmTopicArn: TopicArn!, network };
}

async function ledgerRows(region: string): Promise<string[]> {
  const { Items = [] } = await new DynamoDBClient(deployment.aws(region)).send(
    new ScanCommand({ TableName: tableName(deployment.stage, 'ledger') }),
  );
  return Items.map((item) => item.pk!.S!).filter((pk) => !pk.startsWith('#'));
}

it('preflight distinguishes bootstrapped Regions from others, and free names from taken ones', async () => {
  const say = ({ verdict, region, check, detail }: Finding) => `${verdict} ${region} ${check}: ${detail}`;
  const told = preflightBefore.map(say);
  expect(told).toContain('fail null bootstrap: us-west-2 has none; needed: version 6, qualifier hnb659fds');
  const after = await preflight();
  for (const region of REGIONS) {
    expect(told).toContain(`ok ${region} names: every name is free`);
    // The emulator does not report who owns them (docs/emulator.md).
    const taken = after.filter((finding) => finding.region === region && finding.check === 'names');
    expect(taken).toHaveLength(namesOf('ci', { ledgerGeneration: 1, tableGeneration: 1 }, true).length);
  }
});

it('preflight distinguishes resources of the config that exist from missing ones', async () => {
  const told = async (region: Omit<PlannedRegion, 'ledgerGeneration'>) => {
    const account = awsAccount(deployment.aws, REGIONS[0]!);
    const found = await runChecks(
      account,
      '000000000000',
      {
        ...{ stage: 'other', kind: 'prod', homeRegion: REGIONS[0]!, stackRegions: [REGIONS[0]!] },
        consistency: 'single',
        tableGeneration: 1,
        stacks: [],
        regions: [{ ledgerGeneration: 1, ...region }],
        concurrencyQuota: 1000,
        alarms: {},
        apiGatewayRole: 'existing',
      },
      Date.now(),
    );
    const names = ['customer key', 'alarm topic', 'network', 'API Gateway role'];
    return found
      .filter(({ check }) => names.includes(check))
      .map(({ verdict, check, detail }) => `${verdict} ${check}: ${detail}`);
  };
  const { kmsKeyArn, alarmTopicArn, network } = named as Required<typeof named>;
  const { vpcId, subnetIds, securityGroupIds } = network;
  // The deployment has created one.
  const role = expect.stringMatching(/^ok API Gateway role: arn:aws:iam::\d+:role\/countersign-account-/);
  expect(await told({ name: REGIONS[0]!, ...named })).toEqual([
    role,
    `ok customer key: ${kmsKeyArn} is enabled`,
    `ok alarm topic: ${alarmTopicArn} takes alarms`,
    `ok network: ${vpcId} has ${[...subnetIds, ...securityGroupIds].join(', ')}`,
  ]);
  // A service answers for its own Region only.
  expect(await told({ name: REGIONS[1]!, ...named })).toEqual([
    role,
    `fail customer key: there is no key ${kmsKeyArn}`,
    `fail alarm topic: there is no topic ${alarmTopicArn}`,
    `fail network: there is no VPC ${vpcId} in ${REGIONS[1]}`,
  ]);
});

it.each(REGIONS)('%s issues no nonce before there are keys', async (region) => {
  expect(await fetchJson(`${urlOf(region)}/v1/nonce?client_id=early`)).toMatchObject({
    status: 503,
    body: { code: 'unavailable' },
  });
});

it('an operator with AWS credentials creates the keys once, and then clients', async () => {
  await countersign(deployment, ['keys', 'init'], REGIONS);
  const first = await countersign(deployment, ['keys', 'list'], REGIONS);
  // The second run finds them.
  await countersign(deployment, ['keys', 'init'], REGIONS);
  expect(await countersign(deployment, ['keys', 'list'], REGIONS)).toEqual(first);

  const made = await countersign(deployment, ['clients', 'create', 'billing', '--profile', 'strict']);
  const { client_id: clientId, api_key: apiKey, kid } = made;
  expect(apiKey).toMatch(/^csk_billing_1_/);
  signer = { clientId, apiKey, kid };

  const expires = new Date(Date.now() + 24 * 3600 * 1000).toISOString();
  const basic = ['--profile', 'basic', '--expires-at', expires];
  ({ api_key: basicKey } = await countersign(deployment, ['clients', 'create', 'nightly', ...basic]));
  await deployment.replicas.synchronise();
});

describe.each(REGIONS)('in %s', (region) => {
  it('an operator finds the clients', async () => {
    const client = await countersign(deployment, ['clients', 'show', 'billing'], [region]);
    expect(client).toMatchObject({ client_id: 'billing', disabled: false });
  });

  it('discovery names the issuer and every Region by the base URL that it was given', async () => {
    const { body } = await fetchJson(`${urlOf(region)}/.well-known/countersign`);
    expect(body).toMatchObject({ issuer: urlOf(REGIONS[0]!), regions: deployment.regions });
    expect(body.registration_schema.required).toEqual(['user_id']);
  });

  it('a user is registered, read back and deleted', async () => {
    const client = clientOf(region);
    const user = { user_id: `ada-${region}`, email: 'ada@example.com' };
    const made = await client.send(await client.prepare(user));
    expect(made).toMatchObject({ status: 201, body: { client_id: 'billing', data: user } });

    const path = `/v1/registrations/${made.body.id}`;
    expect(made.headers.get('Location')).toBe(urlOf(region) + path);
    expect(await client.send(client.read(path))).toMatchObject({ status: 200, body: made.body });
    expect(await client.send(await client.remove(path))).toMatchObject({ status: 204 });
    const gone = await client.send(client.read(path));
    expect(gone).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  it('of 25 replays of one proof at once one registers, and the ledger holds one row for them', async () => {
    const client = clientOf(region);
    const rows = await ledgerRows(region);
    const request = await client.prepare({ user_id: `replayed-${region}` });
    const answers = await Promise.all(Array.from({ length: 25 }, () => client.send(request)));
    const told = answers.map(({ status, body }) => (status === 201 ? 201 : `${status} ${body.code}`));
    expect(told.sort()).toEqual([201, ...Array(24).fill('401 use_nonce')]);
    expect((await ledgerRows(region)).length).toBe(rows.length + 1);
  });

  it('the TypeScript SDK configures itself, registers one and many, reads back and deletes', async () => {
    await using sdk = new CountersignClient({
      url: urlOf(region),
      apiKey: signer.apiKey,
      fetch: checkedFetch() as typeof fetch,
    });
    const { id, replayed } = await sdk.register({ user_id: `grace-${region}` });
    expect(replayed).toBe(false);
    expect((await sdk.get(id)).data).toEqual({ user_id: `grace-${region}` });
    await sdk.delete(id);
    await expect(sdk.get(id)).rejects.toThrow(NotFoundError);

    const users = Array.from({ length: 20 }, (_, i) => ({ user_id: `batch-${region}-${i}` }));
    const registered = new Set<string>();
    for await (const { ok, user } of sdk.registerBatch(users, { concurrency: 4 }))
      if (ok) registered.add(user.user_id);
    expect(registered).toEqual(new Set(users.map(({ user_id }) => user_id)));
  });

  it('the Python example, which uses nothing of this project, registers as a basic client', async () => {
    const python = await pythonWith(path('../../examples/python/requirements.txt'));
    const env = { PATH: process.env.PATH, COUNTERSIGN_URL: urlOf(region), COUNTERSIGN_BASIC_KEY: basicKey };
    const args = [path('../../examples/python/register.py'), `margaret-${region}`];
    const { stdout } = await run(python, args, { env });
    const [status, ...body] = stdout.split(' ');
    expect(status).toBe('201');
    expect(JSON.parse(body.join(' '))).toMatchObject({
      client_id: 'nightly',
      user_id: `margaret-${region}`,
    });
  });

  it('a body that is not UTF-8 is refused, even from a client whose proof covers no body', async () => {
    const asked = { headers: { Authorization: `Bearer ${basicKey}` } };
    const { nonce } = await (await checkedFetch()(`${urlOf(region)}/v1/nonce`, asked)).json();
    const exp = Math.floor(Date.now() / 1000) + 120;
    const proof = hs256(basicKey, { alg: 'HS256' }, { iss: 'nightly', nonce, exp });
    const answer = await checkedFetch()(`${urlOf(region)}/v1/register`, {
      method: 'POST',
      headers: { Authorization: `JWT ${proof}`, 'Content-Type': 'application/json; charset=utf-8' },
      body: Buffer.from('{"user_id":"\xff"}', 'latin1'),
    });
    expect(answer.status).toBe(400);
    expect((await answer.json()).code).toBe('malformed_request');
  });

  it('a request without a route gets a problem, and runs no function', async () => {
    for (const [method, path] of [
      ['GET', '/v2/nonce'],
      ['PUT', '/v1/nonce'],
      ['GET', '/v1'],
    ] as const) {
      const answer = await fetch(urlOf(region) + path, { method });
      expect(answer.status).toBe(404);
      expect(answer.headers.get('Content-Type')).toBe('application/problem+json');
      expect(await answer.text()).toContain('"code":"not_found"');
    }
  });

  it("an unsupported media type gets API Gateway's own problem, with the request id", async () => {
    const init = { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body: 'x' };
    const answer = await fetch(`${urlOf(region)}/v2/nonce`, init);
    expect(answer.status).toBe(415);
    expect(answer.headers.get('Content-Type')).toBe('application/problem+json');
    const { code, instance } = await answer.json();
    expect(code).toBe('unsupported_media_type');
    expect(instance).toBe(`urn:uuid:${answer.headers.get('Countersign-Request-Id')}`);
  });

  it('health passes once there are keys', async () => {
    const ask = () => fetchJson(`${urlOf(region)}/v1/health`);
    let answer = await ask();
    // Earlier requests found no keys, and an instance changes its answer only after two results.
    while (answer.status !== 200) {
      await delay(1_000);
      answer = await ask();
    }
    expect(answer.body).toEqual({
      status: 'pass',
      checks: { ledger: 'pass', registry: 'pass', keys: 'pass' },
      region,
    });
  });
});

describe.each(REGIONS.slice(1))('between the home Region and %s', (away) => {
  it('a nonce of one Region is accepted in that Region only', async () => {
    const [here, there] = [clientOf(REGIONS[0]!), clientOf(away)];
    const nonce = await here.nonce();
    const user = { user_id: `one-nonce-${away}` };
    const refused = await there.send(await there.prepare(user, nonce));
    expect(refused).toMatchObject({ status: 401, body: { code: 'use_nonce' } });
    expect(await here.send(await here.prepare(user, nonce))).toMatchObject({ status: 201 });
  });

  it('a registration in one Region is read, recognised and deleted in the other, once it is replicated', async () => {
    const [here, there] = [clientOf(REGIONS[0]!), clientOf(away)];
    const user = { user_id: `traveller-${away}` };
    const made = await here.send(await here.prepare(user));
    const path = `/v1/registrations/${made.body.id}`;
    expect(await there.send(there.read(path))).toMatchObject({ status: 404 });

    await deployment.replicas.synchronise();
    expect(await there.send(there.read(path))).toMatchObject({ status: 200, body: made.body });
    const again = await there.send(await there.prepare(user));
    expect(again).toMatchObject({ status: 201, body: made.body });
    expect(again.headers.get('Idempotency-Replayed')).toBe('true');
    expect(await there.send(await there.remove(path))).toMatchObject({ status: 204 });

    await deployment.replicas.synchronise();
    expect(await here.send(here.read(path))).toMatchObject({ status: 404 });
  });
});

it(
  'an update in place changes the setting and loses nothing',
  async () => {
    const region = REGIONS[0]!;
    const client = clientOf(region);
    const made = await client.send(await client.prepare({ user_id: 'kept' }));
    const used = await client.prepare({ user_id: 'used' });
    expect((await client.send(used)).status).toBe(201);
    const outstanding = await client.prepare({ user_id: 'outstanding' });
    const nonceUrl = `${urlOf(region)}/v1/nonce?client_id=billing`;
    expect((await fetchJson(nonceUrl)).body.expires_in).toBe(300);

    await deployment.deploy({ nonceLife: 'PT4M' });

    for (const name of REGIONS) {
      const { body } = await fetchJson(`${urlOf(name)}/v1/nonce?client_id=billing`);
      expect(body.expires_in).toBe(240);
    }
    const kept = await client.send(client.read(`/v1/registrations/${made.body.id}`));
    expect(kept).toMatchObject({ status: 200, body: made.body });
    expect(await client.send(used)).toMatchObject({ status: 401, body: { code: 'use_nonce' } });
    expect(await client.send(outstanding)).toMatchObject({ status: 201 });
  },
  DEPLOY_MS,
);

it('after a rotation nobody is refused; after revoking a leaked key, every Region refuses its signatures', async () => {
  const rotated = await countersign(deployment, ['keys', 'rotate', 'nonce'], REGIONS);
  expect(rotated.keys.map(({ state }: { state: string }) => state)).toEqual(['current', 'next']);
  const kids = rotated.keys.map(({ kid }: { kid: string }) => kid);
  expect(rotated.regions).toEqual(REGIONS.map((region) => ({ region, kids, revoked: [] })));
  const register = async (region: string, user_id: string) => {
    const client = clientOf(region);
    return client.send(await client.prepare({ user_id }));
  };
  for (const region of REGIONS) expect((await register(region, `rotated-${region}`)).status).toBe(201);

  const held = await Promise.all(
    REGIONS.map((region) => clientOf(region).prepare({ user_id: `stolen-${region}` })),
  );
  const revoked = await countersign(deployment, ['keys', 'revoke', 'nonce', '--yes'], REGIONS);
  expect(revoked.regions).toEqual(REGIONS.map((region) => ({ region, confirmed: true })));
  await delay(REVOKED_AFTER_MS);
  for (const [i, region] of REGIONS.entries())
    expect(await clientOf(region).send(held[i]!)).toMatchObject({ status: 401, body: { code: 'use_nonce' } });
  for (const region of REGIONS) {
    const first = await register(region, `after-${region}`);
    if (first.status === 201) continue;
    // A copy of the keyset may still issue nonces of the old key. The refusal brings a good nonce.
    const client = clientOf(region);
    const again = await client.prepare({ user_id: `after-${region}` }, first.headers.get('Replay-Nonce')!);
    expect((await client.send(again)).status).toBe(201);
  }
});

it(
  "a Region that the project has no longer is removed: its replicas' protection, its stack, and again without an error",
  async () => {
    const [home, region] = REGIONS as [string, string];
    const plan: DeployPlan = {
      ...{ stage: deployment.stage, kind: 'prod', homeRegion: home, consistency: 'eventual' },
      ...{
        tableGeneration: 1,
        stacks: [],
        stackRegions: [home],
        regions: [],
        concurrencyQuota: 1000,
        alarms: {},
      },
    };
    const io = { cwd: '.', env: {}, stderr: { write: () => {} } };
    const { signal } = new AbortController();
    const parts = awsParts(io, { plan, assembly: '', aws: deployment.aws, signal });
    const name = `countersign-${deployment.stage}-region-${region}`;
    const stack = { name, region, part: 'region' } as const;
    expect(await parts.exists(stack)).toBe(true);
    expect(await parts.health(stack)).toEqual({ is: 'healthy' });
    for (const _ of ['first', 'again']) {
      await parts.unprotect(region);
      await parts.remove(stack);
      expect(await parts.exists(stack)).toBe(false);
      expect(await parts.health(stack)).toEqual({ is: 'silent' });
    }
    expect(await parts.alarms(stack)).toEqual([]);
  },
  DEPLOY_MS,
);

it(
  'is destroyed to nothing, in every Region',
  async () => {
    const deployed = await inventory(deployment);
    for (const kind of new Set(Object.keys(deployed).map((key) => key.split(' ')[1]!))) {
      const found = Object.entries(deployed).filter(([key]) => key.endsWith(` ${kind}`));
      expect(found.flatMap(([, names]) => names).length, kind).toBeGreaterThan(0);
    }
    await deployment.destroy();
    expect(await inventory(deployment)).toEqual(before);
  },
  DEPLOY_MS,
);
