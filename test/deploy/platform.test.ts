import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { tableName } from '../../lambda/contract/names.ts';
import { CountersignClient, NotFoundError } from '../../sdk/typescript/index.ts';
import { pythonWith } from '../real/python.ts';
import { checkedFetch } from '../support/checked-fetch.ts';
import { type Client, connect } from './client.ts';
import { type Deployment, STAGE, startDeployment } from './deployment.ts';
import { inventory } from './inventory.ts';
import { countersign } from './operator.ts';

const run = promisify(execFile);
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

let deployment: Deployment;
let before: Record<string, string[]>;
let client: Client;

beforeAll(async () => {
  deployment = await startDeployment();
  before = await inventory(deployment.env.AWS_ENDPOINT_URL!);
  await deployment.deploy();
});
afterAll(() => deployment?.stop());

async function ledgerRows(): Promise<string[]> {
  const { Items = [] } = await new DynamoDBClient(deployment.sdk).send(
    new ScanCommand({ TableName: tableName(STAGE, 'ledger') }),
  );
  return Items.map((item) => item.pk!.S!).filter((pk) => !pk.startsWith('#'));
}

it('hands out no nonce before there are keys', async () => {
  const answer = await checkedFetch()(`${deployment.baseUrl}/v1/nonce?client_id=early`);
  expect(answer.status).toBe(503);
  expect(await answer.json()).toMatchObject({ code: 'unavailable' });
});

it('takes its keys once, and then a client, from an operator with AWS credentials', async () => {
  const { keysets } = await countersign(deployment, 'keys', 'init', '--dev');
  expect(keysets).toHaveLength(3);
  await expect(countersign(deployment, 'keys', 'init', '--dev')).rejects.toMatchObject({ code: 1 });

  const made = await countersign(deployment, 'clients', 'create', 'billing', '--profile', 'strict');
  const { client_id: clientId, api_key: apiKey, kid } = made;
  expect(apiKey).toMatch(/^csk_billing_1_/);
  client = connect(deployment.baseUrl, { clientId, apiKey, kid });
  expect(await countersign(deployment, 'clients', 'show', 'billing')).toMatchObject({ disabled: false });
});

it('describes itself by the base URL that it was given', async () => {
  const discovery = await (await checkedFetch()(`${deployment.baseUrl}/.well-known/countersign`)).json();
  const { baseUrl: url } = deployment;
  expect(discovery).toMatchObject({ issuer: url, regions: [{ name: 'eu-west-1', url }] });
  expect(discovery.registration_schema.required).toEqual(['user_id']);
});

it('registers a user, reads it back and deletes it', async () => {
  const user = { user_id: 'ada', email: 'ada@example.com' };
  const made = await client.send(await client.prepare(user));
  expect(made).toMatchObject({ status: 201, body: { user_id: 'ada', client_id: 'billing', data: user } });

  const path = `/v1/registrations/${made.body.id}`;
  expect(made.headers.get('Location')).toBe(deployment.baseUrl + path);
  expect(await client.send(client.read(path))).toMatchObject({ status: 200, body: made.body });
  expect(await client.send(await client.remove(path))).toMatchObject({ status: 204 });
  expect(await client.send(client.read(path))).toMatchObject({ status: 404, body: { code: 'not_found' } });
});

it('of 25 replays of one proof at once registers one, and the ledger holds one row for them', async () => {
  const rows = await ledgerRows();
  const request = await client.prepare({ user_id: 'replayed' });
  const answers = await Promise.all(Array.from({ length: 25 }, () => client.send(request)));
  const told = answers.map(({ status, body }) => (status === 201 ? 201 : `${status} ${body.code}`));
  expect(told.sort()).toEqual([201, ...Array(24).fill('401 use_nonce')]);
  expect((await ledgerRows()).length).toBe(rows.length + 1);
});

it('the TypeScript SDK configures itself, registers one and many, reads back and deletes', async () => {
  await using sdk = new CountersignClient({
    url: deployment.baseUrl,
    apiKey: client.apiKey,
    fetch: checkedFetch() as typeof fetch,
  });
  const { id, replayed } = await sdk.register({ user_id: 'grace' });
  expect(replayed).toBe(false);
  expect((await sdk.get(id)).data).toEqual({ user_id: 'grace' });
  await sdk.delete(id);
  await expect(sdk.get(id)).rejects.toThrow(NotFoundError);

  const users = Array.from({ length: 20 }, (_, i) => ({ user_id: `batch-${i}` }));
  const registered = new Set<string>();
  for await (const { ok, user } of sdk.registerBatch(users, { concurrency: 4 }))
    if (ok) registered.add(user.user_id);
  expect(registered).toEqual(new Set(users.map(({ user_id }) => user_id)));
});

it('the Python example, which uses nothing of this project, registers as a basic client', async () => {
  const expires = new Date(Date.now() + 24 * 3600 * 1000).toISOString();
  const basic = ['--profile', 'basic', '--expires-at', expires];
  const { api_key } = await countersign(deployment, 'clients', 'create', 'nightly', ...basic);
  const python = await pythonWith(path('../../examples/python/requirements.txt'));
  const { stdout } = await run(python, [path('../../examples/python/register.py'), 'margaret'], {
    env: { PATH: process.env.PATH, COUNTERSIGN_URL: deployment.baseUrl, COUNTERSIGN_API_KEY: api_key },
  });
  const [status, ...body] = stdout.split(' ');
  expect(status).toBe('201');
  expect(JSON.parse(body.join(' '))).toMatchObject({ client_id: 'nightly', user_id: 'margaret' });
});

it('answers what no route takes with a problem, and runs no function for it', async () => {
  for (const [method, path] of [
    ['GET', '/v2/nonce'],
    ['PUT', '/v1/nonce'],
    ['GET', '/v1'],
  ] as const) {
    const answer = await fetch(deployment.baseUrl + path, { method });
    expect(answer.status).toBe(404);
    expect(answer.headers.get('Content-Type')).toBe('application/problem+json');
    expect(await answer.text()).toContain('"code":"not_found"');
  }
});

it("answers a media type that no route takes with a problem of API Gateway's own, which names the request", async () => {
  const init = { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body: 'x' };
  const answer = await fetch(`${deployment.baseUrl}/v2/nonce`, init);
  expect(answer.status).toBe(415);
  expect(answer.headers.get('Content-Type')).toBe('application/problem+json');
  const { code, instance } = await answer.json();
  expect(code).toBe('unsupported_media_type');
  expect(instance).toBe(`urn:uuid:${answer.headers.get('Countersign-Request-Id')}`);
});

it('reports its health, once it has keys', async () => {
  const answer = await checkedFetch()(`${deployment.baseUrl}/v1/health`);
  expect(await answer.json()).toEqual({
    status: 'pass',
    checks: { ledger: 'pass', registry: 'pass', keys: 'pass' },
    region: 'eu-west-1',
  });
});

it('is destroyed to nothing', async () => {
  const deployed = await inventory(deployment.env.AWS_ENDPOINT_URL!);
  expect(Object.values(deployed).map((names) => names.length > 0)).toEqual(Array(8).fill(true));
  await deployment.destroy();
  expect(await inventory(deployment.env.AWS_ENDPOINT_URL!)).toEqual(before);
});
