/**
 * HTTP to Vault: each try has a time limit, there are a few tries, and no redirect is followed, since it
 * would carry the token. Every failure is a VaultError, made from the status and from Node's error code
 * alone.
 */
import { type ClientRequestArgs, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { VaultError } from './vault-error.ts';

export interface TransportOptions {
  /** The only certificate authorities that are trusted, as PEM. @default the public ones */
  readonly caPem?: string;
  /** For one try. @default 5000 */
  readonly timeoutMs?: number;
  /** The number of tries in all, as long as a later one may succeed. @default 3 */
  readonly tries?: number;
  /** Of the caller's session: another number means that it has ended, and no request of it is tried again. */
  readonly session?: () => number;
}

export interface VaultRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: object;
}

export interface VaultAnswer {
  readonly status: 200 | 204;
  /** The JSON object, or undefined if there is none. */
  readonly body: unknown;
}

export type Transport = (request: VaultRequest) => Promise<VaultAnswer>;

/** The longest first wait. Each later wait may be twice as long; all have a random length. */
const BACKOFF_MS = 500;
/** Far more than Vault answers here, and far less than a function's memory. */
const MAX_ANSWER_BYTES = 1_024 * 1_024;

export function createTransport({
  caPem,
  timeoutMs = 5_000,
  tries = 3,
  session = () => 0,
}: TransportOptions): Transport {
  return async (request) => {
    const began = session();
    for (let tried = 1; ; tried++)
      try {
        return await once(request);
      } catch (error) {
        const { code, retryable } = error as VaultError;
        // A sealed Vault stays sealed for longer than these waits.
        if (!retryable || code === 'sealed' || tried === tries) throw error;
        await delay(Math.random() * BACKOFF_MS * 2 ** (tried - 1));
        if (session() !== began) throw error;
      }
  };

  async function once(request: VaultRequest): Promise<VaultAnswer> {
    const what = `${request.method} ${new URL(request.url).pathname.replace(/^.*?\/v1\//, '')}`;
    const { origin } = new URL(request.url);
    const { status, text } = await exchange(request).catch((error: unknown) => {
      throw connectionError(error, origin);
    });
    if (status === 204) return { status, body: undefined };
    if (status !== 200) throw statusError(status, text, what, origin);
    try {
      return { status, body: JSON.parse(text) };
    } catch {
      throw new VaultError('unexpected', `${origin} answered ${what} without JSON: is that Vault's address?`);
    }
  }

  async function exchange({ method, url, headers, body }: VaultRequest) {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const options: ClientRequestArgs & { ca?: string } = {
      method,
      headers: { ...headers, ...(payload !== undefined && { 'Content-Type': 'application/json' }) },
      signal: AbortSignal.timeout(timeoutMs),
      ...(caPem !== undefined && { ca: caPem }),
    };
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const send = url.startsWith('https:') ? httpsRequest : httpRequest;
      send(url, options, resolve).on('error', reject).end(payload);
    });
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of answer) {
      length += (chunk as Buffer).length;
      if (length > MAX_ANSWER_BYTES) throw Object.assign(new Error(), { code: 'TOO_LONG' });
      chunks.push(chunk);
    }
    return { status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() };
  }
}

/** Codes of OpenSSL and Node for a certificate that is not trusted. Another try would not help. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS/;

function connectionError(error: unknown, origin: string): VaultError {
  const { name, code } = error as NodeJS.ErrnoException;
  const reason = name === 'AbortError' || name === 'TimeoutError' ? 'timeout' : String(code ?? name);
  if (CERTIFICATE.test(reason)) {
    const hint = "set caPem (VAULT_CACERT for the command line) to its authority's, or fix the certificate";
    return new VaultError(
      'unavailable',
      `the certificate of ${origin} is not trusted (${reason}): ${hint}`,
      false,
    );
  }
  if (reason === 'TOO_LONG')
    return new VaultError('unexpected', `${origin} answers without an end: is that Vault's address?`);
  if (reason.startsWith('ERR_INVALID'))
    return new VaultError(
      'unexpected',
      'the Vault token or namespace is no header value: does it contain a line end?',
    );
  const hint = 'is the address right, does Vault run, and does the network let this machine reach it?';
  return new VaultError('unavailable', `${origin} does not answer (${reason}): ${hint}`);
}

function statusError(status: number, text: string, what: string, origin: string): VaultError {
  const answered = `Vault at ${origin} answered ${status} to ${what}`;
  if (status === 503 && /is sealed/i.test(text))
    return new VaultError('sealed', `${origin} is sealed: unseal Vault`);
  // A proxy, or a server at the wrong address, says nothing about the credentials.
  if (status >= 400 && status < 500 && status !== 429 && !isVaults(text))
    return new VaultError(
      'unexpected',
      `${origin} answered ${status} to ${what}, but not as Vault does: is that Vault's address?`,
    );
  if (status === 403)
    return new VaultError(
      'forbidden',
      `${answered}: token or policy do not allow it: is the token still valid, and has \`countersign vault setup\` run?`,
    );
  if (status === 404)
    return new VaultError(
      'not_found',
      `${answered}: there is nothing at that path: has \`countersign vault setup\` run?`,
    );
  if (status === 429 || status >= 500)
    return new VaultError(
      'unavailable',
      `${answered}: Vault's log says why; it recovers by itself or needs its operator`,
    );
  if (status >= 300 && status < 400)
    return new VaultError(
      'unexpected',
      `${answered}, a redirect, which is not followed: set the address that it leads to`,
    );
  return new VaultError(status === 400 ? 'invalid' : 'unexpected', `${answered}: Vault's audit log says why`);
}

/** Vault puts every error into a list. */
function isVaults(text: string): boolean {
  try {
    return text === '' || Array.isArray((JSON.parse(text) as { errors?: unknown } | null)?.errors);
  } catch {
    return false;
  }
}
