/** `countersign keys`: against the whole local platform, and against Regions that lag, refuse or fail. */
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dynamodbClient } from '../../lambda/adapters/aws.ts';
import { createRevokedKids } from '../../lambda/adapters/revoked-kids.ts';
import type { KeySummary, KeysetSummary, RevokedKeys } from '../../lambda/contract/keys.ts';
import { secretName, tableName } from '../../lambda/contract/names.ts';
import { PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import type { AwsCall } from '../../local/aws/endpoint.ts';
import { AwsError } from '../../local/aws/protocol.ts';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { MAX_REVOKED } from '../../protocol/rotation.ts';
import { closedUrl, Directory, type RunOptions } from './cli.ts';
import { keysetSummary } from './keyset-summary.ts';

describe('on the local platform', () => {
  const directory = new Directory();
  let platform: Platform;
  let secrets: SecretsManagerClient;

  beforeAll(async () => {
    platform = await startPlatform({ port: 0 });
    directory.announce(platform.info);
    secrets = new SecretsManagerClient({
      endpoint: platform.info.awsEndpoint,
      region: 'local-a',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    });
  });
  afterAll(async () => {
    secrets?.destroy();
    directory.remove();
    await platform?.stop();
  });

  const keys = (...args: string[]) => directory.run(['keys', ...args]);
  const secretOf = async (purpose: Purpose) => {
    const SecretId = secretName('local', purpose);
    return (await secrets.send(new GetSecretValueCommand({ SecretId }))).SecretString!;
  };

  it('init leaves existing keys unchanged', async () => {
    const before = await Promise.all(PURPOSES.map(secretOf));
    const idle = await keys('init', '--json');
    expect(idle.code).toBe(0);
    expect(idle.json.keysets).toEqual(
      PURPOSES.map((purpose) => ({
        purpose,
        kid: expect.any(String),
        made: false,
        missing: [],
        replicas: [],
        failure: null,
      })),
    );
    expect(await Promise.all(PURPOSES.map(secretOf))).toEqual(before);
    const { code, stdout, stderr } = await keys('init');
    expect([code, stdout]).toEqual([0, 'every Region has the keys: local-a, local-b\n']);
    expect(stderr).toMatch(
      /^nonce: has keys already, the newest is [\w-]{6}\nclient-root: has .*\ntoken: has .*\nwebhook: has .*\nwebhook-root: has .*\n$/,
    );
  });

  it('list and timeline show states and countdowns, and no key', async () => {
    const rotated = await keys('rotate', 'nonce', '--json');
    expect(rotated.json.keys.map(({ state }: KeySummary) => state)).toEqual(['current', 'next']);
    const [first, next] = rotated.json.keys;
    const list = await keys('list', 'nonce');
    expect(list.stdout).toMatch(new RegExp(`${first.kid} +HKDF-SHA-256 +current .* ago .* in 2 d 4 h `));
    expect(list.stdout).toMatch(new RegExp(`${next.kid} +HKDF-SHA-256 +next .* in 1 d [12] h +- +v\\d`));

    const all = await keys('list', '--json');
    expect(all.json.keysets.map(({ purpose }: KeysetSummary) => purpose)).toEqual(PURPOSES);
    const drawn = await keys('timeline');
    for (const line of drawn.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
    expect(drawn.stdout).toMatch(new RegExp(`  ${first.kid}  ╪═+·+│ +current, retires in 2 d 4 h`));
    expect(drawn.stdout).toMatch(new RegExp(`  ${next.kid}  -+═+▶  next, signs in 1 d [12] h`));
    for (const { jwk } of JSON.parse(await secretOf('nonce')).keys)
      for (const shown of [list, all, drawn, rotated]) expect(shown.stdout).not.toContain(jwk.k);
  });

  it('rotate says when the new key signs and when the previous one is removed', async () => {
    const { code, stdout } = await keys('rotate', 'client-root');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^client-root: key [\w-]{6} signs in 1 d [12] h.*, at 2.*Z\nclient-root: key [\w-]{6} is removed at 2.*Z\n$/,
    );
  });

  it('revoke asks for confirmation, and does nothing on any other answer', async () => {
    const before = await secretOf('nonce');
    const unasked = await keys('revoke', 'nonce');
    expect([unasked.code, unasked.stderr]).toEqual([
      2,
      'error: keys revoke asks for confirmation, which needs a terminal; use --yes to skip it\n',
    ]);
    for (const stdin of ['no\n', 'token\n', '']) {
      const asked = await directory.run(['keys', 'revoke', 'nonce'], { stdin, terminal: true });
      expect(asked.code).toBe(1);
      expect(asked.stderr).toMatch(/the answer brings a good one|clients fetch new ones/);
      expect(asked.stderr).toMatch(/error: nothing was revoked\n$/);
    }
    expect(await secretOf('nonce')).toBe(before);
    const stdin = 'client-root\n';
    const root = await directory.run(['keys', 'revoke', 'client-root'], { stdin, terminal: true });
    expect(root.stderr).toContain('Clients with an API key: dev, dev-basic.');
    expect(root.code).toBe(0);
    // Their keys are void from now on. The list shows that, and nobody is left to lose a key.
    expect((await directory.run(['clients', 'show', 'dev'])).stdout).toMatch(/^1 +HS256 .* revoked$/m);
    expect((await directory.run(['clients', 'list'])).stdout).toMatch(
      /^dev +operator +strict .* all are revoked$/m,
    );
    const refused = await directory.run(['clients', 'rotate-key', 'dev']);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('was revoked moments ago')]);
    const again = await keys('revoke', 'client-root', '--yes');
    expect(again.stderr).toContain('Clients with an API key: none.');
  });

  it('revoke names the endpoints whose secrets the keys of webhook-root make', async () => {
    const url = 'http://127.0.0.1:9/hooks';
    const { json } = await directory.run(['webhooks', 'create', '--all', '--url', url, '--json']);
    const kid = JSON.parse(await secretOf('webhook-root')).keys[0].kid;
    const who = 'Endpoints that need another secret (webhooks update --new-secret)';
    const other = await keys('revoke', 'webhook-root', '--yes', '--only-kid', 'AAAAAA');
    expect(other.stderr).toContain(`${who}: none.`);
    const { stderr, code } = await keys('revoke', 'webhook-root', '--yes', '--only-kid', kid);
    expect([code, stderr]).toEqual([0, expect.stringContaining(`${who}: ${json.id} (${url}).`)]);
  });

  it('revoke ends every key, or exactly one, and names the Regions that confirmed', async () => {
    const before = JSON.parse(await secretOf('nonce')).keys.map(({ kid }: { kid: string }) => kid);
    const { code, stdout } = await keys('revoke', 'nonce', '--yes');
    expect(code).toBe(0);
    expect(stdout).toContain(`nonce: ${before.join(', ')} refused within 10 s by: local-a, local-b\n`);
    const now = JSON.parse(await secretOf('nonce'));
    expect([now.revoked, now.keys.length]).toEqual([before, 1]);

    await keys('rotate', 'nonce');
    const [spared, gone] = JSON.parse(await secretOf('nonce')).keys.map(({ kid }: { kid: string }) => kid);
    const one = await keys('revoke', 'nonce', '--only-kid', gone, '--yes', '--json');
    expect(one.json.regions).toEqual([
      { region: 'local-a', confirmed: true },
      { region: 'local-b', confirmed: true },
    ]);
    const left = JSON.parse(await secretOf('nonce'));
    expect(left.revoked).toContain(gone);
    expect(left.keys.map(({ kid }: { kid: string }) => kid)).toContain(spared);
    const stands = await secretOf('nonce');
    const unknown = await keys('revoke', 'nonce', '--only-kid', 'AAAAAA', '--yes');
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('knew key AAAAAA')]);
    expect(await secretOf('nonce')).toBe(stands);
  });

  it.each([1, 2])('after a secret was emptied %i times, revoke still ends the old keys', async (times) => {
    const SecretId = secretName('local', 'nonce');
    const old = JSON.parse(await secretOf('nonce')).keys.map(({ kid }: { kid: string }) => kid);
    for (let i = 0; i < times; i++)
      await secrets.send(new PutSecretValueCommand({ SecretId, SecretString: '{"keys":[]}' }));
    const { code, stdout, stderr } = await keys('revoke', 'nonce', '--yes');
    const [signs] = JSON.parse(await secretOf('nonce')).keys;
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('error')]);
    expect(stdout).toMatch(
      /^(nonce: keys revoked earlier: \d+\n)?nonce: .* refused within 10 s by: local-a, local-b\n/,
    );
    for (const kid of old) expect(stdout).toContain(kid);
    expect(stdout).toContain(`nonce: key ${signs.kid} signs now\n`);

    const once = await keys('revoke', 'nonce', '--only-kid', old[0], '--yes');
    expect([once.code, once.stdout]).toEqual([
      0,
      expect.stringContaining(`nonce: already revoked: ${old[0]}\n`),
    ]);
    expect(JSON.parse(await secretOf('nonce')).keys.map(({ kid }: { kid: string }) => kid)).toEqual([
      signs.kid,
    ]);
  });

  it('unstick removes an interrupted rotation, and says if there was none', async () => {
    const none = await keys('unstick', 'token');
    expect([none.code, none.stdout]).toEqual([0, 'token: no rotation is pending; nothing to remove\n']);
    const SecretId = secretName('local', 'token');
    const { SecretString } = await secrets.send(new GetSecretValueCommand({ SecretId }));
    const put = { SecretId, SecretString, VersionStages: ['AWSPENDING'] };
    await secrets.send(new PutSecretValueCommand(put));
    const stuck = await keys('rotate', 'token');
    expect([stuck.code, stuck.stderr]).toEqual([1, expect.stringMatching(/is AWSPENDING: wait, or unstick/)]);
    expect((await keys('list', 'token')).stdout).toContain('a rotation is in progress or was interrupted');
    expect((await keys('unstick', 'token')).stdout).toMatch(
      /removed pending version [^ ]+; the next rotation can start\n$/,
    );
    expect((await keys('rotate', 'token')).code).toBe(0);
  });

  it.each([
    ['rotate'],
    ['rotate', 'nonce', '--all'],
    ['list', 'passport'],
    ['timeline', 'passport'],
    ['rotate', 'passport'],
    ['revoke', 'passport', '--yes'],
    ['unstick', 'passport'],
  ])('takes no %s %s, and names the purposes', async (...args) => {
    const { code, stderr } = await keys(...args);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/^error: .*nonce, client-root, token, webhook, webhook-root/),
    ]);
  });

  it.each([
    ['revoke', 'nonce', '--only-kid', 'too-long-for-one', '--yes'],
    ['init', '--timeout', 'soon'],
  ])('takes no %s %s %s', async (...args) => {
    const { code, stderr } = await keys(...args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^error: /)]);
  });

  it.each(['init', 'list', 'timeline', 'rotate', 'revoke', 'unstick'])(
    '%s --help has an example, and the exit codes',
    async (command) => {
      const { stdout } = await keys(command, '--help');
      expect(stdout).toMatch(new RegExp(`Example:\n  \\$ countersign keys ${command}[^]*Exit codes:`));
    },
  );
});

it('a promotion that a Region does not confirm is begun: list says so, rotate too, and a second run ends it', async () => {
  const [home, next] = ['local-a', 'local-b'] as const;
  const platform = await startPlatform({ port: 0 });
  const directory = new Directory();
  directory.announce(platform.info);
  const keys = (...args: string[]) => directory.run(['keys', ...args]);
  try {
    platform.faults.throttle(home, { rate: 1, delayMs: 0 });
    const half = await keys('promote', '--to', next, '--yes');
    platform.faults.throttle(home, { rate: 0, delayMs: 0 });
    expect([half.code, half.stderr]).toEqual([1, expect.stringContaining(`not confirmed by ${home}, `)]);
    expect(half.stderr).toContain(`${next} remember`);
    expect(half.stderr).toContain('Run this command again once');
    for (const look of ['list', 'timeline']) {
      const { code, stdout } = await keys(look, 'nonce');
      expect([code, stdout]).toEqual([
        1,
        expect.stringContaining(
          `no new key is made: the keys were promoted to ${next}, which is not deployed`,
        ),
      ]);
      expect(stdout).toContain(`to go on: countersign keys promote --to ${next} (`);
    }
    const rotated = await keys('rotate', 'nonce');
    expect([rotated.code, rotated.stderr]).toEqual([1, expect.stringContaining(`${home} alone makes keys`)]);
    expect(rotated.stderr).not.toContain('AWSPENDING');
    const again = await keys('promote', '--to', next, '--yes');
    expect([again.code, again.stderr]).toEqual([0, '']);
    expect((await keys('list', 'nonce')).code).toBe(0);
    expect((await keys('rotate', 'nonce')).code).toBe(0);
  } finally {
    directory.remove();
    await platform.stop();
  }
});

describe('when the Regions refuse more kids than a keyset remembers', () => {
  const directory = new Directory();
  /** How many more function calls the home Region accepts. */
  let callsLeft = Number.POSITIVE_INFINITY;
  let platform: Platform;
  const many = Array.from({ length: MAX_REVOKED + 100 }, (_, n) =>
    Buffer.from([1, 2, n >> 8, n]).toString('base64url'),
  );

  beforeAll(async () => {
    const awsFault = ({ region, service }: AwsCall) =>
      region === 'local-a' && service === 'lambda' && callsLeft-- <= 0
        ? new AwsError('ServiceUnavailableException', 'lost', 503)
        : undefined;
    platform = await startPlatform({ port: 0, awsFault });
    mkdirSync(`${directory.path}/.countersign`);
    directory.write('.countersign/local.json', JSON.stringify(platform.info));
    for (const { name } of platform.info.regions) {
      const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
      const dynamodb = dynamodbClient({ region: name, endpoint: platform.info.awsEndpoint, credentials });
      await createRevokedKids(dynamodb, tableName('local', 'limits')).add('nonce', many, Date.now());
      dynamodb.destroy();
    }
  });
  afterAll(async () => {
    directory.remove();
    await platform?.stop();
  });

  it('revoke still asks another Region, and completes once the home Region is back', async () => {
    const before = await directory.run(['keys', 'list', 'nonce', '--json']);
    const [{ kid }] = before.json.keysets[0].keys;
    callsLeft = 1;
    const away = await directory.run(['keys', 'revoke', 'nonce', '--yes', '--timeout', '1s']);
    expect(away.stdout).toMatch(new RegExp(`${kid}.* refused within 10 s by: local-a, local-b\n`));
    expect(away.code).toBe(1);
    callsLeft = Number.POSITIVE_INFINITY;
    const again = await directory.run(['keys', 'revoke', 'nonce', '--only-kid', kid, '--yes', '--json']);
    expect([again.code, again.stderr]).toEqual([0, expect.not.stringContaining('error')]);
    expect(again.json.keyset.keys).toMatchObject([{ state: 'current' }]);
  });
});

describe('on Regions that lag, refuse or fail', () => {
  const directory = new Directory();
  /** The function's answers, by Region and purpose. */
  type Answer = (
    action: string,
    purpose: string,
    params: object,
  ) => object | undefined | Promise<object | undefined>;
  let answers: Record<string, Answer>;
  let asked: string[];
  let lambda: Server;

  beforeAll(async () => {
    lambda = createServer(async (request, response) => {
      const region = /Credential=[^/]+\/\d+\/([^/]+)\//.exec(request.headers.authorization ?? '')![1]!;
      const name = /functions\/([^/]+)\/invocations/.exec(request.url!)![1]!;
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const { action, params } = JSON.parse(Buffer.concat(chunks).toString());
      asked.push(`${region} ${name.replace(/^countersign-local-/, '')} ${action}`);
      const result = await answers[region]?.(action, name.replace(/^countersign-local-rotate-/, ''), params);
      // As for a missing function: a call that is not served is not retried.
      if (result === undefined) {
        response.writeHead(404, { 'x-amzn-errortype': 'ResourceNotFoundException' }).end('{}');
        return;
      }
      if ('lost' in result) return void request.socket.destroy();
      if ('hangs' in result) return;
      if ('raw' in result) return void response.end(result.raw);
      if ('crash' in result) response.setHeader('x-amz-function-error', 'Unhandled');
      response.end(JSON.stringify('problem' in result ? { ok: false, ...result } : { ok: true, result }));
    }).listen(0, '127.0.0.1');
    await once(lambda, 'listening');
    mkdirSync(`${directory.path}/.countersign`);
    const { port } = lambda.address() as AddressInfo;
    const regions = ['local-a', 'local-b'].map((name) => ({ name, url: 'http://127.0.0.1:1' }));
    const local = {
      entry: 'http://127.0.0.1:1',
      regions,
      awsEndpoint: `http://127.0.0.1:${port}`,
      clients: [],
    };
    directory.announce(local);
  });
  afterAll(() => {
    lambda?.closeAllConnections();
    lambda?.close();
    directory.remove();
  });
  beforeEach(() => {
    answers = {};
    asked = [];
  });

  const key = (kid: string): KeySummary => ({
    kid,
    alg: 'HKDF-SHA-256',
    state: 'current',
    activates_at: '2026-11-23T00:00:00.000Z',
    retires_at: null,
    vault_version: 1,
  });
  const keyset = (kids: readonly string[], inB: readonly string[] | null): KeysetSummary =>
    keysetSummary(kids.map(key), {
      regions: [
        { region: 'local-a', kids, revoked: [] },
        { region: 'local-b', kids: inB, revoked: inB && [] },
      ],
      known_kids: kids,
    });
  const keys = (...args: string[]) => directory.run(['keys', ...args]);

  it('init makes keys only in keysets that have none', async () => {
    const made = new Map([['nonce', 'AAAAAA']]);
    answers['local-a'] = (action, purpose) => {
      if (action === 'keys.rotate') made.set(purpose, 'BBBBBB');
      const kids = made.has(purpose) ? [made.get(purpose)!] : [];
      return keyset(kids, kids);
    };
    const { code, json } = await keys('init', '--json');
    expect(code).toBe(0);
    expect(json.keysets.map(({ kid, made }: { kid: string; made: boolean }) => [kid, made])).toEqual([
      ['AAAAAA', false],
      ...PURPOSES.slice(1).map(() => ['BBBBBB', true]),
    ]);
    expect(asked.filter((line) => line.endsWith('keys.rotate'))).toEqual([
      'local-a rotate-client-root keys.rotate',
      'local-a rotate-token keys.rotate',
      'local-a rotate-webhook keys.rotate',
      'local-a rotate-webhook-root keys.rotate',
    ]);
  });

  it('init does not rotate a keyset that holds keys, whatever their state', async () => {
    const held = keyset(['AAAAAA'], ['AAAAAA']);
    answers['local-a'] = () => ({ ...held, keys: [{ ...key('AAAAAA'), state: 'retired' }] });
    const { code, stdout, stderr } = await keys('init');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('error: nonce: no key signs: countersign keys revoke nonce makes one');
    expect(asked.filter((line) => line.endsWith('keys.rotate'))).toEqual([]);
  });

  it('init waits for the home Region, too', async () => {
    let looks = 0;
    answers['local-a'] = () => keyset(looks++ === PURPOSES.length ? ['BBBBBB'] : ['AAAAAA'], ['AAAAAA']);
    expect((await keys('init')).stderr).toContain('nonce: waiting for local-a\n');
  });

  it('init waits until the last Region has the keys', async () => {
    let looks = 0;
    answers['local-a'] = () => keyset(['AAAAAA'], looks++ < PURPOSES.length + 1 ? ['BBBBBB'] : ['AAAAAA']);
    const { code, stderr } = await keys('init');
    expect(code).toBe(0);
    expect(stderr).toContain('nonce: waiting for local-b\n');
    expect(looks).toBeGreaterThan(PURPOSES.length + 1);
  });

  it('init times out, names what is missing, and undoes nothing', async () => {
    answers['local-a'] = () => keyset(['AAAAAA'], []);
    const { code, stderr, json } = await keys('init', '--timeout', '1s', '--json');
    expect(code).toBe(1);
    expect(json.keysets[0]).toMatchObject({ purpose: 'nonce', kid: 'AAAAAA', missing: ['local-b'] });
    expect(stderr).toContain(
      'error: nonce: Regions without the key: local-b; run it again to keep waiting\n',
    );
    expect(new Set(asked.map((line) => line.split(' ')[2]))).toEqual(new Set(['keys.list']));
  });

  it('init names each replica that AWS could not make, with its message, and one that keeps a Region waiting', async () => {
    const message = 'The KMS key is disabled';
    answers['local-a'] = (_, purpose) => ({
      ...keyset(['AAAAAA'], purpose === 'token' ? [] : ['AAAAAA']),
      replicas: [
        purpose === 'nonce'
          ? { region: 'local-b', status: 'Failed', message }
          : { region: 'local-b', status: 'InProgress', message: null },
      ],
    });
    const { code, stderr, json } = await keys('init', '--timeout', '1s', '--json');
    expect(code).toBe(1);
    expect(stderr).toContain(`error: nonce: the replica in local-b is Failed: ${message} (docs/runbook.md,`);
    expect(stderr).toContain('error: token: the replica in local-b is InProgress (docs/runbook.md,');
    expect(json.keysets.map(({ replicas }: { replicas: object[] }) => replicas.length)).toEqual([
      1, 0, 1, 0, 0,
    ]);
  });

  it('Ctrl-C ends the wait of init', async () => {
    answers['local-a'] = () => keyset(['AAAAAA'], []);
    const { code } = await directory.run(['keys', 'init'], {
      onReady: (interrupt) => setTimeout(interrupt, 50),
    });
    expect(code).toBe(130);
  });

  it('if the home Region cannot read a replica, init asks that Region itself', async () => {
    answers['local-a'] = () => keyset(['AAAAAA'], null);
    answers['local-b'] = () => keyset(['AAAAAA'], null);
    expect((await keys('init')).code).toBe(0);
    expect(asked).toContain('local-b rotate-nonce keys.list');
  });

  it('if one purpose is refused, init continues with the others, and says why', async () => {
    let purposes = 0;
    const problem = { code: 'unavailable', detail: 'https://vault is sealed: unseal Vault' };
    answers['local-a'] = (action) => {
      if (action === 'keys.rotate') return { problem };
      return keyset(purposes++ === 0 ? [] : ['AAAAAA'], ['AAAAAA']);
    };
    const { code, stderr, json } = await keys('init', '--json');
    expect(code).toBe(1);
    expect(stderr).toContain('error: nonce: https://vault is sealed: unseal Vault (unavailable)\n');
    expect(json.keysets.map(({ kid }: { kid: string | null }) => kid)).toEqual([
      null,
      ...PURPOSES.slice(1).map(() => 'AAAAAA'),
    ]);
  });

  it('without rotation functions, init names the missing function, and exits as for an unreachable platform', async () => {
    for (const args of [
      ['init'],
      ['list'],
      ['rotate', 'nonce'],
      ['unstick', 'nonce'],
      ['revoke', 'nonce', '--yes'],
    ]) {
      const { code, stderr } = await keys(...args);
      expect(code).toBe(3);
      expect(stderr).toContain(
        'countersign-local-rotate-nonce in local-a: not found; check that the stage is deployed in this Region',
      );
    }
  });

  const revoked = (a: boolean, b: boolean, replaced = true): RevokedKeys => ({
    keyset: replaced ? keyset(['CCCCCC'], []) : null,
    failure: replaced ? null : 'the secret cannot be written',
    revoked: ['AAAAAA'],
    regions: [
      { region: 'local-a', confirmed: a },
      { region: 'local-b', confirmed: b },
    ],
    unreadable: [],
    unknown_kids: [],
  });
  /** A function's answer to revoke, with the list as it was before or as it is after. */
  function revoking(
    answer: object | ((params: object) => object | undefined) | undefined,
    listed: object | undefined = keyset(['AAAAAA'], ['AAAAAA']),
    after: object | undefined = keyset(['CCCCCC'], ['CCCCCC']),
  ): Answer {
    let replaced = false;
    return (action, _, params) => {
      if (action === 'keys.list') return replaced ? after : listed;
      const result = typeof answer === 'function' ? answer(params) : answer;
      replaced ||= result !== undefined && 'keyset' in result && result.keyset !== null;
      return result;
    };
  }

  it('if the home Region is lost, revoke asks the next one: it refuses the keys, and the output says what is missing', async () => {
    answers['local-b'] = revoking(revoked(false, true, false));
    const { code, stdout, stderr } = await keys('revoke', 'nonce', '--yes');
    expect(code).toBe(1);
    expect(stdout).toBe('nonce: AAAAAA refused within 10 s by: local-b\n');
    expect(stderr.match(/asked local-b instead\n/g)).toHaveLength(1);
    expect(stderr).toContain(
      'error: no new key is confirmed, so possibly no key signs: countersign-local-rotate-nonce in local-a: not found',
    );
    expect(stderr).toContain(
      'error: not confirmed by local-a; until it is, run: countersign keys revoke nonce --only-kid AAAAAA\n',
    );
  });

  it('revoke asks a Region itself if the home Region could not reach it', async () => {
    const toB: unknown[] = [];
    answers['local-a'] = revoking(revoked(true, false));
    answers['local-b'] = revoking((params) => {
      toB.push(params);
      return revoked(false, true, false);
    });
    const { code, stdout, stderr } = await keys('revoke', 'nonce', '--yes');
    expect(code).toBe(0);
    expect(stderr).not.toContain('error');
    expect(stdout).toBe(
      'nonce: AAAAAA refused within 10 s by: local-a, local-b\nnonce: key CCCCCC signs now\n',
    );
    expect(toB).toEqual([{ only_kids: ['AAAAAA'] }]);

    answers['local-b'] = () => undefined;
    const lost = await keys('revoke', 'nonce', '--yes', '--json');
    expect(lost.code).toBe(1);
    expect(lost.stderr).toMatch(
      /the answer brings a good one, .*\nerror: countersign-local-rotate-nonce in local-b: not found; .*\nerror: not confirmed by local-b; until it is, run: countersign keys revoke nonce --only-kid AAAAAA\n$/,
    );
    expect(lost.json.regions).toEqual([
      { region: 'local-a', confirmed: true },
      { region: 'local-b', confirmed: false },
    ]);
    answers['local-b'] = () => ({ problem: { code: 'internal', detail: 'Something went wrong' } });
    const refused = await keys('revoke', 'nonce', '--yes', '--json');
    expect(refused.json).toEqual(lost.json);
    expect(refused.stderr).toContain(
      '\nerror: local-b: Something went wrong (internal)\nerror: not confirmed by',
    );
  });

  it('revoke asks a Region of --regions that the function does not know', async () => {
    answers['local-a'] = revoking({
      ...revoked(true, false),
      regions: [{ region: 'local-a', confirmed: true }],
    });
    const missed = await keys('revoke', 'nonce', '--yes');
    expect([missed.code, missed.stderr]).toEqual([1, expect.stringContaining('not confirmed by local-b')]);
    answers['local-b'] = revoking(revoked(false, true, false));
    expect((await keys('revoke', 'nonce', '--yes')).code).toBe(0);
  });

  it('if the home Region fails or cannot read the keys, revoke asks the next Region', async () => {
    const blind = { ...revoked(false, false, false), revoked: [] };
    answers['local-b'] = revoking(revoked(true, true, false));
    answers['local-a'] = revoking(blind, { ...keyset([], null), unreadable: 'keyset: not JSON' });
    const { code, stdout, stderr } = await keys('revoke', 'nonce', '--yes');
    expect([code, stdout]).toEqual([1, 'nonce: AAAAAA refused within 10 s by: local-a, local-b\n']);
    expect(stderr).toContain('local-a could not read the keys: the secret cannot be written;');
    answers['local-a'] = revoking(blind, {
      problem: { code: 'rotation_refused', detail: 'keyset: not JSON' },
    });
    const unlisted = await keys('revoke', 'nonce', '--yes');
    expect([unlisted.code, unlisted.stdout]).toEqual([code, stdout]);
    expect(unlisted.stderr).toContain(
      'error: local-a: keyset: not JSON (rotation_refused); asked local-b instead\n',
    );
    answers['local-a'] = () => ({ problem: { code: 'internal', detail: 'Something went wrong' } });
    const broken = await keys('revoke', 'nonce', '--yes');
    expect([broken.code, broken.stdout]).toEqual([code, stdout]);
    expect(broken.stderr).toContain(
      'error: local-a: Something went wrong (internal); asked local-b instead\n',
    );
  });

  it('revoke of unknown keys fails: nothing is refused, and the output says so', async () => {
    const blind = { ...revoked(false, false, false), revoked: [] };
    const refused = { problem: { code: 'rotation_refused', detail: 'keyset: not JSON' } };
    for (const region of ['local-a', 'local-b']) answers[region] = revoking(blind, refused);
    const { code, stdout, stderr, json } = await keys('revoke', 'nonce', '--yes', '--json');
    expect([code, json.keyset, json.revoked]).toEqual([1, null, []]);
    expect(json.regions.map(({ confirmed }: { confirmed: boolean }) => confirmed)).toEqual([false, false]);
    expect(stderr).toContain('error: not confirmed by local-b');
    expect(stdout).not.toContain('"confirmed":true');
    expect((await keys('revoke', 'nonce', '--yes')).stdout).toBe(
      'nonce: no key refused within 10 s by: no Region\n',
    );
    // Each was asked once, about all kids.
    expect(asked.filter((line) => line.endsWith('keys.revoke'))).toHaveLength(4);
  });

  it('revoke calls a function once; if its answer is lost, the next Region gets the kids, and the new key survives', async () => {
    let replaced = false;
    const params: [string, object][] = [];
    const listed = () => (replaced ? keyset(['CCCCCC'], ['CCCCCC']) : keyset(['AAAAAA'], ['AAAAAA']));
    answers['local-a'] = (action, _, given) => {
      if (action === 'keys.list') return listed();
      params.push(['local-a', given]);
      if (replaced) return revoked(true, true);
      replaced = true;
      return { lost: true };
    };
    answers['local-b'] = (action, _, given) => {
      if (action === 'keys.list') return listed();
      params.push(['local-b', given]);
      return revoked(true, true, false);
    };
    const { code, stdout, stderr } = await keys('revoke', 'nonce', '--yes');
    expect(params).toEqual([
      ['local-a', {}],
      ['local-b', { only_kids: ['AAAAAA'] }],
      ['local-a', { only_kids: ['AAAAAA'] }],
    ]);
    expect([code, stdout]).toEqual([
      0,
      'nonce: AAAAAA refused within 10 s by: local-a, local-b\nnonce: key CCCCCC signs now\n',
    ]);
    expect(stderr).toContain('asked local-b instead\n');
  });

  it('if an older function does not accept all known kids, revoke asks the next Region', async () => {
    const params: [string, object][] = [];
    const problem = {
      status: 400,
      code: 'malformed_request',
      detail: 'params.only_kids: too many',
    };
    for (const region of ['local-a', 'local-b'])
      answers[region] = (action, _, given) => {
        if (action === 'keys.list') return keyset(['AAAAAA'], ['AAAAAA']);
        params.push([region, given]);
        return { problem };
      };
    const derived = await keys('revoke', 'nonce', '--yes');
    expect([derived.code, derived.stderr]).toEqual([1, expect.stringContaining('--only-kid: too many')]);
    expect(params.map(([region]) => region)).toEqual(['local-a', 'local-b']);
    expect((await keys('revoke', 'nonce', '--only-kid', 'AAAAAA', '--yes')).code).toBe(1);
  });

  it('revoke says that a kid was already revoked, and that no key signs', async () => {
    const before = keyset(['CCCCCC'], ['CCCCCC']);
    const regions = before.regions.map((each) => ({ ...each, revoked: ['AAAAAA'] }));
    const listed = { ...before, regions, known_kids: ['CCCCCC', 'AAAAAA'] };
    answers['local-a'] = revoking(revoked(true, true), listed);
    const again = await keys('revoke', 'nonce', '--only-kid', 'AAAAAA', '--yes');
    expect([again.code, again.stdout]).toEqual([
      0,
      'nonce: already revoked: AAAAAA\nnonce: AAAAAA refused within 10 s by: local-a, local-b\nnonce: key CCCCCC signs now\n',
    ]);
    const none = { ...keyset(['CCCCCC'], []), keys: [{ ...key('CCCCCC'), state: 'revoked' }] };
    answers['local-a'] = revoking({ ...revoked(true, true), keyset: none }, listed);
    const mute = await keys('revoke', 'nonce', '--yes');
    expect([mute.code, mute.stderr]).toEqual([
      1,
      expect.stringMatching(
        /error: no key signs now; run: countersign keys revoke nonce --only-kid AAAAAA\n$/,
      ),
    ]);
  });

  it('revoke says which kids are newly refused, and how many already were', async () => {
    const before = keyset(['CCCCCC'], ['CCCCCC']);
    const old = ['AAAAAA', 'BBBBBB'];
    const regions = before.regions.map((each) => ({ ...each, revoked: old }));
    answers['local-a'] = revoking(
      { ...revoked(true, false), revoked: [...old, 'CCCCCC'], keyset: keyset(['DDDDDD'], []) },
      { ...before, regions, known_kids: ['CCCCCC', ...old] },
      keyset(['DDDDDD'], ['DDDDDD']),
    );
    const { stdout, stderr } = await keys('revoke', 'nonce', '--yes');
    expect(stdout).toBe(
      'nonce: keys revoked earlier: 2\nnonce: CCCCCC refused within 10 s by: local-a\nnonce: key DDDDDD signs now\n',
    );
    expect(stderr).toMatch(/local-b; until it is, run: countersign keys revoke nonce --only-kid CCCCCC\n$/);
  });

  it('revoke does not count a key as signing if another Region was asked to refuse it', async () => {
    answers['local-a'] = revoking(revoked(true, false));
    answers['local-b'] = revoking({ ...revoked(false, true, false), revoked: ['AAAAAA', 'CCCCCC'] });
    const { code, stdout } = await keys('revoke', 'nonce', '--yes');
    expect([code, stdout]).toEqual([1, expect.not.stringContaining('signs now')]);
  });

  it('revoke of a full keyset names its procedure, and no other command', async () => {
    const failure = 'the keyset remembers 1024 revoked keys: docs/key-life-cycle.md, A keyset that is full';
    answers['local-a'] = revoking({ ...revoked(true, true, false), failure });
    const { code, stderr } = await keys('revoke', 'nonce', '--yes');
    expect([code, stderr]).toEqual([1, expect.stringMatching(/, A keyset that is full\n$/)]);
    const many = Array.from({ length: 29 }, (_, i) => `AAAA${String(i).padStart(2, '0')}`);
    answers['local-a'] = () => keyset(many, many);
    expect((await keys('list', 'nonce')).stdout).toContain('  nearly full: 29 of 32 keys\n');
    answers['local-a'] = () => {
      const revoked = Array.from({ length: 921 }, (_, i) => `R${String(i).padStart(5, '0')}`);
      const regions = ['local-a', 'local-b'].map((region) => ({ region, kids: ['AAAAAA'], revoked }));
      return { ...keyset(['AAAAAA'], []), revoked, regions };
    };
    expect((await keys('list', 'nonce')).stdout).toContain('nearly full: 921 revoked keys of 1024');
    expect((await keys('timeline', 'nonce')).stdout).toContain('nearly full: 921 revoked keys of 1024');
  });

  it('a Region that accepts calls but never answers blocks nobody: the others are asked, and it is awaited once', async () => {
    const hangs = { hangs: true };
    const quick = { patienceMs: 300 };
    const revoke = () => directory.run(['keys', 'revoke', 'client-root', '--yes', '--timeout', '0s'], quick);
    let fromHome = (_: string): object => hangs;
    answers['local-a'] = (action) => fromHome(action);
    answers['local-b'] = (action, ...given) =>
      action === 'clients.list' ? { clients: [] } : revoking(revoked(true, true))(action, ...given);
    const silent = await revoke();
    // Refused everywhere; whether the silent Region has the new key is unknown.
    expect(silent.stderr).toContain('error: local-a does not have key CCCCCC yet');
    expect([silent.code, silent.stdout]).toEqual([
      1,
      expect.stringContaining('refused within 10 s by: local-a'),
    ]);
    expect(silent.stderr).toContain('Clients with an API key: none.');
    // A Region that could not read the keys is asked after those that could.
    expect(asked).not.toContain('local-a rotate-client-root keys.revoke');

    asked = [];
    fromHome = (action) => (action === 'keys.list' ? keyset(['AAAAAA'], ['AAAAAA']) : hangs);
    const slow = await revoke();
    expect(slow.code).toBe(1);
    expect(slow.stderr).toContain('error: local-a has not answered within 300 ms; asked local-b instead\n');
    expect(asked.filter((line) => line.endsWith('keys.revoke'))).toEqual([
      'local-a rotate-client-root keys.revoke',
      'local-b rotate-client-root keys.revoke',
    ]);
  });

  it('revoke waits for a slow home Region, does not ask it twice, and uses its new key', async () => {
    let answer = (_: object) => {};
    answers['local-a'] = (action) =>
      action === 'keys.list'
        ? asked.some((line) => line.endsWith('keys.revoke'))
          ? keyset(['CCCCCC'], ['CCCCCC'])
          : keyset(['AAAAAA'], ['AAAAAA'])
        : new Promise<object>((resolve) => {
            answer = resolve;
          });
    answers['local-b'] = (action, ...given) => {
      setTimeout(() => answer(revoked(true, false)), 1_000);
      return revoking(revoked(true, true, false))(action, ...given);
    };
    const slow = await directory.run(['keys', 'revoke', 'nonce', '--yes'], { patienceMs: 200 });
    expect([slow.code, slow.stdout]).toEqual([
      0,
      'nonce: AAAAAA refused within 10 s by: local-a, local-b\nnonce: key CCCCCC signs now\n',
    ]);
    expect(slow.stderr).toContain(
      'nonce: refused within 10 s by: local-a, local-b; waiting for the answer of local-a\n',
    );
    expect(asked.filter((line) => line.endsWith('keys.revoke'))).toHaveLength(2);
  });

  it("a malformed answer is one Region's fault: the Region is named, and the others are asked", async () => {
    for (const raw of [
      '<html>busy</html>',
      'null',
      '{}',
      '[]',
      '{"ok":true}',
      '{"ok":false,"problem":{}}',
      '',
    ]) {
      answers['local-a'] = () => ({ raw });
      answers['local-b'] = revoking(revoked(true, true));
      const { code, stderr } = await keys('revoke', 'nonce', '--yes');
      expect(code).toBe(0);
      const said =
        'error: countersign-local-rotate-nonce in local-a: the answer is not from a Countersign function; check for a proxy in between';
      expect(stderr).toContain(said);
      answers['local-a'] = (action) => (action === 'keys.list' ? keyset(['AAAAAA'], ['AAAAAA']) : { raw });
      const rotate = await keys('rotate', 'nonce');
      answers['local-a'] = () => ({ raw });
      expect([rotate.code, rotate.stderr]).toEqual([
        3,
        `error: nonce: ${said.slice(7)}; it may have been done: look with countersign keys list nonce\n`,
      ]);
      expect((await keys('list', 'nonce')).stderr).not.toContain('may have been done');
      expect((await directory.run(['clients', 'list'])).stderr).toContain(
        'is not from a Countersign function',
      );
    }
  });

  it('a change whose answer is lost may have been made, and the output says so; an unsent one was not', async () => {
    answers['local-a'] = () => ({ lost: true });
    const doubtAfter = async (...args: string[]) =>
      (await directory.run(args)).stderr.split(' it may have been done: look with ')[1];
    const lost = 'if the client is there, its API key is lost: give it another with clients rotate-key\n';
    expect(await doubtAfter('clients', 'create')).toBe(`countersign clients list; ${lost}`);
    expect(await doubtAfter('clients', 'create', 'some-one')).toBe(
      `countersign clients show some-one; ${lost}`,
    );
    expect(await doubtAfter('clients', 'rotate-key', 'some-one')).toBe(
      'countersign clients show some-one; if it has a new key, that key is lost: rotate it again\n',
    );
    expect(await doubtAfter('revoke', 'key', 'some-one', '1')).toContain(
      'countersign clients show some-one; to run it again does no harm\n',
    );
    directory.write('pub.jwk', '{"kty":"OKP"}');
    expect(await doubtAfter('clients', 'create', 'some-one', '--jwk', 'pub.jwk')).toBe(
      'countersign clients show some-one\n',
    );
    expect((await directory.run(['registrations', 'delete', 'dev', 'u'])).stderr).toContain(
      'may have been done: look with countersign registrations show dev u',
    );
    expect((await directory.run(['clients', 'show', 'some-one'])).stderr).not.toContain('may have');
    answers = {};
    expect((await directory.run(['clients', 'create', 'some-one'])).stderr).not.toContain('may have');
  });

  it.each(['revoke', 'rotate', 'unstick'])(
    '%s: Ctrl-C ends the wait, and says what may have been done',
    async (name) => {
      answers['local-a'] = revoking({ hangs: true });
      answers['local-b'] = () => ({ hangs: true });
      const { code, stderr } = await directory.run(
        ['keys', name, 'nonce', ...(name === 'revoke' ? ['--yes'] : [])],
        {
          patienceMs: 200,
          onReady: (interrupt) => {
            const asking = setInterval(() => {
              if (!asked.some((line) => line.endsWith(`keys.${name}`))) return;
              clearInterval(asking);
              interrupt();
            }, 5);
          },
        },
      );
      expect([code, stderr]).toEqual([
        130,
        expect.stringMatching(
          /error: interrupted; it may have been done: look with countersign keys list nonce\n$/,
        ),
      ]);
      if (name === 'revoke')
        expect(stderr).toContain(
          '\nnonce: no Region has confirmed; until all have, run: countersign keys revoke nonce --only-kid AAAAAA\n',
        );
    },
  );

  /** Presses Ctrl-C once a function was called. */
  const interruptOnceAsked = (line: string): RunOptions => ({
    onReady: (interrupt) => {
      const asking = setInterval(() => {
        if (!asked.includes(line)) return;
        clearInterval(asking);
        interrupt();
      }, 5);
    },
  });

  it('revoke asks the next Region for all keys where the call of the first one did not begin', async () => {
    answers['local-a'] = () => undefined;
    let given: object | undefined;
    answers['local-b'] = (action, _, params) => {
      if (action === 'keys.list')
        return { problem: { code: 'unavailable', detail: 'limits cannot be read' } };
      given ??= params;
      return revoked(true, true);
    };
    const { stdout } = await keys('revoke', 'nonce', '--yes', '--timeout', '0s');
    expect(given).toEqual({});
    expect(stdout).toContain('nonce: AAAAAA refused within 10 s by: local-a, local-b\n');
  });

  it('promote says after Ctrl-C what was done, and that it has to be run again', async () => {
    const own = { ...keyset(['AAAAAA'], []), primary_region: 'local-a' };
    const home = { term: 1, region: 'local-b', kids: ['AAAAAA'] };
    const regions = ['local-a', 'local-b'].map((region) => ({ region, confirmed: true }));
    for (const region of ['local-a', 'local-b'])
      answers[region] = (action, purpose) => {
        if (action === 'keys.list') return own;
        return purpose === 'nonce' ? { keyset: own, home, regions } : { hangs: true };
      };
    const { code, stderr, json } = await directory.run(
      ['keys', 'promote', '--to', 'local-b', '--yes', '--json'],
      interruptOnceAsked('local-b rotate-client-root keys.promote'),
    );
    expect([code, json]).toEqual([
      130,
      {
        to: 'local-b',
        done: false,
        steps: [expect.objectContaining({ step: 'take-over', purpose: 'nonce', done: true })],
      },
    ]);
    expect(stderr).toMatch(
      /^error: interrupted; .*\. Run this command again: .* no key is made until local-b is deployed with keys\.managedBy\n$/,
    );
  });

  it('revoke keeps the first Region’s confirmation after Ctrl-C while it waits for a second one', async () => {
    answers['local-a'] = revoking(revoked(true, false));
    answers['local-b'] = () => ({ hangs: true });
    const { code, stdout, stderr } = await directory.run(
      ['keys', 'revoke', 'nonce', '--yes'],
      interruptOnceAsked('local-b rotate-nonce keys.revoke'),
    );
    expect([code, stdout]).toEqual([
      130,
      'nonce: AAAAAA refused within 10 s by: local-a\nnonce: key CCCCCC signs now\n',
    ]);
    expect(stderr).toContain(
      'error: interrupted; it may have been done: look with countersign keys list nonce\nerror: not confirmed by local-b; until it is, run: countersign keys revoke nonce --only-kid AAAAAA\n',
    );
    expect(stderr).toContain('error: local-b is not known to have key CCCCCC yet');
  });

  it('revoke ends as interrupted after Ctrl-C, also if no key was made that Regions could lack', async () => {
    answers['local-a'] = revoking(revoked(true, false, false));
    answers['local-b'] = () => ({ hangs: true });
    const { code, stderr } = await directory.run(
      ['keys', 'revoke', 'nonce', '--yes'],
      interruptOnceAsked('local-b rotate-nonce keys.revoke'),
    );
    expect([code, stderr]).toEqual([130, expect.stringContaining('no new key is confirmed')]);
  });

  it('list asks the next Region if the home Region refuses, and says so', async () => {
    answers['local-a'] = () => ({ problem: { code: 'unavailable', detail: 'limits cannot be read' } });
    answers['local-b'] = () => keyset(['AAAAAA'], ['AAAAAA']);
    for (const name of ['list', 'timeline']) {
      const { stdout, stderr } = await keys(name, 'nonce');
      expect(stdout).toContain('AAAAAA');
      expect(stderr).toBe('error: local-a: limits cannot be read (unavailable); asked local-b instead\n');
    }
    answers['local-b'] = answers['local-a'];
    const none = await keys('list', 'nonce');
    expect([none.code, none.stderr]).toEqual([
      1,
      'error: nonce: local-a: limits cannot be read (unavailable); local-b: limits cannot be read (unavailable)\n',
    ]);
  });

  it('list does not wait for a Region that accepts calls but never answers', async () => {
    answers['local-a'] = () => ({ hangs: true });
    answers['local-b'] = () => ({ ...keyset(['AAAAAA'], ['AAAAAA']) });
    const { stdout, stderr } = await directory.run(['keys', 'list', 'nonce'], { patienceMs: 300 });
    expect(stdout).toContain('AAAAAA');
    expect(stderr).toBe('error: local-a has not answered within 300 ms; asked local-b instead\n');
    answers['local-a'] = () => keyset(['AAAAAA'], null);
    answers['local-b'] = () => ({ hangs: true });
    const half = await directory.run(['keys', 'list', 'nonce'], { patienceMs: 300 });
    expect(half.stdout).toContain('  local-b: cannot be read\n');
  });

  it.each([
    [
      'current',
      'v3',
      'rolled back: readers hold version 3, and ignore this one: move AWSCURRENT back to version v3 ',
    ],
    [
      'revoked',
      'v3',
      'rolled back: readers hold version 3, and ignore this one: move AWSCURRENT back to version v3 ',
    ],
    ['current', null, 'a rotation did not finish, or the secret was rolled back: readers may hold version 3'],
    ['revoked', null, 'a rotation did not finish, or the secret was rolled back: readers may hold version 3'],
  ] as const)(
    'list, timeline and init: readers hold a newer keyset; keys here %s, version to go back to %s',
    async (state, fall_back, says) => {
      const older = { ...keyset([], ['AAAAAA']), keys: [{ ...key('AAAAAA'), state }] };
      answers['local-a'] = () => ({ ...older, published_seq: 3, fall_back });
      const said = [await keys('list', 'nonce'), await keys('timeline', 'nonce'), await keys('init')];
      for (const { code, stdout, stderr } of said) {
        expect([code, stdout + stderr]).toEqual([1, expect.stringContaining(says)]);
        // Neither is true, and either would end keys in use.
        expect(stdout + stderr).not.toMatch(/no key signs|keys revoke|--force/);
        // The harmless way comes first, and the other one says what it ends.
        const text = stdout + stderr;
        if (fall_back === null)
          expect(text).toMatch(
            /move AWSCURRENT back .* a rotation ends the keys .* countersign keys rotate nonce/,
          );
        else expect(text).not.toContain('keys rotate');
      }
    },
  );

  it('the commands in its output name the same platform', async () => {
    const { awsEndpoint } = JSON.parse(directory.read('.countersign/local.json'));
    const elsewhere = new Directory();
    mkdirSync(`${elsewhere.path}/.countersign`);
    const local = {
      ...JSON.parse(directory.read('.countersign/local.json')),
      awsEndpoint,
      entry: 'http://127.0.0.1:7100',
    };
    elsewhere.write('.countersign/local-7100.json', JSON.stringify(local));
    const ask = (...args: string[]) => elsewhere.run([...args, '--local', '7100']);
    const revokedKey = { ...key('AAAAAA'), state: 'revoked' as const };
    const regions = [
      { region: 'local-a', kids: ['AAAAAA'], revoked: ['AAAAAA'] },
      { region: 'local-b', kids: ['AAAAAA'], revoked: [] },
    ];
    answers['local-a'] = (action) =>
      action === 'keys.list'
        ? {
            ...keyset([], []),
            keys: [revokedKey],
            revoked: ['AAAAAA'],
            regions,
            published_seq: 3,
            pending: 'v2',
          }
        : { lost: true };
    const said = [
      await ask('keys', 'list', 'nonce'),
      await ask('keys', 'timeline', 'nonce'),
      await ask('keys', 'init'),
      await ask('keys', 'rotate', 'nonce'),
      await ask('keys', 'revoke', 'nonce', '--yes'),
      await ask('clients', 'create', 'some-one'),
    ].map(({ stdout, stderr }) => stdout + stderr);
    elsewhere.remove();
    for (const text of said) {
      const commands = text.match(/countersign (keys|clients) .*/g) ?? [];
      expect(commands.length).toBeGreaterThan(0);
      for (const command of commands) expect(command).toContain(' --local 7100');
    }
  });

  it('rotate names a Region that lacks a key which should sign at once', async () => {
    answers['local-a'] = () => keyset(['AAAAAA'], null);
    const { code, stdout, stderr } = await directory.run(['keys', 'rotate', 'nonce'], { patienceMs: 50 });
    expect([code, stdout]).toEqual([1, 'nonce: key AAAAAA signs now\n']);
    expect(stderr).toContain('error: local-b does not have key AAAAAA yet, so possibly no key signs there');
  });

  it('clients list and unstick do not wait for a Region that accepts calls but never answers', async () => {
    answers['local-a'] = () => ({ hangs: true });
    answers['local-b'] = (action) =>
      action === 'keys.list' ? keyset(['AAAAAA'], ['AAAAAA']) : { clients: [] };
    const quick = { patienceMs: 300 };
    const list = await directory.run(['clients', 'list'], quick);
    expect([list.code, list.stderr]).toEqual([
      0,
      'error: local-a has not answered within 300 ms; asked local-b instead\n',
    ]);
    const unstick = await directory.run(['keys', 'unstick', 'nonce'], quick);
    expect([unstick.code, unstick.stderr]).toEqual([3, 'error: local-a has not answered within 300 ms\n']);
  });

  it('list treats an invalid copy as one that cannot be read', async () => {
    answers['local-a'] = () => keyset(['AAAAAA'], null);
    answers['local-b'] = () => ({
      ...keyset([], null),
      seq: null,
      unreadable: 'version v1: keyset: not JSON',
    });
    expect((await keys('list', 'nonce')).stdout).toContain('  local-b: cannot be read\n');
  });

  it('revoke reports the reason from the Region that can write the keyset', async () => {
    const replica = { ...revoked(true, true, false), failure: 'the keyset is a replica here' };
    answers['local-a'] = revoking(
      { ...revoked(true, true, false), failure: 'Vault is sealed' },
      { lost: true },
    );
    answers['local-b'] = revoking(replica);
    const { code, stderr } = await keys('revoke', 'nonce', '--yes');
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('error: no new key is confirmed, so possibly no key signs: Vault is sealed;'),
    ]);
  });

  it('revoke names a Region that was asked to refuse fewer keys than another', async () => {
    answers['local-a'] = revoking({ ...revoked(true, false), revoked: ['AAAAAA', 'BBBBBB'] }, { lost: true });
    answers['local-b'] = revoking(revoked(false, true, false));
    const { code, stdout, stderr } = await keys('revoke', 'nonce', '--yes');
    expect([code, stdout]).toEqual([
      1,
      expect.stringMatching(/AAAAAA, BBBBBB refused within 10 s by: local-a\n/),
    ]);
    expect(stderr).toContain('error: not confirmed by local-b');
  });

  it('init times out if a function does not answer, and ends with Ctrl-C', async () => {
    answers['local-a'] = () => ({ hangs: true });
    const late = await keys('init', '--timeout', '1s');
    expect([late.code, late.stderr]).toEqual([
      3,
      expect.stringContaining('error: nonce: countersign-local-rotate-nonce in local-a: no answer in time\n'),
    ]);
    const interrupted = await directory.run(['keys', 'init'], {
      onReady: (interrupt) => setTimeout(interrupt, 50),
    });
    expect([interrupted.code, interrupted.stderr]).toEqual([130, 'error: interrupted\n']);
  });

  it('init waits for a key that a Region refuses, as for a missing one', async () => {
    const held = keyset(['AAAAAA'], ['AAAAAA']);
    const [inA, inB] = held.regions;
    answers['local-a'] = () => ({
      ...held,
      regions: [inA, { ...inB, revoked: ['AAAAAA'] }],
      keys: [key('AAAAAA')],
    });
    const { code, stderr } = await keys('init', '--timeout', '1s');
    expect([code, stderr]).toEqual([1, expect.stringContaining('nonce: Regions without the key: local-b;')]);
    expect(stderr).toContain('token: Regions without the key: local-b;');
  });

  it('list and timeline say that no key signs, and name the remedy', async () => {
    const revokedKey = { ...key('AAAAAA'), state: 'revoked' as const };
    const cases: [Partial<KeysetSummary>, string][] = [
      [{ keys: [revokedKey] }, 'no key signs: countersign keys revoke nonce makes one that signs'],
      [{ keys: [], known_kids: [] }, 'no keys: countersign keys init'],
      [{ keys: [], pending: 'v2' }, 'no keys: countersign keys init'],
      [
        { keys: [] },
        'the keyset was emptied: move AWSCURRENT back to a version that has keys (docs/runbook.md, no-keys). If none is left, countersign keys revoke nonce ends the keys that readers hold, and makes one that signs',
      ],
      [{ keys: [], fall_back: 'v0' }, 'the keyset was emptied: move AWSCURRENT back to version v0'],
      [
        { keys: [], seq: null, unreadable: 'version v1: keyset: not JSON', fall_back: 'v0' },
        'version v1: keyset: not JSON: move AWSCURRENT back to version v0',
      ],
      [
        { keys: [], seq: null, unreadable: 'version v1: keyset: not JSON' },
        'version v1: keyset: not JSON: move AWSCURRENT back to a version that has keys',
      ],
    ];
    for (const [change, says] of cases) {
      answers['local-a'] = () => ({ ...keyset(['AAAAAA'], ['AAAAAA']), ...change });
      for (const name of ['list', 'timeline']) {
        const { code, stdout } = await keys(name, 'nonce');
        expect([code, stdout]).toEqual([1, expect.stringContaining(says)]);
      }
    }
  });

  it('list and timeline name a Region that accepts a revoked key which the keyset no longer holds', async () => {
    const held = { ...keyset(['BBBBBB'], ['AAAAAA']), revoked: ['AAAAAA'] };
    const regions = held.regions.map((each, i) => ({ ...each, revoked: i === 0 ? ['AAAAAA'] : [] }));
    answers['local-a'] = () => ({ ...held, regions });
    for (const name of ['list', 'timeline']) {
      const { code, stdout } = await keys(name, 'nonce');
      expect(code).toBe(1);
      expect(stdout).toContain('  local-b: lacks BBBBBB\n');
      expect(stdout).toContain(
        '  local-b: does not refuse AAAAAA: countersign keys revoke nonce --only-kid AAAAAA\n',
      );
    }
  });

  it('rotate derives the time when a key signs from the state: at once if every older key is revoked', async () => {
    const soon = { ...key('BBBBBB'), activates_at: '2999-01-01T00:00:00.000Z' };
    const gone = { ...key('CCCCCC'), state: 'revoked' as const, activates_at: '2999-02-01T00:00:00.000Z' };
    answers['local-a'] = () => ({ ...keyset(['BBBBBB'], ['BBBBBB']), keys: [soon, gone] });
    expect((await keys('rotate', 'nonce')).stdout).toBe('nonce: key BBBBBB signs now\n');
  });

  it('unstick fails if it removed nothing', async () => {
    answers['local-a'] = () => ({ ...keyset(['AAAAAA'], []), pending: 'v2' });
    const { code, stdout, stderr } = await keys('unstick', 'nonce');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^error: nonce: version v2 is still pending; look again/);
    expect((await keys('unstick', 'nonce', '--json')).json.removed).toBe(null);
    let lists = 0;
    answers['local-a'] = () => ({ ...keyset(['AAAAAA'], []), pending: lists++ === 0 ? 'v2' : 'v3' });
    expect((await keys('unstick', 'nonce')).code).toBe(0);
  });

  it('a command that revokes or removes asks every Region at once', async () => {
    answers['local-a'] = () => ({ hangs: true });
    answers['local-b'] = () => ({ client_id: 'leaky', keys: [], disabled: true });
    for (const args of [
      ['revoke', 'client', 'leaky'],
      ['revoke', 'key', 'leaky', '1'],
      ['clients', 'disable', 'leaky'],
      ['clients', 'delete', 'leaky'],
    ]) {
      asked = [];
      void directory.run(args);
      await expect.poll(() => asked.length).toBe(2);
    }
  });

  it('revoke of an unknown kid records it, says so, and fails', async () => {
    const asks = () => keys('revoke', 'nonce', '--only-kid', 'BBBBBB', '--yes', '--json');
    const unknown = { ...revoked(true, true), unknown_kids: ['BBBBBB'] };
    answers['local-a'] = revoking(unknown);
    const { code, stderr, json } = await asks();
    expect([code, json.unknown_kids]).toEqual([1, ['BBBBBB']]);
    expect(stderr).toContain(
      'error: no version of the keyset and no Region knew key BBBBBB: it is refused from now on; is it mistyped?\n',
    );
    // Another Region knows the kid than the one that was asked.
    answers['local-a'] = revoking(unknown, keyset(['AAAAAA', 'BBBBBB'], null));
    const known = await asks();
    expect([known.code, known.json.unknown_kids]).toEqual([0, []]);
    // A function of an older release does not report this.
    answers['local-a'] = revoking({ ...unknown, unknown_kids: undefined });
    expect((await asks()).code).toBe(0);
  });

  it('revoke waits until every Region has the new key', async () => {
    let looks = 0;
    const late = revoking(revoked(true, true));
    answers['local-a'] = (...given) =>
      given[0] === 'keys.list' && ++looks > 1 && looks < 5 ? keyset(['CCCCCC'], ['AAAAAA']) : late(...given);
    const { code, stderr } = await keys('revoke', 'nonce', '--yes');
    expect([code, looks]).toEqual([0, 5]);
    expect(stderr).toMatch(/\nnonce: waiting for local-b\n$/);
  });

  it('revoke times out, and names the Region where no key signs', async () => {
    answers['local-a'] = revoking(revoked(true, true), undefined, keyset(['CCCCCC'], ['AAAAAA']));
    const { code, stdout, stderr } = await keys('revoke', 'nonce', '--yes', '--timeout', '0s');
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(
        /\nerror: local-b does not have key CCCCCC yet, so possibly no key signs there: .*\n$/,
      ),
    ]);
    expect(stdout).toContain('nonce: key CCCCCC signs now\n');
    const { json } = await keys('revoke', 'nonce', '--yes', '--timeout', '0s', '--json');
    expect([json.missing, json.keyset.seq]).toEqual([['local-b'], 1]);
  });

  it('revoke names the parts that it could not read', async () => {
    answers['local-a'] = revoking({
      ...revoked(true, true),
      unreadable: ['AWSPREVIOUS in local-b (Unavailable)'],
    });
    const { code, stderr } = await keys('revoke', 'nonce', '--yes');
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining(
        'not read: AWSPREVIOUS in local-b (Unavailable); a key that exists only there is not refused\n',
      ),
    ]);
  });

  it('revoke uses the new key of a home Region that became reachable', async () => {
    let calls = 0;
    answers['local-a'] = revoking(() => (calls++ === 0 ? { crash: true } : revoked(true, false)));
    answers['local-b'] = revoking(revoked(false, true, false));
    const { code, stdout, stderr } = await keys('revoke', 'nonce', '--yes');
    expect([code, stdout]).toEqual([
      0,
      'nonce: AAAAAA refused within 10 s by: local-a, local-b\nnonce: key CCCCCC signs now\n',
    ]);
    expect(stderr).toContain(
      'in local-a failed; its log says why; it may have been done: look with countersign keys list nonce; asked local-b',
    );
  });

  it('the cost of revoking a client root is every live client with an API key, from whichever Region lists them', async () => {
    const client = (client_id: string, kid: string, rest: object = {}) => ({
      client_id,
      keys: [{ kid, revoked: false, expires_at: '2999-01-01T00:00:00Z', ...rest }],
    });
    const root = revoking(revoked(true, true));
    answers['local-b'] = (action, _, params) => {
      if (action !== 'clients.list') return root(action, '', params);
      if ('cursor' in params) return { clients: [client('another', '12', { root_kid: 'BBBBBB' })] };
      const ended = client('ended', '1', { expires_at: '2020-01-01T00:00:00Z' });
      const clients = [client('one', '1'), client('own', 'NzbLsXh8'), client('dead', '2', { revoked: true })];
      return { clients: [...clients, ended], cursor: 'next' };
    };
    const { stderr } = await keys('revoke', 'client-root', '--yes');
    expect(stderr).toContain('Clients with an API key: another, one.\n');
    const only = await keys('revoke', 'client-root', '--only-kid', 'AAAAAA', '--yes');
    expect(only.stderr).toContain('Clients with an API key: one.\n');

    answers['local-b'] = (action, ...asked) =>
      action === 'clients.list' ? undefined : root(action, ...asked);
    const unlisted = await keys('revoke', 'client-root', '--yes');
    expect([unlisted.code, unlisted.stderr]).toEqual([
      0,
      expect.stringContaining('unknown, the list could not be read.'),
    ]);
  });

  it('list names a Region that lacks a key, and one that cannot be read', async () => {
    answers['local-a'] = () => keyset(['AAAAAA'], ['BBBBBB']);
    expect((await keys('list', 'nonce')).stdout).toContain('  local-b: lacks AAAAAA\n');
    answers['local-a'] = () => keyset(['AAAAAA'], null);
    const unread = await keys('list', 'nonce');
    expect([unread.code, unread.stdout]).toEqual([1, expect.stringContaining('  local-b: cannot be read\n')]);
    answers['local-b'] = () => keyset(['BBBBBB'], null);
    expect((await keys('list', 'nonce')).stdout).toContain('  local-b: lacks AAAAAA\n');
  });

  it('if the home Region is lost, list asks the next one', async () => {
    answers['local-b'] = () => ({
      ...keyset(['AAAAAA'], null),
      regions: ['local-a', 'local-b'].map((region) => ({ region, kids: ['AAAAAA'], revoked: [] })),
    });
    const { code, json, stderr } = await keys('list', 'nonce', '--json');
    expect(code).toBe(0);
    expect(json.keysets[0].regions).toEqual([
      { region: 'local-a', kids: ['AAAAAA'], revoked: [] },
      { region: 'local-b', kids: ['AAAAAA'], revoked: [] },
    ]);
    expect(stderr).toMatch(/in local-a: not found; .*; asked local-b instead\n$/);
  });

  it('list names a Region that does not refuse a revoked key, or may not, and shows the next rotation and last failure', async () => {
    const held = keyset(['AAAAAA', 'BBBBBB'], ['AAAAAA', 'BBBBBB']);
    const [first, second] = held.keys;
    const inA = { region: 'local-a', kids: ['AAAAAA', 'BBBBBB'], revoked: ['AAAAAA'] };
    const listed = {
      ...held,
      keys: [{ ...first, state: 'revoked' }, second],
      regions: [inA, { ...inA, region: 'local-b', revoked: [] }],
      next_rotation_at: '2999-01-01T00:00:00.000Z',
      last_failure: { at: '2026-11-23T00:00:00.000Z', action: 'createSecret', reason: 'Vault is sealed' },
    };
    answers['local-a'] = () => listed;
    const { stdout } = await keys('list', 'nonce');
    expect(stdout).toContain(
      '  local-b: does not refuse AAAAAA: countersign keys revoke nonce --only-kid AAAAAA\n',
    );
    expect(stdout).toMatch(/\n {2}next rotation: 2999-01-01 00:00Z in \d+ d.*\n/);
    expect(stdout).toMatch(
      /\n {2}last rotation failed 2026-11-23 00:00Z .*, createSecret: Vault is sealed\n/,
    );

    // Each Region is asked about what another cannot see there; its own answer counts.
    const unseen = {
      ...listed,
      keys: held.keys,
      regions: [
        { ...inA, revoked: [] },
        { ...inA, region: 'local-b', revoked: null },
      ],
    };
    answers['local-a'] = () => unseen;
    expect((await keys('list', 'nonce')).stdout).toContain('  local-b: its revoked keys cannot be read\n');
    answers['local-b'] = () => ({ ...listed, regions: [{ ...inA, region: 'local-b' }] });
    const { json } = await keys('list', 'nonce', '--json');
    expect(json.keysets[0].keys.map(({ state }: KeySummary) => state)).toEqual(['revoked', 'current']);
    expect(json.keysets[0].revoked).toEqual(['AAAAAA']);
  });

  it('list shows the parts that it could read', async () => {
    answers['local-a'] = (_, purpose) =>
      purpose === 'client-root' ? undefined : keyset(['AAAAAA'], ['AAAAAA']);
    const { code, json, stderr } = await keys('list', '--json');
    expect([code, json.keysets.length]).toEqual([1, 4]);
    expect(stderr).toMatch(
      /^error: client-root: countersign-local-rotate-client-root in local-a: not found;/,
    );
  });

  it('rotate asks for confirmation once, and makes a second next key only with --force', async () => {
    const params: object[] = [];
    const problem = {
      code: 'rotation_refused',
      detail: 'key AAAAAA signs from tomorrow on: rotate with --force',
    };
    const both = keyset(['AAAAAA', 'BBBBBB'], ['AAAAAA', 'BBBBBB']);
    answers['local-a'] = (action, __, given) => {
      if (action === 'keys.list') return both;
      params.push(given);
      return 'force' in given ? both : { problem };
    };
    expect((await keys('rotate', 'nonce')).stderr).toMatch(/--force \(rotation_refused\)\n$/);
    expect((await keys('rotate', 'nonce', '--force')).code).toBe(0);
    answers['local-a'] = (action, __, given) => {
      if (action === 'keys.list') return keyset(['AAAAAA'], []);
      params.push(given);
      return { lost: true };
    };
    expect((await keys('rotate', 'nonce')).code).toBe(3);
    expect(params).toEqual([{}, { force: true }, {}]);
  });

  it('rotate --all tries each purpose, whatever happened to the one before', async () => {
    const problem = { code: 'rotation_in_progress', detail: 'version v2 is AWSPENDING: wait, or unstick' };
    answers['local-a'] = (action, purpose) =>
      purpose === 'nonce' && action === 'keys.rotate'
        ? { problem }
        : { ...keyset(['AAAAAA'], ['AAAAAA']), purpose };
    const { code, stdout, stderr } = await keys('rotate', '--all');
    const others = PURPOSES.filter((purpose) => purpose !== 'nonce');
    expect([code, stdout]).toEqual([1, others.map((each) => `${each}: key AAAAAA signs now\n`).join('')]);
    expect(stderr).toBe('error: nonce: version v2 is AWSPENDING: wait, or unstick (rotation_in_progress)\n');
    expect((await keys('rotate', '--all', '--json')).json.keysets).toHaveLength(4);
    expect((await keys('rotate', 'nonce', '--json')).stdout).toBe('');
  });

  it('if no Region answers, the output is one line, with its own exit code', async () => {
    const elsewhere = new Directory();
    mkdirSync(`${elsewhere.path}/.countersign`);
    const local = JSON.parse(directory.read('.countersign/local.json'));
    const gone = { ...local, awsEndpoint: await closedUrl() };
    elsewhere.announce(gone);
    const { code, stderr } = await elsewhere.run(['keys', 'list', 'nonce']);
    elsewhere.remove();
    expect([code, stderr]).toEqual([
      3,
      expect.stringMatching(/^error: .*check that the platform is running\n$/),
    ]);
  });
});
