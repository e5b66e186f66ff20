/** `countersign webhooks` against functions for operators that a test plays. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ShownEndpoint } from '../../lambda/contract/admin.ts';
import { Directory } from './cli.ts';

interface Asked {
  readonly region: string;
  readonly action: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
  readonly params: any;
}

const ID = 'ep_4fzQhT1mVb8kLr2s';
const ENDPOINT: ShownEndpoint = {
  id: ID,
  client: 'dev',
  url: 'https://example.com/hooks',
  events: null,
  payload: 'thin',
  state: 'active',
  holder: 'local-a',
  circuit: 'closed',
  failing_since: null,
  pending: 0,
  retries: 0,
  given_up: 0,
  stopped: false,
  root_kid: 'AAAAAA',
  secret_ends_at: null,
  created_at: '2026-11-23T12:00:00.000Z',
  ping: { at: '2026-11-23T12:00:01.000Z', status: 204, error: null },
};

let directory: Directory;
let server: Server;
let asked: Asked[];
/** What a Region's function answers: a result, or a string for a problem's code. */
let answer: (call: Asked) => object | string;

beforeEach(async () => {
  directory = new Directory();
  asked = [];
  answer = () => ({});
  server = createServer(async (request, response): Promise<unknown> => {
    const region = /\/(local-\w)\/lambda\//.exec(request.headers.authorization ?? '')![1]!;
    const call: Asked = { region, ...JSON.parse(await text(request)) };
    asked.push(call);
    const given = answer(call);
    if (given === 'lost') return request.socket.destroy();
    const body =
      typeof given === 'string'
        ? { ok: false, problem: { code: given, detail: `params.id: ${given}` } }
        : { ok: true, result: given };
    return response.end(JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const regions = ['local-a', 'local-b'].map((name) => ({ name, url }));
  directory.announce({ entry: url, regions, awsEndpoint: url, clients: [] });
});
afterEach(() => {
  directory.remove();
  server.close();
  server.closeAllConnections();
});

const webhooks = (...args: string[]) => directory.run(['webhooks', ...args]);
const actions = () => asked.map(({ region, action, params }) => [region, action, params]);
/** A Region delivers to the endpoint, and answers anything but a list so. */
const answers = (given: object | string, holder = 'local-b') => {
  answer = ({ action }) => (action === 'webhooks.list' ? { endpoints: [{ ...ENDPOINT, holder }] } : given);
};
/** What was asked besides lists. */
const changes = () => actions().filter(([, action]) => action !== 'webhooks.list');

describe('create', () => {
  const created = { id: ID, secret: 'whsec_c2VjcmV0', public_key: 'whpk_a2V5', state: 'pending' };
  beforeEach(() => {
    answer = () => created;
  });

  it('shows the secret once, and says so', async () => {
    const { code, stdout, stderr } = await webhooks('create', '--client', 'dev', '--url', ENDPOINT.url);
    expect(stdout).toBe(
      `id          ${ID}\nsecret      whsec_c2VjcmV0\npublic_key  whpk_a2V5\nstate       pending\n`,
    );
    expect([code, stderr]).toEqual([0, 'The secret is shown only once; store it in a safe place.\n']);
    expect(actions()).toEqual([['local-a', 'webhooks.create', { client: 'dev', url: ENDPOINT.url }]]);
  });

  it('takes all clients, some types, and whole registrations', async () => {
    const types = ['--events', 'registration.created,client.disabled', '--events', 'registration.deleted'];
    const { json } = await webhooks('create', '--all', '--url', 'u', ...types, '--payload', 'full', '--json');
    expect(json).toEqual(created);
    const events = ['registration.created', 'client.disabled', 'registration.deleted'];
    expect(asked[0]!.params).toEqual({ all: true, url: 'u', events, payload: 'full' });
  });

  it.each([
    [[], 'give --client NAME, or --all'],
    [['--client', 'dev', '--all'], 'give --client NAME, or --all'],
    [['--client', 'Dev'], "a client's name"],
    [['--all', '--payload', 'fat'], 'thin, full'],
  ])('refuses %j, and asks nobody', async (args, message) => {
    const { code, stderr } = await webhooks('create', '--url', 'u', ...args);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    expect(asked).toEqual([]);
  });
});

describe('list', () => {
  it('shows each endpoint as the Region that delivers does, and what stands in its way', async () => {
    const other = { ...ENDPOINT, id: 'ep_other', client: '*', holder: 'local-b', retries: 3, ping: null };
    const lost = {
      ...ENDPOINT,
      id: 'ep_lost',
      ping: null,
      given_up: 4,
      secret_ends_at: '2027-02-01T00:00:00.000Z',
    };
    answer = ({ region }) => ({
      endpoints: [
        { ...ENDPOINT, pending: region === 'local-a' ? 0 : null },
        { ...other, pending: region === 'local-b' ? 7 : null, circuit: 'open', failing_since: '2026-11-23' },
        { ...lost, stopped: region === 'local-a' ? true : null },
        { ...lost, id: 'ep_many', given_up: 100, secret_ends_at: 'ended' },
      ],
    });
    const { code, stdout } = await webhooks('list');
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['endpoint', 'client', 'url', 'state', 'delivery', 'holder', 'last_ping', 'secret_ends'],
      [ID, 'dev', ENDPOINT.url, 'active', 'all sent', 'local-a', '204 2026-11-23T12:00:01.000Z'],
      [
        ...['ep_other', 'all', ENDPOINT.url, 'active'],
        'held up by failures, failing since 2026-11-23, 3 to retry, new ones to send',
        'local-b',
      ],
      [
        ...['ep_lost', 'dev', ENDPOINT.url, 'active', 'paused: writes are stopped, 4 given up', 'local-a'],
        '2027-02-01T00:00:00.000Z',
      ],
      ['ep_many', 'dev', ENDPOINT.url, 'active', 'at least 100 given up', 'local-a', 'ended'],
      [''],
    ]);
    expect(code).toBe(0);
  });

  it('names a Region that does not answer, shows what the others know, and does not end with 0', async () => {
    answer = ({ region }) =>
      region === 'local-a' ? 'unavailable' : { endpoints: [{ ...ENDPOINT, pending: null }] };
    const { code, stdout, stderr } = await webhooks('list', '--client', 'dev');
    expect(stdout).toContain('new ones unknown');
    expect([code, stderr]).toEqual([1, 'error: local-a: the endpoint: unavailable (unavailable)\n']);
    expect(asked.map(({ params }) => params)).toEqual([{ client: 'dev' }, { client: 'dev' }]);
    answer = () => 'unavailable';
    expect(await webhooks('list')).toMatchObject({ code: 1, stdout: '' });
  });
});

describe('update', () => {
  it.each([
    [['--enable'], { enabled: true }],
    [['--disable'], { enabled: false }],
    [['--url', 'u', '--payload', 'thin'], { url: 'u', payload: 'thin' }],
    [['--events', 'all'], { events: null }],
    [['--events', 'client.disabled'], { events: ['client.disabled'] }],
  ])('%j', async (args, expected) => {
    answers(ENDPOINT);
    const { code, stdout, stderr } = await webhooks('update', ID, ...args);
    expect([code, stdout, stderr]).toEqual([0, `${ID} is active\n`, '']);
    expect(changes()).toEqual([['local-b', 'webhooks.update', { id: ID, ...expected }]]);
  });

  it('shows a new secret once', async () => {
    answers({ ...ENDPOINT, secret: 'whsec_bmV3' });
    const { stdout, stderr } = await webhooks('update', ID, '--new-secret');
    expect(stdout).toBe(`${ID} is active; its secret is whsec_bmV3\n`);
    expect(stderr).toContain('only once');
    expect((await webhooks('update', ID, '--new-secret', '--json')).json.secret).toBe('whsec_bmV3');
  });

  it.each([[[]], [['--enable', '--disable']]])('refuses %j', async (args) => {
    expect(await webhooks('update', ID, ...args)).toMatchObject({ code: 2 });
    expect(asked).toEqual([]);
  });
});

it('delete says what is deleted, and a missing endpoint is a failure', async () => {
  answers({ id: ID });
  expect(await webhooks('delete', ID)).toMatchObject({ code: 0, stdout: `${ID} is deleted\n` });
  expect(changes()).toEqual([['local-b', 'webhooks.delete', { id: ID }]]);
  answers('not_found');
  const { code, stderr } = await webhooks('delete', ID);
  expect([code, stderr]).toEqual([1, 'error: the endpoint: not_found (not_found)\n']);
});

describe('an endpoint is asked for where it is held', () => {
  it.each([['update', '--disable'], ['delete'], ['test'], ['failures'], ['replay', '--since', '1h']])(
    '%s, though the first Region does not answer',
    async (command, ...args) => {
      answer = ({ region, action }) => {
        if (region === 'local-a') return 'unavailable';
        if (action !== 'webhooks.list') return { ...ENDPOINT, failures: [] };
        const at = `2026-11-23T12:00:0${asked.length % 10}.000Z`;
        return { endpoints: [{ ...ENDPOINT, holder: 'local-b', ping: { at, status: 204, error: null } }] };
      };
      expect(await webhooks(command, ID, ...args)).toMatchObject({ code: 0, stderr: '' });
      expect(changes()).toMatchObject([['local-b', `webhooks.${command}`, { id: ID }]]);
    },
  );

  it('if that Region gives no answer, the command says what has to be done first', async () => {
    answer = ({ region }) =>
      region === 'local-b' ? 'lost' : { endpoints: [{ ...ENDPOINT, holder: 'local-b' }] };
    const { code, stderr } = await webhooks('update', ID, '--disable');
    expect([code, stderr]).toEqual([3, expect.stringContaining('countersign evacuate local-b')]);
  });

  it('an endpoint that no Region lists is a failure, which names the Regions that do not answer', async () => {
    answer = ({ region }) => (region === 'local-a' ? { endpoints: [] } : 'unavailable');
    const { code, stderr } = await webhooks('delete', ID);
    expect([code, stderr]).toEqual([
      1,
      `error: there is no endpoint ${ID}, as far as Regions answer; local-b: the endpoint: unavailable (unavailable)\n`,
    ]);
    expect(changes()).toEqual([]);
  });
});

describe('test', () => {
  /** One for each look at its holder, which two lists find first. */
  const withPings = (...pings: ShownEndpoint['ping'][]) => {
    let looks = 0;
    answer = ({ action }) =>
      action === 'webhooks.list'
        ? { endpoints: [{ ...ENDPOINT, ping: pings[Math.min(Math.max(0, looks++ - 2), pings.length - 1)]! }] }
        : { id: ID };
  };
  const at = '2026-11-23T13:00:00.000Z';

  it('waits for the result of this ping, not that of an earlier one', async () => {
    withPings(ENDPOINT.ping, ENDPOINT.ping, { at, status: 200, error: null });
    const { code, stdout } = await webhooks('test', ID);
    expect([code, stdout]).toEqual([0, `${ID} answered the ping with 200\n`]);
    expect(asked.map(({ action }) => action.slice('webhooks.'.length))).toEqual([
      'list',
      'list',
      'list',
      'test',
      'list',
      'list',
    ]);
  });

  it.each([
    [{ at, status: 500, error: null }, '500'],
    [{ at, status: null, error: 'ECONNREFUSED' }, 'ECONNREFUSED'],
  ])('fails with the ping %j', async (ping, shown) => {
    withPings(null, ping);
    const { code, stdout } = await webhooks('test', ID);
    expect([code, stdout]).toEqual([1, `${ID} answered the ping with ${shown}\n`]);
    withPings(null, ping);
    expect((await webhooks('test', ID, '--json')).json).toEqual({ id: ID, ...ping });
  });
});

it('failures lists all pages', async () => {
  const failure = (event: string) => ({
    ...{ event, type: 'registration.created', first_at: '2026-11-23T12:00:00.000Z', attempts: 12 },
    ...{ last_status: 500, last_error: null, dead_at: '2026-11-26T12:00:00.000Z' },
  });
  answer = ({ action, params }) =>
    action === 'webhooks.list'
      ? { endpoints: [ENDPOINT] }
      : params.after
        ? { failures: [failure('evt_2')] }
        : { failures: [failure('evt_1')], next: 'x' };
  const { json } = await webhooks('failures', ID, '--json');
  expect(json.failures.map(({ event }: { event: string }) => event)).toEqual(['evt_1', 'evt_2']);
  expect((await webhooks('failures', ID)).stdout).toMatch(
    /evt_1 .* 12 +500 +2026-11-26T12:00:00.000Z\nevt_2/,
  );
});

describe('replay', () => {
  beforeEach(() => {
    answer = ({ action }) =>
      action === 'webhooks.list' ? { endpoints: [{ ...ENDPOINT, holder: 'local-b' }] } : { from: 5 };
  });

  it('asks the Region that delivers', async () => {
    const { code, stdout } = await webhooks('replay', ID, '--event', 'evt_1');
    expect([code, stdout]).toEqual([
      0,
      `local-b sends evt_1 to ${ID} again; webhooks list shows how it goes\n`,
    ]);
    expect(actions().at(-1)).toEqual(['local-b', 'webhooks.replay', { id: ID, event: 'evt_1' }]);
  });

  it('takes a time, or how long ago', async () => {
    const sinceMs = Date.now() - 24 * 3600_000;
    await webhooks('replay', ID, '--since', '24h');
    expect(Math.abs(Date.parse(asked.at(-1)!.params.since) - sinceMs)).toBeLessThan(60_000);
    await webhooks('replay', ID, '--since', '2026-11-23T12:00:00Z');
    expect(asked.at(-1)!.params).toEqual({ id: ID, since: '2026-11-23T12:00:00Z' });
  });

  it.each([[[]], [['--since', '1h', '--event', 'evt_1']], [['--since', 'yesterday']]])(
    'refuses %j',
    async (args) => {
      expect(await webhooks('replay', ID, ...args)).toMatchObject({ code: 2 });
      expect(asked).toEqual([]);
    },
  );

  it('names the Region that delivers, if it is none of those that were named', async () => {
    answer = () => ({ endpoints: [{ ...ENDPOINT, holder: 'eu-west-1' }] });
    const { code, stderr } = await webhooks('replay', ID, '--since', '1h');
    expect([code, stderr]).toEqual([2, `error: eu-west-1 delivers to ${ID}: add it to --region\n`]);
  });
});

it('events rebuild names the items of another form, and then the exit code is 1', async () => {
  answer = ({ region, params }) => ({
    ...{ looked: 200, written: 1 },
    unreadable: region === 'local-b' && params.cursor ? ['dev#foreign'] : [],
    ...(!params.cursor && { cursor: 'c' }),
  });
  const { code, stdout, stderr } = await directory.run(['events', 'rebuild', '--since', '48h']);
  expect([code, stdout]).toEqual([
    1,
    'local-a: 2 events written, 400 items looked at\nlocal-b: 2 events written, 400 items looked at\n',
  ]);
  expect(stderr).toBe("local-b: 1 items are not of the platform's form, and were left out: dev#foreign\n");
  expect(asked.map(({ params }) => params.recent)).toEqual([undefined, undefined, undefined, undefined]);
});
