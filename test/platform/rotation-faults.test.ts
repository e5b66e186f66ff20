/**
 * The running platform while Vault or Secrets Manager fails, and while a key is stolen: the clients' answers,
 * the log, and that nothing is lost.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { KeysetSummary, RevokedKeys } from '../../lambda/contract/keys.ts';
import type { LogEntry } from '../../lambda/contract/log-entry.ts';
import { keysWatchName, rotationFunctionName, secretName, tableName } from '../../lambda/contract/names.ts';
import { appRoleSecretName } from '../../lambda/contract/vault.ts';
import type { AwsCall } from '../../local/aws/endpoint.ts';
import { AwsError } from '../../local/aws/protocol.ts';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { startServer } from '../../local/server.ts';
import { createEmbeddedVault } from '../../local/vault/vault.ts';
import { type Keyset, keyBytes, parseKeyset } from '../../protocol/keyset.ts';
import { deriveNonceKey, mintNonce } from '../../protocol/nonce.ts';
import { type Consumer, consumer } from './consumer.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const SECRET = secretName('local', 'nonce');
const REGIONS = ['local-a', 'local-b'];
const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };

/** The faults that the platform meets. */
const vault: { fails?: 'sealed' | 'gone' | 'slow' | 'keeps tokens' } = {};
let awsFault: (call: AwsCall) => AwsError | undefined = () => undefined;
let aheadMs = 0;
const log: LogEntry[] = [];
/** The tokens that the rotation functions' logins got, and the ones that were revoked. */
const tokens = { used: new Set<string>(), revoked: new Set<string>() };
/** Every value that was ever secret. */
const secretsSeen = new Set<string>();
const answers: unknown[] = [];

const embedded = createEmbeddedVault();
let vaultServer: Awaited<ReturnType<typeof startServer>>;
let platform: Platform;
let one: Consumer;
let secrets: SecretsManagerClient;
let users = 0;

beforeAll(async () => {
  vaultServer = await startServer(0, new Set());
  vaultServer.serve(async (request, response) => {
    const token = request.headers['x-vault-token'];
    if (typeof token === 'string') {
      secretsSeen.add(token);
      if (token !== embedded.rootToken) tokens.used.add(token);
      if (request.url === '/v1/auth/token/revoke-self') {
        if (vault.fails === 'keeps tokens') return void response.writeHead(500).end();
        tokens.revoked.add(token);
      }
    }
    if (vault.fails === 'gone') return void request.socket.destroy();
    if (vault.fails === 'slow') await delay(150);
    embedded.setSealed(vault.fails === 'sealed');
    return embedded.listener(request, response);
  });
  process.env.VAULT_TOKEN = embedded.rootToken;
  platform = await startPlatform({
    port: 0,
    vault: vaultServer.url as `http${string}`,
    nowMs: () => Date.now() + aheadMs,
    log: (entry) => log.push(entry),
    awsFault: (call) => awsFault(call),
  });
  const { awsEndpoint, clients, entry } = platform.info;
  secrets = new SecretsManagerClient({
    endpoint: awsEndpoint,
    region: 'local-a',
    credentials,
    maxAttempts: 1,
  });
  one = consumer(clients[0]!, entry, () => Date.now() + aheadMs);
  for (const purpose of ['nonce', 'client-root', 'token'] as const) {
    const SecretId = appRoleSecretName('local', purpose);
    const { SecretString } = await secrets.send(new GetSecretValueCommand({ SecretId }));
    secretsSeen.add(JSON.parse(SecretString!).secret_id);
  }
});
afterEach(() => {
  delete vault.fails;
  awsFault = () => undefined;
});
afterAll(async () => {
  secrets?.destroy();
  await platform?.stop();
  await vaultServer?.stop();
});

const urlOf = (region: string): string => platform.info.regions.find(({ name }) => name === region)!.url;

async function keyset(): Promise<Keyset> {
  const { SecretString } = await secrets.send(new GetSecretValueCommand({ SecretId: SECRET }));
  const held = parseKeyset(SecretString!);
  for (const { jwk } of held.keys) secretsSeen.add(jwk.k as string);
  return held;
}

/** @returns once Secrets Manager has called every step, or one has failed */
async function rotate(): Promise<void> {
  const lines = log.length;
  await secrets.send(new RotateSecretCommand({ SecretId: SECRET }));
  const ended = ({ level, action }: LogEntry) =>
    action?.endsWith('Secret') && (level === 'ERROR' || action === 'finishSecret');
  while (!log.slice(lines).some(ended)) await delay(5);
}

async function invoke<R>(
  region: string,
  FunctionName: string,
  action: string,
  params: object = {},
): Promise<R> {
  const lambda = new LambdaClient({
    endpoint: platform.info.awsEndpoint,
    region,
    credentials,
    maxAttempts: 1,
  });
  const { Payload } = await lambda.send(
    new InvokeCommand({ FunctionName, Payload: JSON.stringify({ action, params }) }),
  );
  lambda.destroy();
  const answer = JSON.parse(Payload!.transformToString());
  answers.push(answer);
  return answer?.result;
}

const revokeIn = (region: string) =>
  invoke<RevokedKeys>(region, rotationFunctionName('local', 'nonce'), 'keys.revoke');

const registerIn = async (region: string, nonce?: string) =>
  one.register(urlOf(region), nonce ?? (await one.nonce(urlOf(region))), `user-${++users}`);

async function bothRegister(): Promise<void> {
  for (const region of REGIONS) expect((await registerIn(region)).status).toBe(201);
}

/** Every honest client continues after at most one `use_nonce`, with the nonce of that answer. */
async function bothGoOn(): Promise<void> {
  for (const region of REGIONS) {
    const first = await registerIn(region);
    if (first.code === 'use_nonce') expect((await registerIn(region, first.nonce!)).status).toBe(201);
    else expect(first.status).toBe(201);
  }
}

const pass = (ms: number): void => {
  aheadMs += ms;
};

/**
 * A rotation fails with one clear line and clients notice nothing; after the repair, the next one succeeds.
 */
async function failsOnce(
  reason: RegExp,
  fail: () => void | Promise<void>,
  repair: () => void | Promise<void>,
) {
  const before = await keyset();
  await fail();
  const lines = log.length;
  await rotate();
  const failed = log.slice(lines).filter(({ level, action }) => level === 'ERROR' && action !== undefined);
  expect(failed).toEqual([expect.objectContaining({ message: 'keyset', purpose: 'nonce' })]);
  expect(`${failed[0]!.reason} ${failed[0]!.error}`).toMatch(reason);
  // Long enough for every copy to need a refresh, which fails as well.
  pass(2 * 60_000);
  await bothRegister();
  await bothRegister();

  await repair();
  expect(await keyset()).toEqual(before);
  // keys-watch removes what the interrupted rotation left, once it is older than a rotation may take.
  pass(2 * HOUR);
  await invoke('local-a', keysWatchName('local'), '');
  await rotate();
  expect((await keyset()).seq).toBe(before.seq + 1);
  await bothRegister();
}

describe('Vault', () => {
  const repair = () => {
    delete vault.fails;
  };
  it.each([
    ['sealed', /is sealed: unseal Vault/],
    ['gone', /does not answer/],
  ] as const)('%s: the next rotation makes it good, and no client notices', (fails, reason) =>
    failsOnce(
      reason,
      () => {
        vault.fails = fails;
      },
      repair,
    ),
  );

  it('slow: the rotation takes longer, and nobody waits for it', async () => {
    const { seq } = await keyset();
    vault.fails = 'slow';
    const rotation = rotate();
    await bothRegister();
    expect((await keyset()).seq).toBe(seq);
    await rotation;
    expect((await keyset()).seq).toBe(seq + 1);
  });
});

describe('a login at Vault', () => {
  const kept = () => [...tokens.used].filter((token) => !tokens.revoked.has(token));
  /** A function reports that a step is done just before it ends its login. */
  const ended = async () => {
    while (kept().length > 0) await delay(5);
  };

  it('is ended by the function that used it, whether the rotation succeeded or failed', async () => {
    await rotate();
    await ended();
    const used = tokens.used.size;
    awsFault = ({ operation }) =>
      operation === 'PutSecretValue' ? new AwsError('InternalServiceError', 'down', 500) : undefined;
    await rotate();
    awsFault = () => undefined;
    expect(tokens.used.size).toBeGreaterThan(used);
    await ended();
    pass(2 * HOUR);
    await invoke('local-a', keysWatchName('local'), '');
  });

  it('that Vault fails to end affects neither a rotation nor a revocation, and is logged', async () => {
    const { seq } = await keyset();
    await ended();
    const lines = log.length;
    vault.fails = 'keeps tokens';
    await rotate();
    expect((await keyset()).seq).toBe(seq + 1);
    expect(await revokeIn('local-a')).toMatchObject({ failure: null });
    const warnings = log.slice(lines).filter(({ level }) => level !== 'INFO');
    expect(warnings.length).toBeGreaterThan(1);
    for (const line of warnings)
      expect(line).toMatchObject({
        level: 'WARN',
        purpose: 'nonce',
        reason: 'vault_token',
        error: 'VaultError',
      });
    expect(kept().length).toBeGreaterThan(0);
    pass(10_001);
    await bothGoOn();
  });
});

/** The calls of a reader or a rotation. */
const refuseSecrets = (error: AwsError) => () => {
  awsFault = ({ service, operation }) =>
    service === 'secretsmanager' && operation !== 'RotateSecret' ? error : undefined;
};
const serveSecrets = () => {
  awsFault = () => undefined;
};

describe('Secrets Manager', () => {
  it.each([
    ['refusing', new AwsError('InternalServiceError', 'An error occurred on the server side.', 500)],
    ['throttled', new AwsError('ThrottlingException', 'Rate exceeded', 400)],
  ])('%s: the next rotation succeeds, and no client notices', (_, error) =>
    failsOnce(
      /^secret countersign\/local\/keys\/nonce unavailable Unavailable/,
      refuseSecrets(error),
      serveSecrets,
    ),
  );

  it.each([
    ['corrupt', '{"keys":[{"kid":"MARKED-SECRET', /keyset: not JSON/],
    ['emptied', '{"keys":[]}', /the keyset is empty, and was not before/],
  ])('%s: the next rotation succeeds, and no client notices', async (_, SecretString, reason) => {
    const { VersionId: right } = await secrets.send(new GetSecretValueCommand({ SecretId: SECRET }));
    let wrong: string | undefined;
    secretsSeen.add('MARKED-SECRET');
    await failsOnce(
      reason,
      async () => {
        ({ VersionId: wrong } = await secrets.send(
          new PutSecretValueCommand({ SecretId: SECRET, SecretString }),
        ));
      },
      // As the runbook says.
      async () => {
        const labels = { VersionStage: 'AWSCURRENT', RemoveFromVersionId: wrong, MoveToVersionId: right };
        await secrets.send(new UpdateSecretVersionStageCommand({ SecretId: SECRET, ...labels }));
      },
    );
  });

  it('away for longer than the maximum age of a copy: 503, and service resumes with it', async () => {
    await bothRegister();
    refuseSecrets(new AwsError('InternalServiceError', 'down', 500))();
    pass(DAY / 3);
    await bothRegister();
    const held = await Promise.all(REGIONS.map((region) => one.nonce(urlOf(region))));
    pass(DAY);
    for (const [i, region] of REGIONS.entries())
      expect(await registerIn(region, held[i])).toMatchObject({ status: 503, code: 'unavailable' });
    serveSecrets();
    // A request may still wait for a read that began before.
    while (
      await bothRegister().then(
        () => false,
        () => true,
      )
    )
      await delay(20);
  });
});

describe('a stolen key', () => {
  /** A proof by the thief, for a client that the thief invented. */
  const forge = (held: Keyset, region: string): string => {
    const now = Date.now() + aheadMs;
    const stolen = held.keys.filter(({ activates_at }) => activates_at <= now).at(-1)!;
    const key = deriveNonceKey(keyBytes(stolen), region, tableName('local', 'ledger'));
    return mintNonce({ kid: stolen.kid, key, region, issuedMs: now, lifeMs: 300_000, clientId: 'dev' });
  };

  it('is accepted until it is revoked, and nowhere ten seconds later, even during a rotation', async () => {
    const stolen = await keyset();
    for (const region of REGIONS) expect((await registerIn(region, forge(stolen, region))).status).toBe(201);

    const rotation = secrets.send(new RotateSecretCommand({ SecretId: SECRET }));
    const { regions, failure } = await revokeIn('local-a');
    await rotation;
    expect([failure, regions]).toEqual([null, REGIONS.map((region) => ({ region, confirmed: true }))]);
    const refused = async () => {
      for (const region of REGIONS)
        expect(await registerIn(region, forge(stolen, region))).toMatchObject({
          status: 401,
          code: 'use_nonce',
        });
    };
    pass(10_001);
    await refused();
    await bothGoOn();
    // Nor does a later rotation restore it.
    pass(2 * HOUR);
    await invoke('local-a', keysWatchName('local'), '');
    await rotate();
    await refused();
    await bothGoOn();
  });

  /** Revokes while a part is broken: checks the answer, and that both Regions still refuse the key. */
  async function endsAllTheSame(
    disturb: () => void | Promise<void>,
    failure: RegExp | null,
    repair: () => void | Promise<void>,
  ): Promise<void> {
    await bothGoOn();
    const stolen = await keyset();
    const kids = stolen.keys.map(({ kid }) => kid);
    await disturb();
    const answer = await revokeIn('local-a');
    expect(answer.failure).toEqual(failure && expect.stringMatching(failure));
    expect(answer.keyset === null).toBe(failure !== null);
    expect(answer.revoked).toEqual(expect.arrayContaining(kids));
    expect(answer.regions).toEqual(REGIONS.map((region) => ({ region, confirmed: true })));
    pass(10_001);
    const refused = async () => {
      for (const region of REGIONS)
        expect((await registerIn(region, forge(stolen, region))).code).toBe('use_nonce');
    };
    await refused();
    await repair();
    // Again: those keys are removed for good, and another key signs.
    expect(await revokeIn('local-a')).toMatchObject({ failure: null, revoked: expect.arrayContaining(kids) });
    pass(10_001);
    await refused();
    await bothGoOn();
  }

  it.each([1, 2])('is revoked with the secret emptied %i times, and another key signs at once', (times) =>
    endsAllTheSame(
      async () => {
        for (let i = 0; i < times; i++)
          await secrets.send(new PutSecretValueCommand({ SecretId: SECRET, SecretString: '{"keys":[]}' }));
      },
      null,
      bothGoOn,
    ),
  );

  it('is revoked with garbage in the secret, too', async () => {
    const [SecretString, failure] = ['MARKED-SECRET', /keyset: not JSON/];
    const { VersionId: right } = await secrets.send(new GetSecretValueCommand({ SecretId: SECRET }));
    let wrong: string | undefined;
    await endsAllTheSame(
      async () => {
        const put = new PutSecretValueCommand({ SecretId: SECRET, SecretString });
        ({ VersionId: wrong } = await secrets.send(put));
      },
      failure,
      async () => {
        const labels = { VersionStage: 'AWSCURRENT', RemoveFromVersionId: wrong, MoveToVersionId: right };
        await secrets.send(new UpdateSecretVersionStageCommand({ SecretId: SECRET, ...labels }));
      },
    );
  });

  it.each(['sealed', 'gone'] as const)('is revoked with Vault %s, too', (fails) =>
    endsAllTheSame(
      () => {
        vault.fails = fails;
      },
      /unseal Vault|does not answer/,
      () => {
        delete vault.fails;
      },
    ),
  );

  it('is revoked with Secrets Manager refusing writes, too', () =>
    endsAllTheSame(
      () => {
        awsFault = ({ operation }) =>
          operation === 'PutSecretValue' ? new AwsError('InternalServiceError', 'down', 500) : undefined;
      },
      /^secret countersign\/local\/keys\/nonce unavailable$/,
      serveSecrets,
    ));

  it('is revoked in every Region whose table can be written, and the answer names the other Region', async () => {
    const stolen = await keyset();
    awsFault = ({ region, service }) =>
      service === 'dynamodb' && region === 'local-b'
        ? new AwsError('InternalServerError', 'down', 500)
        : undefined;
    const answer = await revokeIn('local-a');
    awsFault = () => undefined;
    expect(answer).toMatchObject({
      failure: null,
      regions: [
        { region: 'local-a', confirmed: true },
        { region: 'local-b', confirmed: false },
      ],
      unreadable: ['published keys', 'revoked kids'].map(
        (what) => `${what} in local-b (Unavailable < InternalServerError)`,
      ),
    });
    pass(10_001);
    expect((await registerIn('local-a', forge(stolen, 'local-a'))).code).toBe('use_nonce');
    const stolenKids = stolen.keys.map(({ kid }) => kid);
    const refusals = async () => {
      const { regions } = await invoke<KeysetSummary>(
        'local-a',
        rotationFunctionName('local', 'nonce'),
        'keys.list',
      );
      return regions.map(({ revoked }) => stolenKids.every((kid) => revoked!.includes(kid)));
    };
    expect(await refusals()).toEqual([true, false]);
    // That Region's own function refuses it, and spares the new key.
    const params = { only_kids: [...answer.revoked] };
    const own = await invoke<RevokedKeys>(
      'local-b',
      rotationFunctionName('local', 'nonce'),
      'keys.revoke',
      params,
    );
    expect(own.regions).toEqual(REGIONS.map((region) => ({ region, confirmed: true })));
    expect(await refusals()).toEqual([true, true]);
    pass(10_001);
    await bothGoOn();
  });

  it("is revoked with the home Region lost, too: another Region's idle function revokes it in the reachable Regions", async () => {
    const stolen = await keyset();
    await bothRegister();
    awsFault = ({ region }) =>
      region === 'local-a' ? new AwsError('ServiceUnavailableException', 'lost', 503) : undefined;
    const { keyset: replaced, failure, regions } = await revokeIn('local-b');
    expect([replaced, failure]).toEqual([null, 'the keyset is a replica here: local-a alone can write it']);
    expect(regions).toEqual([
      { region: 'local-a', confirmed: false },
      { region: 'local-b', confirmed: true },
    ]);
    pass(10_001);
    expect(await registerIn('local-b', forge(stolen, 'local-b'))).toMatchObject({
      status: 401,
      code: 'use_nonce',
    });
    // A Region that cannot know what is revoked accepts nothing.
    expect(await registerIn('local-a', forge(stolen, 'local-a'))).toMatchObject({
      status: 503,
      code: 'unavailable',
    });

    awsFault = () => undefined;
    expect(await revokeIn('local-a')).toMatchObject({ failure: null });
    pass(10_001);
    for (const region of REGIONS)
      expect((await registerIn(region, forge(stolen, region))).code).toBe('use_nonce');
    await bothGoOn();
  });
});

it('in all this, no log line and no answer holds a key, a token or a credential for Vault', () => {
  const said = JSON.stringify([log, answers]);
  expect(log.length).toBeGreaterThan(100);
  expect(secretsSeen.size).toBeGreaterThan(20);
  for (const secret of secretsSeen) expect(said.includes(secret)).toBe(false);
});
