/**
 * The local Secrets Manager over AWS's protocol: the calls of a rotation, and the rotations that it runs
 * itself.
 */
import { randomUUID } from 'node:crypto';
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createAwsEndpoint } from '../../../local/aws/endpoint.ts';
import { SecretRotation } from '../../../local/aws/secret-rotation.ts';
import { SecretStore } from '../../../local/aws/secret-store.ts';
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
let rotation: SecretRotation;
let a: SecretsManagerClient;
let b: SecretsManagerClient;

beforeAll(async () => {
  server = await startServer(0, new Set());
  const store = new SecretStore(() => clock.nowMs, { replicaLagMs: () => clock.lagMs });
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
    store,
    invoke,
    () => clock.nowMs,
    (secret) => secretArn('local-a', secret),
  );
  const nowhere = () => Promise.reject(new Error('not here'));
  const services = (region: string) => ({
    dynamodb: nowhere,
    lambda: nowhere,
    monitoring: nowhere,
    secretsmanager: secretsManagerService(store, region, REGIONS, rotation),
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
  const { VersionId } = await a.send(new CreateSecretCommand({ Name: id, SecretString: 'first' }));
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

secretsManagerContract({ name: 'the local one', home: () => a, away: () => b, exact: true });

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

describe('a replica', () => {
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
