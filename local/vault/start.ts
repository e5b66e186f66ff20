/**
 * The Vault of `npm start`: embedded in this process, an OpenBao that is started, or a server that already
 * runs.
 */
import { resolve } from 'node:path';
import type { LocalServer } from '../server.ts';
import { startOpenbao } from './openbao.ts';
import { createEmbeddedVault } from './vault.ts';

/** A URL needs a token in `VAULT_TOKEN`, with the permissions of cli/vault/setup.hcl. */
export type VaultChoice = 'embedded' | 'openbao' | `http${string}`;

export interface RunningVault {
  readonly address: string;
  /** A token that may set up the platform's needs in Vault. */
  readonly rootToken: string;
  /** Lost, it answers nobody. Only the embedded one can be. */
  readonly setLost?: (lost: boolean) => void;
  stop(): Promise<void> | void;
}

/** The directory where OpenBao is installed once. */
const DIRECTORY = '.countersign';

/** @param listen takes Vault's port */
export async function startVault(
  choice: VaultChoice,
  listen: () => Promise<LocalServer>,
): Promise<RunningVault> {
  if (choice === 'embedded') {
    const server = await listen();
    const { listener, rootToken } = createEmbeddedVault();
    let isLost = false;
    server.serve(async (request, response) => {
      if (isLost) request.socket.destroy();
      else await listener(request, response);
    });
    const setLost = (lost: boolean) => {
      isLost = lost;
    };
    return { address: server.url, rootToken, setLost, stop: () => {} };
  }
  if (choice === 'openbao') {
    // Listens only to check that the port is free, and to learn its number.
    const { port, stop } = await listen();
    await stop();
    return startOpenbao(resolve(DIRECTORY), port);
  }
  const rootToken = process.env.VAULT_TOKEN;
  if (!rootToken) throw new Error(`--vault ${choice} needs a token in VAULT_TOKEN`);
  return { address: choice, rootToken, stop: () => {} };
}
