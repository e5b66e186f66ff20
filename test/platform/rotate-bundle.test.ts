/**
 * The rotation function as it is shipped, one module with nothing around it: each login method for Vault,
 * configured by Lambda's environment.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DEFAULT_LAGS, DEFAULTS } from '../../lambda/contract/defaults.ts';
import { secretName, tableName } from '../../lambda/contract/names.ts';
import { vaultName, vaultServerId } from '../../lambda/contract/vault.ts';
import type { Invocation } from '../../lambda/rotate/handler.ts';
import { bundleFunctions } from '../../lib/functions/bundles.ts';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { type LocalServer, startServer } from '../../local/server.ts';
import { createEmbeddedVault } from '../../local/vault/vault.ts';
import { parseKeyset } from '../../protocol/keyset.ts';

const ROLE = { id: 'ASIAMARKEDROLEID', key: 'marked-role-key', session: 'marked-session-token' };
const JWT = 'marked.web.token';
const embedded = createEmbeddedVault();
const outdir = mkdtempSync(join(tmpdir(), 'countersign-rotate-'));
const logins: { readonly method: string; readonly body: Record<string, string> }[] = [];
const stsAsked: URLSearchParams[] = [];
let vault: LocalServer;
let sts: LocalServer;
let platform: Platform;
let secrets: SecretsManagerClient;
let refuses = false;

/** The login methods that the embedded Vault lacks; it handles the rest. */
async function serveVault(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const method = /^\/v1\/auth\/(aws|jwt)\/login$/.exec(request.url!)?.[1];
  if (method === undefined) return embedded.listener(request, response);
  logins.push({ method, body: JSON.parse(await text(request)) });
  if (refuses) return void response.writeHead(403).end(JSON.stringify({ errors: [JWT] }));
  const policies = [vaultName('local', 'nonce')];
  const created = await fetch(`${vault.url}/v1/auth/token/create`, {
    method: 'POST',
    headers: { 'X-Vault-Token': embedded.rootToken },
    body: JSON.stringify({ policies, no_default_policy: true, ttl: 600 }),
  });
  response.end(await created.text());
}

async function serveSts(request: IncomingMessage, response: ServerResponse): Promise<void> {
  stsAsked.push(new URLSearchParams(await text(request)));
  const result = `<GetWebIdentityTokenResult><WebIdentityToken>${JWT}</WebIdentityToken></GetWebIdentityTokenResult>`;
  const xml = `<GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${result}</GetWebIdentityTokenResponse>`;
  response.writeHead(200, { 'Content-Type': 'text/xml' }).end(xml);
}

beforeAll(async () => {
  [vault, sts] = await Promise.all([startServer(0, new Set()), startServer(0, new Set())]);
  vault.serve(serveVault);
  sts.serve(serveSts);
  process.env.VAULT_TOKEN = embedded.rootToken;
  platform = await startPlatform({ port: 0, vault: vault.url as `http${string}` });
  secrets = new SecretsManagerClient({
    endpoint: platform.info.awsEndpoint,
    region: 'local-a',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  bundleFunctions(outdir);
  Object.assign(process.env, {
    POWERTOOLS_LOG_LEVEL: 'SILENT',
    AWS_REGION: 'local-a',
    AWS_ACCESS_KEY_ID: ROLE.id,
    AWS_SECRET_ACCESS_KEY: ROLE.key,
    AWS_SESSION_TOKEN: ROLE.session,
    AWS_ENDPOINT_URL: platform.info.awsEndpoint,
    AWS_ENDPOINT_URL_STS: sts.url,
    COUNTERSIGN_STAGE: 'local',
    COUNTERSIGN_REGION: 'local-a',
    COUNTERSIGN_ERROR_DOCS_URL: 'https://docs.example.com',
    COUNTERSIGN_PURPOSE: 'nonce',
    COUNTERSIGN_KEY_LAGS: JSON.stringify({ ...DEFAULT_LAGS, maxLifeMs: DEFAULTS.nonceLifeMs }),
    COUNTERSIGN_REGION_NAMES: '["local-a","local-b"]',
    COUNTERSIGN_KEYS_MANAGED_BY: 'local-a',
    COUNTERSIGN_LIMITS_TABLE: tableName('local', 'limits'),
  });
});
afterAll(async () => {
  secrets?.destroy();
  await platform?.stop();
  await Promise.all([vault?.stop(), sts?.stop()]);
  rmSync(outdir, { recursive: true });
});

const keyset = async () => {
  const get = new GetSecretValueCommand({ SecretId: secretName('local', 'nonce') });
  return parseKeyset((await secrets.send(get)).SecretString!);
};

type Login = 'aws' | 'approle' | 'jwt';
// biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
type Handler = (event: object, context: Invocation) => Promise<any>;
const instances = new Map<Login, Handler>();

/** One instance for each login method. */
async function invoke(auth: Login, event: object) {
  if (!instances.has(auth)) {
    process.env.COUNTERSIGN_VAULT = JSON.stringify({ address: vault.url, auth });
    const module = await import(/* @vite-ignore */ `${join(outdir, 'rotate/index.mjs')}?${auth}`);
    instances.set(auth, module.handler);
  }
  return instances.get(auth)!(event, { awsRequestId: '00000000-0000-4000-8000-000000000000' });
}

it('a refused login, and a step for another secret, are reported clearly, without a secret', async () => {
  const before = await keyset();
  refuses = true;
  const said: unknown[] = [];
  for (const auth of ['aws', 'jwt'] as const) {
    const answer = await invoke(auth, { action: 'keys.rotate', params: {} });
    expect(answer).toMatchObject({ ok: false, problem: { status: 503, code: 'unavailable' } });
    expect(answer.problem.detail).toMatch(/Vault refused the login/);
    const Step = 'createSecret';
    const step = { Step, SecretId: secretName('local', 'nonce'), ClientRequestToken: 't'.repeat(32) };
    const thrown = await invoke(auth, step).catch((error: unknown) => error);
    const other = await invoke(auth, { ...step, SecretId: 'other' }).catch((error: unknown) => error);
    expect(String(thrown)).toMatch(/createSecret of nonce failed: Vault refused the login/);
    expect(String(other)).toMatch(/not a step of the rotation/);
    // As Lambda prints them.
    for (const error of [thrown, other] as Error[])
      said.push(error.stack, JSON.stringify(error), String(error.cause));
    said.push(JSON.stringify(answer));
  }
  refuses = false;
  expect(await keyset()).toEqual(before);
  const keys = before.keys.map(({ jwk }) => jwk.k!);
  for (const secret of [ROLE.key, ROLE.session, JWT, embedded.rootToken, ...keys])
    for (const text of said) expect(text).not.toContain(secret);
});

it.each(['aws', 'approle', 'jwt'] as const)('logs in by %s, and rotates', async (auth) => {
  logins.length = 0;
  const { seq } = await keyset();
  const answer = await invoke(auth, { action: 'keys.rotate', params: { force: true } });
  expect(answer).toMatchObject({ ok: true, result: { purpose: 'nonce', seq: seq + 1 } });
  const { keys } = await keyset();
  expect(keys.at(-1)!.vault!.key).toBe(vaultName('local', 'nonce'));
  // Once for a whole rotation.
  expect(logins.map(({ method }) => method)).toEqual(auth === 'approle' ? [] : [auth]);
  if (auth === 'approle') return;
  const { role, jwt, ...signed } = logins[0]!.body;
  expect(role).toBe(vaultName('local', 'nonce'));
  if (auth === 'jwt') {
    expect(jwt).toBe(JWT);
    const asked = Object.fromEntries(stsAsked.at(-1)!);
    expect(asked).toMatchObject({
      Action: 'GetWebIdentityToken',
      'Audience.member.1': vaultServerId(vault.url),
      SigningAlgorithm: 'ES384',
      DurationSeconds: '300',
    });
    return;
  }
  const headers = JSON.parse(Buffer.from(signed.iam_request_headers!, 'base64').toString());
  expect(headers.authorization).toContain(`Credential=${ROLE.id}/`);
  expect(headers).toMatchObject({
    'x-amz-security-token': ROLE.session,
    'x-vault-aws-iam-server-id': vaultServerId(vault.url),
  });
});
