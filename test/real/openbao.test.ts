/**
 * OpenBao passes the suite of the embedded Vault. It also verifies a JWT, which the embedded Vault does not.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Plan } from '../../cli/vault/plan.ts';
import { setUpVault } from '../../cli/vault/setup.ts';
import { rotationRoleName, vaultName } from '../../lambda/contract/vault.ts';
import { createVaultApi } from '../../lambda/vault/api.ts';
import { createVaultKeys } from '../../lambda/vault/keys.ts';
import { DIRECTORY } from '../../local/real/install.ts';
import { freePort } from '../../local/real/process.ts';
import { type Openbao, startOpenbao } from '../../local/vault/openbao.ts';
import { vaultContract } from '../contract/vault.ts';

let vault: Openbao;
beforeAll(async () => {
  vault = await startOpenbao(DIRECTORY, await freePort());
});
afterAll(() => vault?.stop());

vaultContract('OpenBao', () => vault);

it('logs in by a JWT of the role that the purpose has in one of the Regions, and by no other', async () => {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256', use: 'sig' };
  const server = createServer((request, response) => {
    const document = request.url === '/jwks' ? { keys: [jwk] } : { issuer, jwks_uri: `${issuer}/jwks` };
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(document));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const account = '123456789012';
    const regions = ['eu-west-1', 'eu-central-1'];
    const audience = 'vault.example.com';
    const plan: Plan = { stage: 'jwt', auth: { method: 'jwt', issuer, audience, account, regions } };
    const setUp = () =>
      setUpVault({ api: createVaultApi({ address: vault.address }), token: vault.rootToken, plan });
    await setUp();
    expect((await setUp()).every(({ state }) => state === 'unchanged')).toBe(true);

    const name = vaultName('jwt', 'token');
    const keysOf = (sub: string, aud = audience) =>
      createVaultKeys({
        address: vault.address,
        auth: {
          method: 'jwt',
          role: name,
          jwt: () =>
            new SignJWT()
              .setProtectedHeader({ alg: 'ES256', kid: 'k' })
              .setIssuer(issuer)
              .setAudience(aud)
              .setSubject(sub)
              .setIssuedAt()
              .setExpirationTime('5m')
              .sign(privateKey),
        },
      });
    const arn = (purpose: 'token' | 'nonce', region: string) =>
      `arn:aws:iam::${account}:role/${rotationRoleName('jwt', purpose, region)}`;
    for (const region of regions) expect(await keysOf(arn('token', region)).rotate(name)).toBeGreaterThan(1);
    for (const keys of [
      keysOf(arn('nonce', regions[0]!)),
      keysOf(arn('token', 'us-east-1')),
      keysOf(arn('token', regions[0]!), 'vault.example.org'),
    ])
      await expect(keys.rotate(name)).rejects.toMatchObject({ name: 'VaultError', code: 'forbidden' });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
