/** Callbacks on the local platform, from the operator's action to a signature that the consumer verifies. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { invokeAdmin } from '../../cli/admin.ts';
import { localTarget } from '../../cli/target.ts';
import type { AdminAction, AdminActions } from '../../lambda/contract/admin.ts';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { publicKeyText, readKey, readSignatures, signedContent, verifies } from '../../protocol/webhook.ts';
import { CountersignClient } from '../../sdk/typescript/index.ts';

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

let platform: Platform;
let client: CountersignClient;
let url: string;
let status = 204;
const received: Received[] = [];
const consumer = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  received.push({ headers: request.headers, body: Buffer.concat(chunks) });
  response.writeHead(status).end();
});

beforeAll(async () => {
  platform = await startPlatform({ port: 0 });
  consumer.listen(0, '127.0.0.1');
  await once(consumer, 'listening');
  url = `http://127.0.0.1:${(consumer.address() as AddressInfo).port}/hook`;
  const { entry, clients } = platform.info;
  const apiKey = clients.find(({ profile }) => profile === 'strict')!.api_key;
  client = new CountersignClient({ url: entry, apiKey });
});
afterAll(async () => {
  await client.close();
  await platform.stop();
  consumer.closeAllConnections();
  consumer.close();
});

const operate = <A extends AdminAction>(action: A, params: AdminActions[A]['params'], at = 0) => {
  const { awsEndpoint, regions } = platform.info;
  const names = regions.map(({ name }) => name);
  return invokeAdmin(localTarget(awsEndpoint, names), names[at]!, action, params);
};
const within10s = { timeout: 10_000 };
const typesOf = () => received.map(({ body }) => JSON.parse(body.toString()).type);
const endpointOf = async (id: string) =>
  (await operate('webhooks.list', {})).endpoints.find((each) => each.id === id)!;

/** Whether a key, given as text, signed what was received. */
const isSignedBy = async ({ headers, body }: Received, key: string): Promise<boolean> => {
  const content = signedContent(String(headers['webhook-id']), Number(headers['webhook-timestamp']), body);
  return verifies(await readKey(key)!(), content, readSignatures(String(headers['webhook-signature'])));
};

it('an endpoint answers a ping, then gets each event once, signed by its secret and by the published key', async () => {
  const made = await operate('webhooks.create', { client: 'dev', url, payload: 'full' });
  expect(made).toMatchObject({ state: 'pending', secret: expect.stringMatching(/^whsec_/) });
  await vi.waitFor(
    async () => expect(await endpointOf(made.id)).toMatchObject({ state: 'active' }),
    within10s,
  );
  const { id } = await client.register({ user_id: 'called-back', email: 'a@example.com' });
  await client.delete(id);
  await vi.waitFor(
    () => expect(typesOf()).toEqual(['ping', 'registration.created', 'registration.deleted']),
    within10s,
  );
  const answer = await fetch(`${platform.info.entry}/.well-known/jwks.json`);
  const { keys } = (await answer.json()) as { keys: { alg: string }[] };
  const published = publicKeyText(keys.find(({ alg }) => alg === 'Ed25519')!);
  expect(published).toBe(made.public_key);
  for (const each of received)
    expect([await isSignedBy(each, made.secret), await isSignedBy(each, published)]).toEqual([true, true]);
  expect(JSON.parse(received[0]!.body.toString()).data).toEqual({ endpoint: made.id, client_id: 'dev' });
  expect(JSON.parse(received[2]!.body.toString()).data).toMatchObject({
    id,
    client_id: 'dev',
    registration: null,
  });
  expect(JSON.stringify(await operate('webhooks.list', {}))).not.toContain('whsec_');

  const { secret } = await operate('webhooks.update', { id: made.id, new_secret: true, payload: 'thin' });
  await client.register({ user_id: 'second' });
  await vi.waitFor(() => expect(received).toHaveLength(4), within10s);
  expect([await isSignedBy(received[3]!, made.secret), await isSignedBy(received[3]!, secret!)]).toEqual([
    true,
    true,
  ]);
  expect(JSON.parse(received[3]!.body.toString()).data).not.toHaveProperty('registration');
  await operate('webhooks.delete', { id: made.id });
  expect(await endpointOf(made.id)).toBeUndefined();
}, 60_000);

it('an endpoint of another Region is moved: events since a day and an hour before come again, none is missing', async () => {
  const { id } = await operate('webhooks.create', { all: true, url });
  await vi.waitFor(async () => expect(await endpointOf(id)).toMatchObject({ state: 'active' }), within10s);
  received.length = 0;
  await client.register({ user_id: 'before-the-move' });
  await vi.waitFor(() => expect(typesOf()).toContain('registration.created'), within10s);
  const [from, to] = platform.info.regions.map(({ name }) => name) as [string, string];
  await expect(operate('webhooks.move', { from, to })).rejects.toThrow(`only ${to} takes over`);
  const before = new Set(received.map(({ headers }) => headers['webhook-id']));
  received.length = 0;
  expect(await operate('webhooks.move', { from, to }, 1)).toEqual({ moved: [id] });
  expect(await operate('webhooks.move', { from, to }, 1)).toEqual({ moved: [] });
  await vi.waitFor(() => {
    const after = new Set(received.map(({ headers }) => headers['webhook-id']));
    expect([...before].filter((each) => !after.has(each))).toEqual([]);
  }, within10s);
  expect(await endpointOf(id)).toMatchObject({ holder: to });
  await expect(operate('webhooks.replay', { id, since: new Date(0).toISOString() })).rejects.toThrow(to);
  received.length = 0;
  await operate('webhooks.replay', { id, since: new Date(0).toISOString() }, 1);
  await vi.waitFor(() => {
    const again = new Set(received.map(({ headers }) => headers['webhook-id']));
    expect([...before].filter((each) => !again.has(each))).toEqual([]);
  }, within10s);
  await operate('webhooks.delete', { id });
}, 60_000);

it.each([
  ['http://example.com/', 'must begin with https://'],
  ['https://10.0.0.1/', 'must have a host name, not an address'],
  ['https://nowhere.invalid/', 'no address in DNS'],
])('an endpoint at %s is refused', async (hostile, why) => {
  await expect(operate('webhooks.create', { client: 'dev', url: hostile })).rejects.toThrow(why);
});

it('an endpoint that answers 410 is gone, its event is a dead letter, and can be replayed once it is back', async () => {
  const { id } = await operate('webhooks.create', { client: 'dev', url });
  await vi.waitFor(async () => expect(await endpointOf(id)).toMatchObject({ state: 'active' }), within10s);
  status = 410;
  await client.register({ user_id: 'gone' });
  await vi.waitFor(
    async () => expect((await operate('webhooks.failures', { id })).failures).toHaveLength(1),
    within10s,
  );
  await vi.waitFor(async () => expect((await endpointOf(id)).state).toBe('gone'), within10s);
  const { failures } = await operate('webhooks.failures', { id });
  const { event } = failures[0]!;
  await expect(operate('webhooks.replay', { id, event })).rejects.toThrow('enable it first');
  status = 204;
  await operate('webhooks.update', { id, enabled: true });
  await vi.waitFor(async () => expect(await endpointOf(id)).toMatchObject({ state: 'active' }), within10s);
  received.length = 0;
  await operate('webhooks.replay', { id, event });
  await vi.waitFor(
    () => expect(received.map(({ headers }) => headers['webhook-id'])).toContain(event),
    within10s,
  );
  expect((await operate('webhooks.failures', { id })).failures).toEqual([]);
}, 60_000);
