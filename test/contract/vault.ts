/**
 * What the platform asks of Vault, as one suite: the embedded stand-in and the real server must pass it
 * alike, so that nothing rests on what one of them lacks.
 */
import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { CompactSign, compactVerify, importJWK, type JWK } from 'jose';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Plan } from '../../cli/vault/plan.ts';
import { SetupRefused, setUpVault } from '../../cli/vault/setup.ts';
import { KEYSETS, PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import { exportType, vaultName } from '../../lambda/contract/vault.ts';
import { createVaultApi } from '../../lambda/vault/api.ts';
import { createVaultKeys, type VaultAuth, type VaultKeys } from '../../lambda/vault/keys.ts';

export interface VaultUnderTest {
  readonly address: string;
  readonly rootToken: string;
  readonly unsealKey: string;
}

const STAGE = 'test';
const PLAN: Plan = { stage: STAGE, auth: { method: 'approle' } };
const key = (purpose: Purpose) => vaultName(STAGE, purpose);

export function vaultContract(name: string, find: () => VaultUnderTest): void {
  describe(`Vault: ${name}`, () => {
    let vault: VaultUnderTest;
    const read = (file: string) => readFileSync(new URL(`../../cli/vault/${file}`, import.meta.url), 'utf8');
    const hcl = read('setup.hcl');
    const roles = new Map<Purpose, { readonly roleId: string; readonly secretId: string }>();

    // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
    async function ask(method: string, path: string, body?: object, token = vault.rootToken): Promise<any> {
      const response = await fetch(`${vault.address}/v1/${path}`, {
        method,
        headers: { 'X-Vault-Token': token },
        ...(body && { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, ...(text === '' ? {} : JSON.parse(text)) };
    }
    const setUp = (token = vault.rootToken, dryRun = false) =>
      setUpVault({ api: createVaultApi({ address: vault.address }), token, plan: PLAN, dryRun });
    const tokenWith = async (...policies: string[]): Promise<string> =>
      (await ask('POST', 'auth/token/create', { policies, ttl: 3600 })).auth.client_token;
    const keysOf = (auth: VaultAuth): VaultKeys => createVaultKeys({ address: vault.address, auth });
    const login = async (purpose: Purpose): Promise<string> => {
      const { roleId, secretId } = roles.get(purpose)!;
      const credentials = { role_id: roleId, secret_id: secretId };
      const { auth } = await ask('POST', 'auth/approle/login', credentials, '');
      expect(auth.policies).toEqual([key(purpose)]);
      expect(auth.lease_duration).toBe(600);
      return auth.client_token;
    };
    const exportOf = (purpose: Purpose) =>
      `transit/export/${exportType(KEYSETS[purpose].keyType)}/${key(purpose)}`;
    const root = () => keysOf({ method: 'token', token: vault.rootToken });
    const rotator = (purpose: Purpose) => {
      const { roleId, secretId } = roles.get(purpose)!;
      return keysOf({
        method: 'approle',
        credentials: async () => ({ role_id: roleId, secret_id: secretId }),
      });
    };

    beforeAll(async () => {
      vault = find();
      await ask('POST', 'sys/policies/acl/setup', { policy: hcl });
      // Nothing exists yet, and a dry run changes nothing. The documented policy is enough for all of this.
      const token = await tokenWith('setup');
      expect((await setUp(token, true)).every(({ state }) => state === 'create')).toBe(true);
      expect((await setUp(token)).every(({ state }) => state === 'create')).toBe(true);
      for (const purpose of PURPOSES) {
        const role = `auth/approle/role/${key(purpose)}`;
        const { role_id: roleId } = (await ask('GET', `${role}/role-id`)).data;
        const { secret_id: secretId } = (await ask('POST', `${role}/secret-id`)).data;
        roles.set(purpose, { roleId, secretId });
      }
    });

    describe('setup', () => {
      it('run again, changes nothing', async () => {
        expect((await setUp()).map(({ state }) => state)).not.toContain('create');
        expect((await setUp()).map(({ state }) => state)).not.toContain('change');
      });

      it('restores what was changed, and keeps keys and roles', async () => {
        const before = await rotator('nonce').exportKey(key('nonce'), 1);
        await ask('POST', `sys/policies/acl/${key('nonce')}`, {
          policy: 'path "*" { capabilities = ["read"] }',
        });
        await ask('POST', `auth/approle/role/${key('token')}`, { token_policies: ['default'] });
        const changed = (await setUp()).filter(({ state }) => state !== 'unchanged');
        expect(changed.map(({ what, state }) => [what, state])).toEqual([
          [`policy ${key('nonce')}`, 'change'],
          [`role ${key('token')}`, 'change'],
        ]);
        expect(await rotator('nonce').exportKey(key('nonce'), 1)).toEqual(before);
      });

      it('names each missing right before it writes', async () => {
        await ask('POST', `auth/approle/role/${key('token')}`, { token_ttl: 1 });
        await ask('POST', `sys/policies/acl/${key('nonce')}`, {
          policy: 'path "a" { capabilities = ["read"] }',
        });
        const role = hcl
          .replace(/^path "auth\/\+\/role[^}]*\}/m, '')
          .replace(/^path "sys\/mounts" [^}]*\}/m, '');
        await ask('POST', 'sys/policies/acl/less', { policy: role });
        await expect(setUp(await tokenWith('less'))).rejects.toThrow(
          /^nothing was written, because the token lacks read on sys\/mounts; read on auth\/approle\/role\/countersign-test-nonce; /,
        );
        const readOnly = hcl.replaceAll(/"create", |, "update"/g, '');
        await ask('POST', 'sys/policies/acl/read', { policy: readOnly });
        await expect(setUp(await tokenWith('read'))).rejects.toThrow(
          'lacks update on sys/policies/acl/countersign-test-nonce; create, update on auth/approle/role/countersign-test-token (',
        );
        const done = await setUp(await tokenWith('setup'));
        expect(done.filter(({ state }) => state === 'change')).toHaveLength(2);
      });

      it('needs only upkeep.hcl if nothing changes, and then changes nothing', async () => {
        await ask('POST', 'sys/policies/acl/upkeep', { policy: read('upkeep.hcl') });
        const token = await tokenWith('upkeep');
        expect((await setUp(token)).every(({ state }) => state === 'unchanged')).toBe(true);
        await ask('POST', `auth/approle/role/${key('token')}`, { token_ttl: 1 });
        const looked = await setUp(token, true).catch((error: Error) => error.message);
        expect(looked).toMatch('lacks create, update on auth/approle/role/countersign-test-token (');
        await expect(setUp(token)).rejects.toThrow('nothing was written');
        await setUp();
        for (const [method, path, body] of [
          ['POST', 'sys/policies/acl/countersign-any', { policy: 'path "*" { capabilities = ["sudo"] }' }],
          ['POST', 'sys/policies/acl/upkeep', { policy: 'path "*" { capabilities = ["sudo"] }' }],
          ['POST', `auth/approle/role/${key('token')}`, { token_policies: ['root'] }],
          ['POST', `auth/approle/role/${key('token')}/secret-id`, {}],
          ['POST', 'sys/auth/userpass', { type: 'userpass' }],
          ['POST', 'transit/keys/countersign-test-new', { type: 'hmac', key_size: 32 }],
          ['POST', `transit/keys/${key('token')}/rotate`, {}],
          ['POST', `transit/keys/${key('token')}/config`, { deletion_allowed: true }],
          ['POST', `transit/keys/${key('token')}/trim`, { min_available_version: 1 }],
          ['GET', `${exportOf('token')}/latest`],
          ['GET', `transit/backup/${key('token')}`],
          ['POST', 'auth/token/create', { policies: ['root'] }],
        ] as const)
          expect([method, path, (await ask(method, path, body, token)).status]).toEqual([method, path, 403]);
      });

      it('with setup.hcl could grant itself anything, as the policy says', async () => {
        const token = await tokenWith('setup');
        await ask(
          'POST',
          'sys/policies/acl/countersign-all',
          { policy: 'path "*" { capabilities = ["read"] }' },
          token,
        );
        await ask(
          'POST',
          'auth/approle/role/countersign-all',
          { token_policies: ['countersign-all'] },
          token,
        );
        const role = 'auth/approle/role/countersign-all';
        const { role_id } = (await ask('GET', `${role}/role-id`, undefined, token)).data;
        const { secret_id } = (await ask('POST', `${role}/secret-id`, {}, token)).data;
        const { auth } = await ask('POST', 'auth/approle/login', { role_id, secret_id }, '');
        const { status } = await ask('GET', `${exportOf('nonce')}/latest`, undefined, auth.client_token);
        expect(status).toBe(200);
      });

      it('needs sudo to mount an auth method', async () => {
        await ask('POST', 'sys/policies/acl/no-sudo', { policy: hcl.replace(', "sudo"', '') });
        const token = await tokenWith('no-sudo');
        const who = { account: '123456789012', regions: ['eu-west-1'] };
        const auth = {
          method: 'jwt',
          issuer: 'https://issuer.example.com',
          audience: 'vault',
          ...who,
        } as const;
        const api = createVaultApi({ address: vault.address });
        const run = setUpVault({ api, token, plan: { stage: STAGE, auth } });
        await expect(run).rejects.toThrow('the token lacks sudo on sys/auth/jwt (cli/vault/setup.hcl');
        expect((await ask('POST', 'sys/auth/jwt', { type: 'jwt' }, token)).status).toBe(403);
      });

      it('leaves a key of another type unchanged, and says so', async () => {
        const plan: Plan = { ...PLAN, stage: 'taken' };
        await ask('POST', 'transit/keys/countersign-taken-nonce', { type: 'ed25519', exportable: true });
        await ask('POST', 'transit/keys/countersign-taken-token', { type: 'ecdsa-p256' });
        const taken = setUpVault({
          api: createVaultApi({ address: vault.address }),
          token: vault.rootToken,
          plan,
        });
        await expect(taken).rejects.toThrow(SetupRefused);
        await expect(taken).rejects.toThrow(
          'nothing was written, because key countersign-taken-nonce is of type ed25519, not hmac; key countersign-taken-token is not exportable',
        );
        expect((await ask('GET', 'transit/keys/countersign-taken-client-root')).status).toBe(404);
      });
    });

    describe('keys', () => {
      it('rotate adds a version and returns its number, a different one to each caller', async () => {
        const keys = rotator('nonce');
        const { latest } = await keys.versions(key('nonce'));
        const numbers = await Promise.all([1, 2, 3].map(() => keys.rotate(key('nonce'))));
        // OpenBao refuses some concurrent calls. A repeated call leaves version numbers that no caller
        // received.
        expect(new Set(numbers).size).toBe(3);
        expect(Math.min(...numbers)).toBeGreaterThan(latest);
        expect((await keys.versions(key('nonce'))).latest).toBe(Math.max(...numbers));
        for (const number of numbers) expect(await keys.exportKey(key('nonce'), number)).toBeDefined();
      });

      it('derivation keys have 32 bytes, the same for one version and different for others', async () => {
        for (const purpose of ['nonce', 'client-root'] as const) {
          const keys = rotator(purpose);
          const version = await keys.rotate(key(purpose));
          const jwk = await keys.exportKey(key(purpose), version);
          expect(jwk).toEqual({ kty: 'oct', k: expect.any(String), alg: 'HKDF-SHA-256' });
          expect(Buffer.from(jwk.k!, 'base64url')).toHaveLength(32);
          expect(await keys.exportKey(key(purpose), version)).toEqual(jwk);
          expect((await keys.exportKey(key(purpose), version - 1)).k).not.toBe(jwk.k);
        }
      });

      it('a token key signs by ES256, and its public half is the one that Vault publishes', async () => {
        const keys = rotator('token');
        const version = await keys.rotate(key('token'));
        const jwk = await keys.exportKey(key('token'), version);
        const half = expect.stringMatching(/^[\w-]{43}$/);
        expect(jwk).toEqual({ kty: 'EC', crv: 'P-256', x: half, y: half, d: half, alg: 'ES256' });
        await verifies(jwk, (await ask('GET', `transit/keys/${key('token')}`)).data.keys[version].public_key);
      });

      it('an Ed25519 key signs, and its public half is the one that Vault publishes', async () => {
        await ask('POST', 'transit/keys/webhook', { type: 'ed25519', exportable: true });
        const jwk = await root().exportKey('webhook', 1);
        const half = expect.stringMatching(/^[\w-]{43}$/);
        expect(jwk).toEqual({ kty: 'OKP', crv: 'Ed25519', x: half, d: half, alg: 'Ed25519' });
        const published = (await ask('GET', 'transit/keys/webhook')).data.keys[1].public_key;
        expect(Buffer.from(jwk.x!, 'base64url').toString('base64')).toBe(published);
        await verifies(jwk);
      });

      it('trimmed versions are gone, and trimming never goes back', async () => {
        const keys = rotator('client-root');
        const latest = await keys.rotate(key('client-root'));
        await keys.trim(key('client-root'), latest - 1);
        await keys.trim(key('client-root'), latest - 2);
        expect(await keys.versions(key('client-root'))).toEqual({ latest, min: latest - 1 });
        await expect(keys.exportKey(key('client-root'), latest - 2)).rejects.toMatchObject({
          code: 'not_found',
        });
        const { status } = await ask('GET', `transit/export/hmac-key/${key('client-root')}/${latest - 2}`);
        expect(status).toBe(400);
        expect(await keys.exportKey(key('client-root'), latest - 1)).toMatchObject({ kty: 'oct' });
        await keys.trim(key('client-root'), latest);
        expect(await keys.versions(key('client-root'))).toEqual({ latest, min: latest });
        await expect(keys.trim(key('client-root'), latest + 1)).rejects.toMatchObject({
          code: 'not_found',
        });
      });

      it('lowering the minimum version brings back hidden versions, but no trimmed ones', async () => {
        const path = 'transit/keys/countersign-test-nonce';
        const token = await login('nonce');
        const keys = rotator('nonce');
        const latest = await keys.rotate(key('nonce'));
        const exported = (version: number) => ask('GET', `${exportOf('nonce')}/${version}`, undefined, token);
        const hide = (version: number) => {
          const both = { min_decryption_version: version, min_encryption_version: latest };
          return ask('POST', `${path}/config`, both, token);
        };
        await hide(latest);
        expect((await exported(latest - 1)).status).toBe(400);
        expect((await hide(latest - 1)).status).toBeLessThan(300);
        expect((await exported(latest - 1)).status).toBe(200);

        await keys.trim(key('nonce'), latest);
        expect((await ask('GET', path, undefined, token)).data.min_available_version).toBe(latest);
        expect((await hide(latest - 1)).status).toBe(400);
        expect((await exported(latest - 1)).status).toBe(400);
        expect((await exported(latest)).status).toBe(200);
        for (const version of [latest - 1, latest + 1, 0]) {
          const trim = { min_available_version: version };
          expect((await ask('POST', `${path}/trim`, trim, token)).status).toBe(400);
        }
      });

      it('Vault trims no version that may still be used', async () => {
        await ask('POST', 'transit/keys/trimmed', { type: 'hmac', key_size: 32, exportable: true });
        await root().rotate('trimmed');
        const [config, trim] = ['transit/keys/trimmed/config', 'transit/keys/trimmed/trim'];
        expect((await ask('POST', trim, { min_available_version: 2 })).status).toBe(400);
        await ask('POST', config, { min_decryption_version: 2 });
        expect((await ask('POST', trim, { min_available_version: 2 })).status).toBe(400);
        await ask('POST', config, { min_encryption_version: 2 });
        expect((await ask('POST', trim, { min_available_version: 2 })).status).toBeLessThan(300);
      });

      it('trimming never lowers the version that may be used or sign, and completes an interrupted run', async () => {
        const minima = async () => {
          const { data } = await ask('GET', 'transit/keys/signing');
          return [data.min_available_version, data.min_decryption_version, data.min_encryption_version];
        };
        await ask('POST', 'transit/keys/signing', { type: 'ecdsa-p256', exportable: true });
        for (let i = 0; i < 4; i++) await root().rotate('signing');
        // A state that others may have set: versions hidden, and no minimum version to sign with.
        await ask('POST', 'transit/keys/signing/config', { min_decryption_version: 3 });
        await root().trim('signing', 2);
        expect(await minima()).toEqual([2, 3, 3]);
        // The state after a run that was interrupted between its two writes.
        await ask('POST', 'transit/keys/signing/config', { min_encryption_version: 5 });
        await root().trim('signing', 3);
        expect(await minima()).toEqual([3, 3, 5]);
        await root().trim('signing', 4);
        expect(await minima()).toEqual([4, 4, 5]);
      });

      it('a missing key or version is not_found', async () => {
        for (const call of [
          () => root().rotate('nobody'),
          () => root().versions('nobody'),
          () => root().exportKey('nobody', 1),
          () => root().trim('nobody', 2),
          () => root().exportKey(key('token'), 10_000),
          () =>
            createVaultKeys({
              address: vault.address,
              auth: { method: 'token', token: vault.rootToken },
              mount: 'elsewhere',
            }).versions('nobody'),
        ])
          await expect(call()).rejects.toMatchObject({
            name: 'VaultError',
            code: 'not_found',
            retryable: false,
          });
      });

      it('a key of an unsupported type or kind is refused', async () => {
        await ask('POST', 'transit/keys/aes', { type: 'aes256-gcm96', exportable: true });
        await ask('POST', 'transit/keys/kept', { type: 'ecdsa-p256' });
        await expect(root().exportKey('kept', 1)).rejects.toMatchObject({ code: 'unexpected' });
        await expect(root().exportKey('aes', 1)).rejects.toMatchObject({ name: 'VaultError' });
      });
    });

    describe('logins', () => {
      it('a wrong token, or wrong AppRole credentials, are forbidden', async () => {
        await expect(
          keysOf({ method: 'token', token: 'wrong' }).versions(key('nonce')),
        ).rejects.toMatchObject({
          code: 'forbidden',
          retryable: false,
        });
        const { roleId, secretId } = roles.get('nonce')!;
        for (const [id, secret] of [
          [roleId, 'wrong'],
          ['wrong', secretId],
          [roles.get('token')!.roleId, secretId],
        ] as const) {
          const keys = keysOf({
            method: 'approle',
            credentials: async () => ({ role_id: id, secret_id: secret }),
          });
          await expect(keys.versions(key('nonce'))).rejects.toMatchObject({ code: 'forbidden' });
        }
      });

      it('calls share a login, and a refused token costs one more login before the call fails', async () => {
        const { roleId, secretId } = roles.get('nonce')!;
        let logins = 0;
        const keys = keysOf({
          method: 'approle',
          async credentials() {
            logins += 1;
            return { role_id: roleId, secret_id: secretId };
          },
        });
        await Promise.all([keys.versions(key('nonce')), keys.versions(key('nonce'))]);
        await keys.versions(key('nonce'));
        expect(logins).toBe(1);
        await expect(keys.versions(key('token'))).rejects.toMatchObject({ code: 'forbidden' });
        expect(logins).toBe(2);
        await keys.versions(key('nonce'));
        expect(logins).toBe(2);
      });
    });

    describe('logging out', () => {
      it('revokes the token, once; the next call logs in again', async () => {
        const { roleId, secretId } = roles.get('nonce')!;
        let logins = 0;
        const keys = createVaultKeys({
          address: vault.address,
          auth: {
            method: 'approle',
            async credentials() {
              logins += 1;
              return { role_id: roleId, secret_id: secretId };
            },
          },
        });
        await keys.logOut();
        expect(logins).toBe(0);
        await keys.versions(key('nonce'));
        await keys.logOut();
        await keys.logOut();
        expect(logins).toBe(1);
        await keys.versions(key('nonce'));
        expect(logins).toBe(2);
      });
    });

    describe('sealed', () => {
      const unseal = () => ask('PUT', 'sys/unseal', { key: vault.unsealKey });
      afterEach(unseal);

      it('makes every call say so, and calls work again once it is unsealed', async () => {
        const keys = rotator('nonce');
        const before = await keys.versions(key('nonce'));
        const kept = await keys.exportKey(key('nonce'), before.latest);
        expect((await ask('PUT', 'sys/seal')).status).toBe(204);
        expect((await ask('GET', 'sys/health')).status).toBe(503);
        const sealed = { name: 'VaultError', code: 'sealed', retryable: true };
        for (const call of [
          () => keys.rotate(key('nonce')),
          () => keys.versions(key('nonce')),
          () => keys.exportKey(key('nonce'), 1),
          () => keys.trim(key('nonce'), 2),
          () => rotator('token').versions(key('token')),
          () => setUp(),
        ])
          await expect(call()).rejects.toMatchObject(sealed);
        expect((await unseal()).sealed).toBe(false);
        expect(await keys.versions(key('nonce'))).toEqual(before);
        expect(await keys.exportKey(key('nonce'), before.latest)).toEqual(kept);
        expect((await ask('GET', 'sys/health')).status).toBe(200);
      });
    });

    describe('policies', () => {
      it.each(PURPOSES)('allow the rotation of %s what it needs', async (purpose) => {
        const token = await login(purpose);
        const own = `transit/keys/${key(purpose)}`;
        const { latest_version: latest } = (await ask('POST', `${own}/rotate`, {}, token)).data;
        expect((await ask('GET', own, undefined, token)).data.latest_version).toBe(latest);
        expect((await ask('GET', `${exportOf(purpose)}/${latest}`, undefined, token)).data.name).toBe(
          key(purpose),
        );
        const { min_decryption_version: min } = (await ask('GET', own)).data;
        const both = { min_decryption_version: min, min_encryption_version: min };
        expect((await ask('POST', `${own}/config`, both, token)).status).toBeLessThan(300);
        const trim = { min_available_version: min };
        expect((await ask('POST', `${own}/trim`, trim, token)).status).toBeLessThan(300);
        expect((await ask('POST', 'auth/token/revoke-self', {}, token)).status).toBe(204);
        expect((await ask('GET', own, undefined, token)).status).toBe(403);
      });

      it.each(PURPOSES)('allow the rotation of %s nothing else', async (purpose) => {
        const token = await login(purpose);
        const own = `transit/keys/${key(purpose)}`;
        const others = PURPOSES.filter((other) => other !== purpose);
        const refused: [method: string, path: string, body?: object][] = [
          ['DELETE', own],
          ['GET', `transit/backup/${key(purpose)}`],
          ['POST', `transit/restore/${key(purpose)}`, { backup: 'x' }],
          ['POST', `${own}/trim`, { min_available_version: 1, force: true }],
          ['POST', 'auth/token/renew-self'],
          ['POST', 'auth/token/revoke', { token: vault.rootToken }],
          ['POST', own, { type: 'hmac', key_size: 32 }],
          ['POST', `${own}/config`, { deletion_allowed: true }],
          ['POST', `${own}/config`, { allow_plaintext_backup: true }],
          ['POST', `${own}/config`, { min_decryption_version: 1, deletion_allowed: true }],
          ['GET', exportOf(purpose)],
          ['GET', `transit/export/encryption-key/${key(purpose)}/1`],
          ['POST', `transit/hmac/${key(purpose)}`, { input: 'eA==' }],
          ['POST', `transit/sign/${key(purpose)}`, { input: 'eA==' }],
          ['GET', 'transit/keys?list=true'],
          ['GET', 'transit/keys/*'],
          ['GET', 'sys/mounts'],
          ['GET', `sys/policies/acl/${key(purpose)}`],
          ['POST', `sys/policies/acl/${key(purpose)}`, { policy: 'path "*" { capabilities = ["read"] }' }],
          ['POST', 'auth/token/create', { policies: ['root'] }],
          ['GET', 'auth/token/lookup-self'],
          ['GET', `auth/approle/role/${key(purpose)}/role-id`],
          ['POST', `auth/approle/role/${key(purpose)}/secret-id`],
          ...others.flatMap((other): [string, string, object?][] => [
            ['GET', `transit/keys/${key(other)}`],
            ['POST', `transit/keys/${key(other)}/rotate`],
            ['POST', `transit/keys/${key(other)}/config`, { min_decryption_version: 1 }],
            ['POST', `transit/keys/${key(other)}/trim`, { min_available_version: 1 }],
            ['GET', `${exportOf(other)}/1`],
            ['GET', `${exportOf(other)}/latest`],
            ['DELETE', `transit/keys/${key(other)}`],
          ]),
        ];
        for (const [method, path, body] of refused)
          expect([method, path, body, (await ask(method, path, body, token)).status]).toEqual([
            method,
            path,
            body,
            403,
          ]);
      });
    });
  });
}

async function verifies(jwk: JWK, publishedPem?: string): Promise<void> {
  const { d, ...half } = jwk;
  const alg = jwk.alg!;
  const jws = await new CompactSign(Buffer.from('hello'))
    .setProtectedHeader({ alg })
    .sign(await importJWK(jwk));
  const publicKey = publishedPem === undefined ? await importJWK(half) : createPublicKey(publishedPem);
  expect(Buffer.from((await compactVerify(jws, publicKey)).payload).toString()).toBe('hello');
}
