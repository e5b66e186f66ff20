/** The embedded Vault passes what the real one passes. */
import { afterAll, expect, it } from 'vitest';
import { startServer } from '../../local/server.ts';
import { createEmbeddedVault } from '../../local/vault/vault.ts';
import { vaultContract } from '../contract/vault.ts';

const server = await startServer(0, new Set());
const vault = createEmbeddedVault();
server.serve(vault.listener);
afterAll(server.stop);

vaultContract('embedded', () => ({ ...vault, address: server.url }));

it('a token ends when its lease does', async () => {
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
