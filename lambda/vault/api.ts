/**
 * Reads and writes of Vault's HTTP API. Only this file knows node-vault, which builds the requests. By
 * default node-vault has no time limit, follows redirects with the token, prints what it sends where DEBUG is
 * set, and takes token, namespace and path prefix from the environment. So it gets our transport, a debug
 * that prints nothing, and a value for each of the three.
 */
import createNodeVault from 'node-vault';
import { createTransport, type TransportOptions, type VaultRequest } from './transport.ts';

export interface VaultApiOptions extends TransportOptions {
  /** Vault's address: `https://host:port`. */
  readonly address: string;
  /** Enterprise and OpenBao. @default none */
  readonly namespace?: string;
}

export type VaultData = Readonly<Record<string, unknown>>;

/**
 * Paths are without `/v1/`. Answers are the whole object, or undefined where there is no body. Failures are
 * VaultErrors.
 */
export interface VaultApi {
  read(path: string, token: string): Promise<VaultData | undefined>;
  /** @param token none for a login */
  write(path: string, data: object, token?: string): Promise<VaultData | undefined>;
}

export function createVaultApi({ address, namespace = '', ...options }: VaultApiOptions): VaultApi {
  // Node's own error would quote the address.
  if (!URL.canParse(address)) throw new TypeError('the address of Vault is no URL');
  const transport = createTransport(options);
  const client = createNodeVault({
    endpoint: address,
    debug: () => {},
    // The bundle has no tv4, which would check that a path and a method are text: here their types say so.
    tv4: Object.assign(() => true, { validate: () => true }),
    // Nothing here uses its named commands: they would be created again for each client.
    commands: {},
    'request-promise': { defaults: () => (request: NodeVaultRequest) => send(request) },
  });
  Object.assign(client, { token: '', namespace, pathPrefix: '' });
  const withToken = (token: string) => ({ headers: { 'X-Vault-Token': token } });
  return {
    read: (path, token) => client.read(path, withToken(token)),
    write: (path, data, token) => client.write(path, data, token === undefined ? {} : withToken(token)),
  };

  async function send({ method, uri, headers, json }: NodeVaultRequest) {
    const { status, body } = await transport({ method, url: uri, headers, ...(json && { body: json }) });
    return { statusCode: status, body, request: { path: uri } };
  }
}

interface NodeVaultRequest extends Pick<VaultRequest, 'method' | 'headers'> {
  readonly uri: string;
  readonly json?: object;
}
