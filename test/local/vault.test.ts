/** The embedded Vault passes the same suite as the real one. */
import { afterAll, expect, it } from 'vitest';
import { createVaultApi } from '../../lambda/vault/api.ts';
import { startServer } from '../../local/server.ts';
import { createEmbeddedVault } from '../../local/vault/vault.ts';
import { vaultContract } from '../contract/vault.ts';

const server = await startServer(0, new Set());
const vault = createEmbeddedVault();
server.serve(vault.listener);
afterAll(server.stop);

vaultContract('embedded', () => ({ ...vault, address: server.url }));

it('a secret id expires at the end of its life', async () => {
  let nowMs = 0;
  const timed = createEmbeddedVault({ rootToken: 'root', nowMs: () => nowMs });
  const own = await startServer(0, new Set());
  try {
    own.serve(timed.listener);
    const api = createVaultApi({ address: own.url });
    await api.write('sys/auth/approle', { type: 'approle' }, 'root');
    const role = 'auth/approle/role/r';
    await api.write(role, { secret_id_ttl: 60 }, 'root');
    const { role_id } = (await api.read(`${role}/role-id`, 'root'))!.data as { role_id: string };
    const { secret_id } = (await api.write(`${role}/secret-id`, {}, 'root'))!.data as { secret_id: string };
    const login = () => api.write('auth/approle/login', { role_id, secret_id });
    nowMs = 59_999;
    expect(await login()).toHaveProperty('auth');
    nowMs = 60_000;
    await expect(login()).rejects.toMatchObject({ code: 'invalid' });
  } finally {
    await own.stop();
  }
});

it('a token expires at the end of its lease', async () => {
  let nowMs = 0;
  const timed = createEmbeddedVault({ rootToken: 'root', nowMs: () => nowMs });
  const own = await startServer(0, new Set());
  try {
    own.serve(timed.listener);
    const ask = (path: string, token: string, body?: object) =>
      fetch(`${own.url}/v1/${path}`, {
        method: body ? 'POST' : 'GET',
        headers: { 'X-Vault-Token': token },
        ...(body && { body: JSON.stringify(body) }),
      });
    const created = await ask('auth/token/create', 'root', { policies: ['default'], ttl: 60 });
    const { client_token } = ((await created.json()) as { auth: { client_token: string } }).auth;
    nowMs = 59_999;
    expect((await ask('auth/token/lookup-self', client_token)).status).toBe(200);
    nowMs = 60_000;
    expect((await ask('auth/token/lookup-self', client_token)).status).toBe(403);
  } finally {
    await own.stop();
  }
});
