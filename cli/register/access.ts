/** Finds the URL and the API key: in the options, else the environment, else the local platform's client `dev`. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type ClientOptions, CountersignClient, InvalidArgumentError } from '@countersign/sdk';
import { type Io, usage } from '../io.ts';
import { findLocalPlatform } from '../local.ts';

export interface AccessOptions {
  readonly url?: string;
  readonly apiKeyFile?: string;
  readonly local?: string;
}

/** A platform's base URL, and an API key for it. */
export interface Access {
  readonly url: string;
  readonly apiKey: string;
}

/** @throws CliError where the URL or the key is missing. The message never quotes a key. */
export function findAccess(options: AccessOptions, { env, cwd }: Io): Access {
  if (options.local !== undefined) {
    if (options.url !== undefined || options.apiKeyFile !== undefined)
      throw usage('--local cannot be combined with --url or --api-key-file');
    return localAccess(cwd, options.local);
  }
  const url = options.url ?? env.COUNTERSIGN_URL;
  if (url !== undefined) requireHttp(url);
  const apiKey =
    options.apiKeyFile === undefined ? env.COUNTERSIGN_API_KEY : readKey(resolve(cwd, options.apiKeyFile));
  if (url !== undefined && apiKey !== undefined) return { url, apiKey };
  if (url !== undefined)
    throw usage('the API key is missing: set --api-key-file FILE or COUNTERSIGN_API_KEY');
  if (apiKey !== undefined) throw usage('the URL is missing: set --url URL or COUNTERSIGN_URL');
  return localAccess(cwd);
}

function localAccess(cwd: string, port?: string): { url: string; apiKey: string } {
  const instead = 'use --url and --api-key-file for a deployed platform';
  const { entry, clients } = findLocalPlatform(cwd, instead, port);
  const dev = clients.find(({ client_id }) => client_id === 'dev') ?? clients[0];
  if (!dev) throw usage('the local platform has no client; start it again with `npm start`');
  return { url: entry, apiKey: dev.api_key };
}

/** @throws CliError where URL or key cannot be used */
export function connect(options: ClientOptions): CountersignClient {
  try {
    return new CountersignClient(options);
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw usage(error.message);
    throw error;
  }
}

/**
 * Refuses a URL without http:// or https://, and suggests one: the URL standard reads `localhost:4100` as the scheme
 * `localhost`. The message quotes only host and port, because a URL may hold a password.
 */
function requireHttp(url: string): void {
  if (/^https?:\/\//i.test(url)) return;
  const host = /^([\w-]+(?:\.[\w-]+)*)(:\d+)?(?:\/|$)/.exec(url);
  const scheme = host && ['localhost', '127.0.0.1'].includes(host[1]!) ? 'http' : 'https';
  const suggestion = host ? `; did you mean ${scheme}://${host[1]}${host[2] ?? ''}?` : '';
  throw usage(`the URL must begin with https:// (http:// is allowed for this machine only)${suggestion}`);
}

function readKey(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw usage(`--api-key-file: cannot read ${path}: ${(error as NodeJS.ErrnoException).code}`);
  }
}
