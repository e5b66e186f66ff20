/**
 * Reads and writes of Vault's HTTP API: the one place that knows node-vault, which builds the requests. Left to itself
 * it has no time limit, follows redirects with the token, prints what it sends where DEBUG is set, and takes token,
 * namespace and path prefix from the environment; so it gets another transport, a debug that is mute, and all of them
 * set.
 */
import createNodeVault from 'node-vault';
import { createTransport, type TransportOptions, type VaultRequest } from './transport.ts';

export interface VaultApiOptions extends TransportOptions {
  /** Where Vault is: `https://host:port`. */
  readonly address: string;
  /** Enterprise and OpenBao. @default none */
  readonly namespace?: string;
}

export type VaultData = Readonly<Record<string, unknown>>;

/** Paths are without `/v1/`. What fails is a VaultError; answers are the whole object, undefined for one without body. */
export interface VaultApi {
  read(path: string, token: string): Promise<VaultData | undefined>;
  /** @param token none for a login */
  write(path: string, data: object, token?: string): Promise<VaultData | undefined>;
}

export function createVaultApi({ address, namespace = '', ...options }: VaultApiOptions): VaultApi {
  // Node's own error would quote it.
  if (!URL.canParse(address)) throw new TypeError('the address of Vault is no URL');
  const transport = createTransport(options);
  const client = createNodeVault({
    endpoint: address,
    debug: () => {},
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
