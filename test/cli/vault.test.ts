/** `countersign vault setup`, against the embedded Vault. */
import { Readable, Writable } from 'node:stream';
import { CommanderError } from 'commander';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CliError, EXIT } from '../../cli/io.ts';
import { vaultCommand } from '../../cli/vault/command.ts';
import { type Plan, rotationPolicy } from '../../cli/vault/plan.ts';
import { setUpVault } from '../../cli/vault/setup.ts';
import { KEYSETS, PURPOSES } from '../../lambda/contract/purposes.ts';
import { exportType, rotationRoleName, vaultName } from '../../lambda/contract/vault.ts';
import { createVaultApi } from '../../lambda/vault/api.ts';
import { VaultError } from '../../lambda/vault/vault-error.ts';
import { type LocalServer, startServer } from '../../local/server.ts';
import { createEmbeddedVault, type EmbeddedVault } from '../../local/vault/vault.ts';
import { closedUrl } from './cli.ts';

const TOKEN = 'SECRETMARK-root';
const APPROLE = ['--stage', 'dev', '--auth', 'approle'];
const ACCOUNT = ['--account', '123456789012', '--region', 'eu-west-1,eu-central-1'];
const AWS = ['--stage', 'dev', ...ACCOUNT];

let server: LocalServer;
let vault: EmbeddedVault;
let paths: string[];
beforeEach(async () => {
  server = await startServer(0, new Set());
  vault = createEmbeddedVault({ rootToken: TOKEN });
  paths = [];
  server.serve((request, response) => {
    if (request.method !== 'GET') paths.push(request.url!.replace('/v1/', ''));
    return vault.listener(request, response);
  });
});
afterEach(() => server.stop());

/** Exit code and output, as `cli/program.ts` produces them. */
async function setup(args: readonly string[], env: Record<string, string> = {}) {
  const text = { out: '', err: '' };
  const stream = (name: 'out' | 'err') =>
    new Writable({
      write(chunk, _, done) {
        text[name] += chunk;
        done();
      },
    });
  const io = {
    stdin: Readable.from([]),
    stdout: stream('out'),
    stderr: stream('err'),
    env: { VAULT_ADDR: server.url, VAULT_TOKEN: TOKEN, ...env },
    cwd: '/nowhere',
    onInterrupt: () => () => {},
  };
  let code: number = EXIT.done;
  const command = vaultCommand(io);
  for (const each of [command, ...command.commands])
    each.exitOverride().configureOutput({ writeErr: (line) => io.stderr.write(line), writeOut: () => {} });
  try {
    await command.parseAsync(['setup', ...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError || error instanceof CliError)) throw error;
    code = error instanceof CliError ? error.exitCode : EXIT.usage;
    text.err += error.message;
  }
  expect(text.out + text.err).not.toContain('SECRETMARK');
  return { code, ...text };
}

const read = async (path: string) => (await createVaultApi({ address: server.url }).read(path, TOKEN))?.data;

it('a dry run needs an address only if the plan depends on one', async () => {
  const nowhere = { VAULT_ADDR: '', VAULT_TOKEN: '' };
  const { code, out } = await setup([...APPROLE, '--dry-run', '--json'], nowhere);
  expect({ code, address: JSON.parse(out).address }).toEqual({ code: EXIT.done, address: null });
  expect(JSON.parse(out).steps.length).toBeGreaterThan(5);
  for (const [args, env] of [
    [[...AWS, '--dry-run'], nowhere],
    [APPROLE, nowhere],
    [[...APPROLE, '--dry-run'], { ...nowhere, VAULT_TOKEN: TOKEN }],
  ] as const) {
    const refused = await setup(args, env);
    expect(refused).toMatchObject({
      code: EXIT.usage,
      err: expect.stringContaining('VAULT_ADDR is not set'),
    });
  }
});

it('creates engine, keys, policies, auth method and roles, and changes nothing the second time', async () => {
  const first = await setup(APPROLE);
  expect(first).toMatchObject({ code: EXIT.done, err: '' });
  expect(first.out.trimEnd().split('\n')).toEqual([
    'created       secrets engine transit',
    'created       key countersign-dev-nonce (hmac)',
    'created       key countersign-dev-client-root (hmac)',
    'created       key countersign-dev-token (ecdsa-p256)',
    'created       key countersign-dev-webhook (ed25519)',
    'created       key countersign-dev-webhook-root (hmac)',
    'created       policy countersign-dev-nonce',
    'created       policy countersign-dev-client-root',
    'created       policy countersign-dev-token',
    'created       policy countersign-dev-webhook',
    'created       policy countersign-dev-webhook-root',
    'created       auth method approle',
    'created       role countersign-dev-nonce',
    'created       role countersign-dev-client-root',
    'created       role countersign-dev-token',
    'created       role countersign-dev-webhook',
    'created       role countersign-dev-webhook-root',
  ]);
  paths.length = 0;
  const second = await setup(APPROLE);
  expect(second.out.match(/^unchanged {5}/gm)).toHaveLength(17);
  expect(new Set(paths)).toEqual(new Set(['sys/capabilities-self']));
});

it('two stages on one Vault have separate keys, policies and roles', async () => {
  await setup(APPROLE);
  const { out } = await setup(['--stage', 'prod', '--auth', 'approle', '--json']);
  const { steps } = JSON.parse(out);
  expect(steps.filter(({ state }: { state: string }) => state === 'unchanged')).toHaveLength(2);
  expect(await read('transit/keys/countersign-prod-token')).toMatchObject({ type: 'ecdsa-p256' });
});

it('a policy grants five paths of its own key and revoking its own token; its only wildcard is an export’s version', () => {
  for (const purpose of PURPOSES) {
    const hcl = rotationPolicy('dev', purpose);
    const key = vaultName('dev', purpose);
    const kind = exportType(KEYSETS[purpose].keyType);
    expect(
      [...hcl.matchAll(/^path "(.*)" \{\n {2}capabilities = (.*)$/gm)].map(([, ...path]) => path),
    ).toEqual([
      [`transit/keys/${key}`, '["read"]'],
      [`transit/keys/${key}/rotate`, '["update"]'],
      [`transit/keys/${key}/config`, '["update"]'],
      [`transit/keys/${key}/trim`, '["update"]'],
      [`transit/export/${kind}/${key}/*`, '["read"]'],
      ['auth/token/revoke-self', '["update"]'],
    ]);
    expect(hcl.match(/"min_\w+" = \[\]/g)).toEqual([
      '"min_decryption_version" = []',
      '"min_encryption_version" = []',
      '"min_available_version" = []',
    ]);
    expect(hcl).not.toMatch(/\{\{|#/);
    expect(hcl.match(/\*/g)).toHaveLength(1);
  }
});

it('a dry run writes nothing, and lists what a run would write', async () => {
  const { code, out } = await setup([...APPROLE, '--dry-run']);
  expect(code).toBe(EXIT.done);
  expect(new Set(paths)).toEqual(new Set(['sys/capabilities-self']));
  expect(out).toContain(
    'would create  policy countersign-dev-nonce\n  write sys/policies/acl/countersign-dev-nonce\n',
  );
  expect(out).toContain('    path "transit/keys/countersign-dev-nonce/rotate" {\n');
  await setup(APPROLE);
  const after = await setup([...APPROLE, '--dry-run']);
  expect(after.out.match(/^unchanged {5}/gm)).toHaveLength(17);
});

it('a dry run without a token calls no server', async () => {
  const nobody = { VAULT_ADDR: await closedUrl(), VAULT_TOKEN: '' };
  const { code, out } = await setup([...AWS, '--dry-run', '--json'], nobody);
  expect(code).toBe(EXIT.done);
  expect(JSON.parse(out)).toMatchObject({ dry_run: true, steps: { length: 18 } });
});

it('AWS: each role of each Region may log in for its own purpose only, and only to this Vault', async () => {
  await setup(AWS);
  for (const purpose of PURPOSES) {
    const arn = (region: string) =>
      `arn:aws:iam::123456789012:role/countersign-dev-rotate-${purpose}-${region}`;
    expect(await read(`auth/aws/role/${vaultName('dev', purpose)}`)).toMatchObject({
      auth_type: 'iam',
      bound_iam_principal_arn: [arn('eu-west-1'), arn('eu-central-1')],
      resolve_aws_unique_ids: false,
      token_policies: [vaultName('dev', purpose)],
      token_no_default_policy: true,
      token_ttl: 600,
    });
  }
  expect(await read('auth/aws/config/client')).toEqual({ iam_server_id_header_value: '127.0.0.1' });
  const longer = await setup([...AWS, '--region', 'us-east-1']);
  expect(longer.out.match(/^changed {7}role /gm)).toHaveLength(5);
  expect(longer.out.match(/^unchanged /gm)).toHaveLength(13);
});

it('the longest role name fits the limit of IAM', () => {
  const lengths = PURPOSES.map((purpose) => rotationRoleName('s'.repeat(16), purpose, 'r'.repeat(15)).length);
  expect(Math.max(...lengths)).toBeLessThanOrEqual(64);
});

it('JWT: the same roles are the subjects', async () => {
  const args = ['--stage', 'dev', '--auth', 'jwt', ...ACCOUNT, '--jwt-issuer', 'https://issuer.example.com'];
  expect((await setup(args)).code).toBe(EXIT.done);
  expect(await read('auth/jwt/role/countersign-dev-token')).toMatchObject({
    role_type: 'jwt',
    user_claim: 'sub',
    bound_audiences: ['127.0.0.1'],
    bound_claims: {
      sub: ['eu-west-1', 'eu-central-1'].map(
        (region) => `arn:aws:iam::123456789012:role/countersign-dev-rotate-token-${region}`,
      ),
    },
  });
  expect((await setup(args)).out.match(/^unchanged /gm)).toHaveLength(18);
});

it('AWS: a regional STS endpoint is set with its Region; a different existing one is a conflict', async () => {
  const regional = [...AWS, '--sts-region', 'eu-west-1'];
  const { out } = await setup([...regional, '--dry-run']);
  expect(out).toContain(
    '"sts_endpoint": "https://sts.eu-west-1.amazonaws.com",\n      "sts_region": "eu-west-1"',
  );
  expect((await setup(regional)).code).toBe(EXIT.done);
  expect(await read('auth/aws/config/client')).toEqual({
    iam_server_id_header_value: '127.0.0.1',
    sts_endpoint: 'https://sts.eu-west-1.amazonaws.com',
    sts_region: 'eu-west-1',
  });
  expect((await setup(regional)).out.match(/^unchanged /gm)).toHaveLength(18);
  const conflict = (not: string) => `has sts_endpoint "https://sts.eu-west-1.amazonaws.com", not ${not}`;
  expect((await setup(AWS)).err).toContain(conflict('none'));
  const elsewhere = await setup([...AWS, '--sts-region', 'eu-west-3']);
  expect(elsewhere.err).toContain(conflict('https://sts.eu-west-3.amazonaws.com'));
});

it('AppRole: a secret id expires after 90 days', async () => {
  await setup(APPROLE);
  expect(await read('auth/approle/role/countersign-dev-nonce')).toMatchObject({ secret_id_ttl: 7_776_000 });
});

it('settings made by others are never overwritten, and then nothing else is written', async () => {
  const api = createVaultApi({ address: server.url });
  await api.write('sys/auth/aws', { type: 'aws' }, TOKEN);
  await api.write('auth/aws/config/client', { iam_server_id_header_value: 'vault.corp' }, TOKEN);
  const { code, err } = await setup(AWS);
  expect(code).toBe(EXIT.failed);
  expect(err).toBe(
    'nothing was written, because auth/aws/config/client has iam_server_id_header_value "vault.corp", not 127.0.0.1',
  );
  expect(await read('sys/mounts')).toEqual({});
  await api.write('auth/aws/config/client', { iam_server_id_header_value: '', access_key: 'AKIA' }, TOKEN);
  expect((await setup(AWS)).code).toBe(EXIT.done);
  expect(await read('auth/aws/config/client')).toEqual({
    iam_server_id_header_value: '127.0.0.1',
    access_key: 'AKIA',
  });
});

it('the next run completes a run that was interrupted after any write', async () => {
  const plan: Plan = { stage: 'dev', auth: { method: 'approle' } };
  for (let writes = 0; ; writes++) {
    const own = await startServer(0, new Set());
    try {
      own.serve(createEmbeddedVault({ rootToken: TOKEN }).listener);
      const api = createVaultApi({ address: own.url });
      let left = writes;
      const breaking: typeof api = {
        ...api,
        async write(path, data, token) {
          if (path !== 'sys/capabilities-self' && left-- === 0) throw new VaultError('unavailable', 'gone');
          return api.write(path, data, token);
        },
      };
      const run = setUpVault({ api: breaking, token: TOKEN, plan });
      if (writes === 17) {
        await run;
        return;
      }
      await expect(run).rejects.toThrow('gone');
      const outcomes = await setUpVault({ api, token: TOKEN, plan });
      expect(outcomes.filter(({ state }) => state === 'unchanged')).toHaveLength(writes);
      expect(
        (await setUpVault({ api, token: TOKEN, plan })).every(({ state }) => state === 'unchanged'),
      ).toBe(true);
    } finally {
      await own.stop();
    }
  }
});

it.each<[string, readonly string[], Record<string, string>, string]>([
  ['no address', APPROLE, { VAULT_ADDR: '' }, 'VAULT_ADDR is not set'],
  ['no token', APPROLE, { VAULT_TOKEN: '' }, 'VAULT_TOKEN is not set'],
  ['a token in the clear', APPROLE, { VAULT_ADDR: 'http://vault.example.com:8200' }, 'must be an https URL'],
  ['a user in the address', APPROLE, { VAULT_ADDR: 'https://u:SECRETMARK@vault' }, 'must be an https URL'],
  ['no such file', APPROLE, { VAULT_CACERT: 'ca.pem' }, 'cannot read /nowhere/ca.pem: ENOENT'],
  ['no account', ['--stage', 'dev', '--region', 'eu-west-1'], {}, '--auth aws needs --account and --region'],
  [
    'no Region',
    ['--stage', 'dev', '--account', '123456789012'],
    {},
    '--auth aws needs --account and --region',
  ],
  ['an STS Region', [...APPROLE, '--sts-region', 'eu-west-1'], {}, '--sts-region needs --auth aws'],
  ['no issuer', ['--stage', 'dev', '--auth', 'jwt', ...ACCOUNT], {}, '--auth jwt needs --jwt-issuer'],
  ['a short account', ['--stage', 'dev', '--account', '12'], {}, 'It must be 12 digits'],
  ['no AWS Region', ['--stage', 'dev', '--region', 'here'], {}, 'It must be the name of an AWS Region'],
  ['no stage', ['--auth', 'approle'], {}, "required option '--stage <name>' not specified"],
  ['a stage that is none', ['--stage', '../x'], {}, 'It must be 1 to 16 of a-z, 0-9 and -'],
])('%s is wrong usage, said in one line', async (_, args, env, message) => {
  const { code, err } = await setup(args, env);
  expect(code).toBe(EXIT.usage);
  expect(err).toContain(message);
  expect(paths).toEqual([]);
});

it('a Vault that is down or sealed is unreachable; one that rejects the token has refused', async () => {
  const gone = await setup(APPROLE, { VAULT_ADDR: await closedUrl() });
  expect([gone.code, gone.err]).toEqual([EXIT.unreachable, expect.stringContaining('(ECONNREFUSED)')]);
  vault.setSealed(true);
  const sealed = await setup(APPROLE);
  expect([sealed.code, sealed.err]).toEqual([EXIT.unreachable, `${server.url} is sealed: unseal Vault`]);
  vault.setSealed(false);
  const wrong = await setup(APPROLE, { VAULT_TOKEN: 'SECRETMARK-wrong' });
  expect([wrong.code, wrong.err]).toEqual([
    EXIT.failed,
    `Vault at ${server.url} refuses VAULT_TOKEN: it has ended, or is of another Vault or namespace; log in again`,
  ]);
  const { err } = await setup(APPROLE, { VAULT_ADDR: `${server.url}/elsewhere` });
  expect(err).toBe(`at ${server.url}/elsewhere is no API of a Vault: is VAULT_ADDR right?`);
  const broken = await setup(APPROLE, { VAULT_TOKEN: 'SECRETMARK\n' });
  expect([broken.code, broken.err]).toEqual([EXIT.failed, expect.stringContaining('no header value')]);
});
