/**
 * The local Secrets Manager over AWS's protocol: the calls of a rotation, and the rotations that it runs
 * itself.
 */
import { randomUUID } from 'node:crypto';
import {
  CancelRotateSecretCommand,
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  RemoveRegionsFromReplicationCommand,
  ReplicateSecretToRegionsCommand,
  RotateSecretCommand,
  SecretsManagerClient,
  StopReplicationToReplicaCommand,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createAwsEndpoint } from '../../../local/aws/endpoint.ts';
import { SecretRegions } from '../../../local/aws/secret-regions.ts';
import { SecretRotation } from '../../../local/aws/secret-rotation.ts';
import { secretArn, secretsManagerService } from '../../../local/aws/secrets-manager.ts';
import { type LocalServer, startServer } from '../../../local/server.ts';
import { secretsManagerContract } from '../../contract/secrets-manager.ts';

const REGIONS = ['local-a', 'local-b'] as const;
const DAY_MS = 86_400_000;
const FUNCTION = 'arn:aws:lambda:local-a:000000000000:function:rotate';
const clock = { nowMs: Date.UTC(2026, 10, 23), lagMs: 0 };
const called: {
  functionName: string;
  event: { Step: string; ClientRequestToken: string; SecretId: string };
}[] = [];
let fails: string | undefined;
let server: LocalServer;
let store: SecretRegions;
let rotation: SecretRotation;
let a: SecretsManagerClient;
let b: SecretsManagerClient;

beforeAll(async () => {
  server = await startServer(0, new Set());
  store = new SecretRegions(REGIONS, () => clock.nowMs, { replicaLagMs: () => clock.lagMs });
  const invoke = async (functionName: string, event: object) => {
    const step = event as (typeof called)[0]['event'];
    called.push({ functionName, event: step });
    if (step.Step === fails) throw new Error('broken');
    if (step.Step === 'createSecret')
      await a.send(
        new PutSecretValueCommand({
          SecretId: step.SecretId,
          ClientRequestToken: step.ClientRequestToken,
          SecretString: 'rotated',
          VersionStages: ['AWSPENDING'],
        }),
      );
    if (step.Step === 'finishSecret') await move(step.SecretId, 'AWSCURRENT', step.ClientRequestToken);
  };
  rotation = new SecretRotation(
    store.in('local-a'),
    invoke,
    () => clock.nowMs,
    (secret) => secretArn('local-a', secret),
  );
  const nowhere = () => Promise.reject(new Error('not here'));
  const services = (region: string) => ({
    dynamodb: nowhere,
    lambda: nowhere,
    monitoring: nowhere,
    secretsmanager: secretsManagerService(store, region, rotation),
  });
  server.serve(createAwsEndpoint(new Map(REGIONS.map((region) => [region, services(region)]))));
  const client = (region: string) =>
    new SecretsManagerClient({
      endpoint: server.url,
      region,
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      maxAttempts: 1,
    });
  [a, b] = [client('local-a'), client('local-b')];
});
afterAll(async () => {
  for (const each of [a, b]) each.destroy();
  await server.stop();
});
beforeEach(() => {
  called.length = 0;
  fails = undefined;
  clock.lagMs = 0;
});

async function create(): Promise<{ id: string; first: string }> {
  const id = `rotated/${randomUUID()}`;
  const AddReplicaRegions = [{ Region: 'local-b' }];
  const { VersionId } = await a.send(
    new CreateSecretCommand({ Name: id, SecretString: 'first', AddReplicaRegions }),
  );
  return { id, first: VersionId! };
}
const labels = async (id: string) =>
  (await a.send(new DescribeSecretCommand({ SecretId: id }))).VersionIdsToStages!;
const value = async (id: string, client = a) =>
  (await client.send(new GetSecretValueCommand({ SecretId: id }))).SecretString;
async function move(SecretId: string, VersionStage: string, MoveToVersionId: string | undefined) {
  const held = await labels(SecretId);
  const from = Object.keys(held).find((version) => held[version]!.includes(VersionStage));
  await a.send(
    new UpdateSecretVersionStageCommand({
      SecretId,
      VersionStage,
      RemoveFromVersionId: from,
      MoveToVersionId,
    }),
  );
}
const rotate = (id: string, more: object = {}) =>
  a.send(new RotateSecretCommand({ SecretId: id, RotationLambdaARN: FUNCTION, ...more }));
const named = (name: string) => expect.objectContaining({ name });

secretsManagerContract({
  name: 'the local one',
  home: () => a,
  away: () => b,
  replicateTo: 'local-b',
  promotes: true,
  exact: true,
});

describe('a rotation that it runs', () => {
  it('stages a version without a value, calls the four steps in order, and keeps their results', async () => {
    const { id, first } = await create();
    const { VersionId } = await rotate(id);
    await rotation.settled();
    expect(called.map(({ event }) => event.Step)).toEqual([
      'createSecret',
      'setSecret',
      'testSecret',
      'finishSecret',
    ]);
    expect(called[0]).toEqual({
      functionName: 'rotate',
      event: {
        Step: 'createSecret',
        SecretId: expect.stringMatching(/^arn:aws:secretsmanager:local-a:\d{12}:secret:rotated\/.*-\w{6}$/),
        ClientRequestToken: VersionId,
        RotationToken: expect.any(String),
      },
    });
    expect(await labels(id)).toEqual({
      [first]: ['AWSPREVIOUS'],
      [VersionId!]: ['AWSPENDING', 'AWSCURRENT'],
    });
    expect(await value(id, b)).toBe('rotated');
    expect(await a.send(new DescribeSecretCommand({ SecretId: id }))).toMatchObject({
      RotationEnabled: true,
      RotationLambdaARN: FUNCTION,
      LastRotatedDate: new Date(clock.nowMs),
    });
  });

  it('that fails leaves its AWSPENDING, and the next is refused until that is removed', async () => {
    const { id, first } = await create();
    fails = 'createSecret';
    const { VersionId } = await rotate(id);
    await rotation.settled();
    expect(called).toHaveLength(1);
    expect(await labels(id)).toEqual({ [first]: ['AWSCURRENT'], [VersionId!]: ['AWSPENDING'] });
    const staged = new GetSecretValueCommand({ SecretId: id, VersionStage: 'AWSPENDING' });
    await expect(a.send(staged)).rejects.toThrow(named('ResourceNotFoundException'));

    fails = undefined;
    await expect(rotate(id)).rejects.toThrow(named('InvalidRequestException'));
    await move(id, 'AWSPENDING', undefined);
    await rotate(id);
    await rotation.settled();
    expect(await value(id)).toBe('rotated');
  });

  it('is only tested if a schedule is set for later', async () => {
    const { id, first } = await create();
    await rotate(id, { RotateImmediately: false, RotationRules: { AutomaticallyAfterDays: 30 } });
    await rotation.settled();
    expect(called.map(({ event }) => event.Step)).toEqual(['testSecret']);
    expect(await labels(id)).toEqual({ [first]: ['AWSCURRENT'] });
  });

  it('starts when its schedule says so', async () => {
    const { id } = await create();
    await rotate(id, { RotateImmediately: false, RotationRules: { ScheduleExpression: 'rate(10 days)' } });
    await rotation.settled();
    const { NextRotationDate } = await a.send(new DescribeSecretCommand({ SecretId: id }));
    expect(NextRotationDate).toEqual(new Date(clock.nowMs + 10 * DAY_MS));
    clock.nowMs += 10 * DAY_MS - 1;
    rotation.rotateDue();
    await rotation.settled();
    expect(await value(id)).toBe('first');
    clock.nowMs += 1;
    rotation.rotateDue();
    rotation.rotateDue();
    await rotation.settled();
    expect(await value(id)).toBe('rotated');
    expect(called.filter(({ event }) => event.Step === 'finishSecret')).toHaveLength(1);
  });

  it('without a function, of a replica, or with a schedule of another form is refused', async () => {
    const { id } = await create();
    await expect(a.send(new RotateSecretCommand({ SecretId: id }))).rejects.toThrow(
      'No Lambda rotation function',
    );
    await expect(
      b.send(new RotateSecretCommand({ SecretId: id, RotationLambdaARN: FUNCTION })),
    ).rejects.toThrow('replica');
    await expect(rotate(id, { RotationRules: { ScheduleExpression: 'cron(0 8 * * ? *)' } })).rejects.toThrow(
      named('InvalidParameterException'),
    );
  });
});

describe('a label', () => {
  const update = (id: string, input: object) =>
    a.send(new UpdateSecretVersionStageCommand({ SecretId: id, VersionStage: 'AWSCURRENT', ...input }));

  it('moves only if the caller names where it is; AWSCURRENT is never removed', async () => {
    const { id, first } = await create();
    const token = randomUUID();
    const next = {
      SecretId: id,
      ClientRequestToken: token,
      SecretString: 'next',
      VersionStages: ['AWSPENDING'],
    };
    await a.send(new PutSecretValueCommand(next));
    const refused = named('InvalidParameterException');
    await expect(update(id, {})).rejects.toThrow(refused);
    await expect(update(id, { MoveToVersionId: token })).rejects.toThrow(refused);
    await expect(update(id, { MoveToVersionId: token, RemoveFromVersionId: token })).rejects.toThrow(refused);
    await expect(update(id, { RemoveFromVersionId: first })).rejects.toThrow(refused);
    await expect(update(id, { MoveToVersionId: randomUUID(), RemoveFromVersionId: first })).rejects.toThrow(
      named('ResourceNotFoundException'),
    );
    await update(id, { MoveToVersionId: token, RemoveFromVersionId: first });
    expect(await labels(id)).toEqual({ [first]: ['AWSPREVIOUS'], [token]: ['AWSPENDING', 'AWSCURRENT'] });
  });
});

describe('Regions', () => {
  const region = (name: string) => [{ Region: name }];
  const describeIn = (id: string, client: SecretsManagerClient) =>
    client.send(new DescribeSecretCommand({ SecretId: id }));
  const statusOf = async (id: string, client = a) => (await describeIn(id, client)).ReplicationStatus;
  const replicate = (id: string, client: SecretsManagerClient, to: string, force = true) =>
    client.send(
      new ReplicateSecretToRegionsCommand({
        SecretId: id,
        AddReplicaRegions: region(to),
        ForceOverwriteReplicaSecret: force,
      }),
    );

  it('a lost one gets nothing and sends nothing, and catches up when it is back', async () => {
    const { id } = await create();
    store.lose('local-a');
    clock.nowMs += 1;
    await a.send(new PutSecretValueCommand({ SecretId: id, SecretString: 'second' }));
    expect(await value(id, b)).toBe('first');
    store.bringBack('local-a');
    expect(await value(id, b)).toBe('second');
    store.lose('local-b');
    clock.nowMs += 1;
    await a.send(new PutSecretValueCommand({ SecretId: id, SecretString: 'third' }));
    expect(await value(id, b)).toBe('second');
    store.bringBack('local-b');
    expect(await value(id, b)).toBe('third');
  });

  it('what a lost one had not sent is not in the secret that is promoted meanwhile, nor ever after', async () => {
    clock.lagMs = 100;
    const { id } = await create();
    clock.nowMs += 100;
    await a.send(new PutSecretValueCommand({ SecretId: id, SecretString: 'second' }));
    clock.nowMs += 50;
    store.lose('local-a');
    clock.nowMs += 1_000;
    await b.send(new StopReplicationToReplicaCommand({ SecretId: id }));
    expect(await value(id, b)).toBe('first');
    store.bringBack('local-a');
    clock.nowMs += 1_000;
    expect([await value(id), await value(id, b)]).toEqual(['second', 'first']);

    // The former primary becomes a replica: its status says when, and it serves what it had until then.
    await replicate(id, b, 'local-a');
    expect([await statusOf(id, b), await value(id)]).toEqual([
      [{ Region: 'local-a', Status: 'InProgress' }],
      'second',
    ]);
    clock.nowMs += 100;
    expect([await statusOf(id, b), await value(id)]).toEqual([
      [{ Region: 'local-a', Status: 'InSync' }],
      'first',
    ]);
    expect((await describeIn(id, a)).PrimaryRegion).toBe('local-b');
  });

  it('a secret is not overwritten without force: the status says why; a replica replicates nothing', async () => {
    const { id } = await create();
    const Name = `other/${id}`;
    for (const client of [a, b]) await client.send(new CreateSecretCommand({ Name, SecretString: 'own' }));
    await replicate(Name, a, 'local-b', false);
    expect(await statusOf(Name)).toEqual([
      {
        Region: 'local-b',
        Status: 'Failed',
        StatusMessage: 'Secret with this name already exists in this region',
      },
    ]);
    expect(store.in('local-b').find(Name).primaryRegion).toBe('local-b');
    await expect(replicate(id, b, 'local-a')).rejects.toThrow('Operation not permitted on a replica secret');
    await expect(replicate(id, a, 'local-a')).rejects.toThrow(named('InvalidParameterException'));
    await expect(replicate(id, a, 'local-z')).rejects.toThrow(named('InvalidParameterException'));
  });

  it('a replica that is removed is gone; without one, that is refused', async () => {
    const { id } = await create();
    const remove = (RemoveReplicaRegions: string[]) =>
      a.send(new RemoveRegionsFromReplicationCommand({ SecretId: id, RemoveReplicaRegions }));
    expect((await remove(['local-b'])).ReplicationStatus).toEqual([]);
    await expect(value(id, b)).rejects.toThrow(named('ResourceNotFoundException'));
    await expect(remove(['local-b'])).rejects.toThrow(named('InvalidParameterException'));
    await replicate(id, a, 'local-b', false);
    expect(await value(id, b)).toBe('first');
    // What was promoted is no replica: it stays.
    await b.send(new StopReplicationToReplicaCommand({ SecretId: id }));
    await remove(['local-b']);
    expect(await value(id, b)).toBe('first');
  });

  it('a schedule is turned off, and a replica has none', async () => {
    const { id } = await create();
    await rotate(id, { RotateImmediately: false, RotationRules: { AutomaticallyAfterDays: 30 } });
    await rotation.settled();
    expect([(await describeIn(id, a)).RotationEnabled, (await describeIn(id, b)).RotationEnabled]).toEqual([
      true,
      false,
    ]);
    await a.send(new CancelRotateSecretCommand({ SecretId: id }));
    const { RotationEnabled, NextRotationDate } = await describeIn(id, a);
    expect([RotationEnabled, NextRotationDate]).toEqual([false, undefined]);
    await expect(b.send(new CancelRotateSecretCommand({ SecretId: id }))).rejects.toThrow('replica');
  });
});

describe('a replica', () => {
  it('stays as it is for good once two labels moved within its lag, until it is made again', async () => {
    clock.lagMs = 1_000;
    const { id } = await create();
    const put = async (SecretString: string) => {
      const to = { SecretId: id, ClientRequestToken: randomUUID(), SecretString };
      return (await a.send(new PutSecretValueCommand({ ...to, VersionStages: ['AWSPENDING'] }))).VersionId!;
    };
    const states = async () =>
      (await a.send(new DescribeSecretCommand({ SecretId: id }))).ReplicationStatus!.map(
        (each) => each.Status,
      );
    clock.nowMs += 1_000;
    const second = await put('second');
    await move(id, 'AWSCURRENT', second);
    clock.nowMs += 999;
    expect(await states()).toEqual(['InProgress']);
    clock.nowMs += 1;
    expect([await value(id, b), await states()]).toEqual(['second', ['InSync']]);

    const third = await put('third');
    await move(id, 'AWSCURRENT', third);
    clock.nowMs += 999;
    await move(id, 'AWSPENDING', undefined);
    clock.nowMs += 365 * 86_400_000;
    expect([await value(id, b), await states()]).toEqual(['second', ['InProgress']]);

    const RemoveReplicaRegions = [REGIONS[1]!];
    await a.send(new RemoveRegionsFromReplicationCommand({ SecretId: id, RemoveReplicaRegions }));
    const AddReplicaRegions = [{ Region: REGIONS[1]! }];
    await a.send(new ReplicateSecretToRegionsCommand({ SecretId: id, AddReplicaRegions }));
    clock.nowMs += 1_000;
    expect([await value(id, b), await states()]).toEqual(['third', ['InSync']]);
  });

  it('shows a secret as it was one lag ago, and nothing before its creation', async () => {
    clock.lagMs = 1_000;
    const { id } = await create();
    await expect(value(id, b)).rejects.toThrow(named('ResourceNotFoundException'));
    clock.nowMs += 1_000;
    await a.send(new PutSecretValueCommand({ SecretId: id, SecretString: 'second' }));
    expect([await value(id), await value(id, b)]).toEqual(['second', 'first']);
    clock.nowMs += 999;
    expect(await value(id, b)).toBe('first');
    clock.nowMs += 1;
    expect(await value(id, b)).toBe('second');
  });
});

it("accepts 65,536 bytes per secret, and refuses more in AWS's words", async () => {
  const refused = {
    name: 'ValidationException',
    message:
      "1 validation error detected: Value at 'secretString' failed to satisfy constraint: Member must have length less than or equal to 65536",
  };
  const Name = `size-${randomUUID()}`;
  // The limit counts bytes, not characters.
  const most = `${'é'.repeat(32_767)}xx`;
  const create = (SecretString: string) => a.send(new CreateSecretCommand({ Name, SecretString }));
  await expect(create(`${most}x`)).rejects.toMatchObject(refused);
  await create(most);
  const put = (SecretString: string) => a.send(new PutSecretValueCommand({ SecretId: Name, SecretString }));
  await expect(put(`${most}x`)).rejects.toMatchObject(refused);
  await put(most);
  expect((await a.send(new GetSecretValueCommand({ SecretId: Name }))).SecretString).toBe(most);
});
