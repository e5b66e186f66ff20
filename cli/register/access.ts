/**
 * Finds the URL and the API key: in the options, else the environment, else the local platform's client
 * `dev`.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type ClientOptions, CountersignClient, InvalidArgumentError } from '@countersign/sdk';
import { type Command, Option } from 'commander';
import { parseApiKey } from '../../protocol/api-key.ts';
import { isBaseUrl } from '../../protocol/base-url.ts';
import { type Io, usage } from '../io.ts';
import { findLocalPlatform, LOCAL_FLAG, LOCAL_HELP } from '../local.ts';
import { quoted } from '../printable.ts';
import { collect } from '../target.ts';

export interface AccessOptions {
  readonly url?: string;
  readonly apiKeyFile?: string;
  readonly regions?: readonly string[];
  readonly local?: string;
}

/** A platform's base URL, and an API key for it. */
export interface Access {
  /** Without a slash at its end. */
  readonly url: string;
  readonly apiKey: string;
  /** URLs of trusted Regions on other hosts than that of `url`. */
  readonly regions: readonly string[];
  /** The source of URL and key, as a sentence. */
  readonly source: string;
  /** The options that lead another command to the same place, as they are typed. */
  readonly flags: string;
  /** The options that lead an operator's command there, if they are known. */
  readonly operatorFlags: string;
}

export const addAccessOptions = (command: Command): Command =>
  command
    .option('--url <url>', "the platform's base URL (default: $COUNTERSIGN_URL, or the local platform)")
    .option(
      '--api-key-file <path>',
      'file with the API key (default: $COUNTERSIGN_API_KEY, or the local client dev)',
    )
    .addOption(
      new Option(
        '--regions <urls>',
        "Regions that may be used although they lie elsewhere than under the URL's host; repeatable, or with commas",
      ).argParser(collect),
    )
    .option(LOCAL_FLAG, LOCAL_HELP);

/** @throws CliError, which quotes no key */
export function findAccess(options: AccessOptions, { env, cwd }: Io): Access {
  if (options.local !== undefined) {
    if (options.url !== undefined || options.apiKeyFile !== undefined || options.regions !== undefined)
      throw usage('--local cannot be combined with --url, --api-key-file or --regions');
    return localAccess(cwd, options.local);
  }
  // An empty variable is as good as none.
  const givenUrl = options.url ?? (env.COUNTERSIGN_URL || undefined);
  if (givenUrl !== undefined) requireUrl(options.url === undefined ? 'COUNTERSIGN_URL' : '--url', givenUrl);
  for (const region of options.regions ?? []) requireUrl('--regions', region);
  // One spelling of the URL: a file's checkpoint names the platform by it.
  const url = givenUrl === undefined ? undefined : normalized(givenUrl);
  const apiKey =
    options.apiKeyFile === undefined
      ? keyOf(env.COUNTERSIGN_API_KEY)
      : readKey(resolve(cwd, options.apiKeyFile));
  const regions = (options.regions ?? []).map(normalized);
  if (url !== undefined && apiKey !== undefined) {
    const source = `the URL is that of ${options.url === undefined ? 'COUNTERSIGN_URL' : '--url'}, the key that of ${options.apiKeyFile === undefined ? 'COUNTERSIGN_API_KEY' : options.apiKeyFile}`;
    return { url, apiKey, regions, source, flags: flagsOf(options), operatorFlags: '' };
  }
  if (url !== undefined) throw usage('the API key is missing: --api-key-file FILE, or COUNTERSIGN_API_KEY');
  if (apiKey !== undefined) throw usage('the URL is missing: --url URL, or COUNTERSIGN_URL');
  if (regions.length > 0) throw usage('--regions goes with a URL: --url URL, or COUNTERSIGN_URL');
  return localAccess(cwd);
}

const normalized = (url: string): string => (URL.canParse(url) ? new URL(url).href : url).replace(/\/$/, '');

function localAccess(cwd: string, port?: string): Access {
  const instead = 'name a deployed one with --url and --api-key-file';
  const { entry, clients, path } = findLocalPlatform(cwd, instead, port);
  const dev = clients.find(({ client_id }) => client_id === 'dev') ?? clients[0];
  const flags = port === undefined ? '' : ` --local ${port}`;
  if (!dev) throw usage('the local platform has no client; start it again with `npm start`');
  return {
    url: entry,
    apiKey: dev.api_key,
    regions: [],
    source: `URL and key are those of the local platform (${path})`,
    flags,
    operatorFlags: flags,
  };
}

function flagsOf({ url, apiKeyFile, regions }: AccessOptions): string {
  const given = { '--url': url, '--api-key-file': apiKeyFile, '--regions': regions?.join(',') };
  return Object.entries(given)
    .flatMap(([flag, value]) => (value === undefined ? [] : [` ${flag} ${quoted(value)}`]))
    .join('');
}

/** @throws CliError where URL or key cannot be used */
export function connect(options: ClientOptions): CountersignClient {
  try {
    return new CountersignClient({ logLevel: 'off', ...options });
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw usage(error.message);
    throw error;
  }
}

/**
 * Refuses what is no base URL, and suggests one where http:// or https:// is missing: the URL standard reads
 * `localhost:4100` as the scheme `localhost`. The message quotes only host and port, because a URL may hold a
 * password.
 */
function requireUrl(source: string, url: string): void {
  if (isBaseUrl(url.replace(/\/$/, ''))) return;
  if (/^https?:\/\//i.test(url))
    throw usage(
      `${source} must be a base URL: https (or http for this machine only), without user, query or fragment`,
    );
  const host = /^([\w-]+(?:\.[\w-]+)*)(:\d+)?(?:\/|$)/.exec(url);
  const scheme = host && ['localhost', '127.0.0.1'].includes(host[1]!) ? 'http' : 'https';
  const suggestion = host ? `; did you mean ${scheme}://${host[1]}${host[2] ?? ''}?` : '';
  throw usage(
    `${source}: the URL must begin with https:// (http:// is allowed for this machine only)${suggestion}`,
  );
}

function readKey(path: string): string {
  let key: string;
  try {
    key = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw usage(`--api-key-file: cannot read ${path}: ${(error as NodeJS.ErrnoException).code}`);
  }
  if (key === '') throw usage(`--api-key-file: ${path} is empty`);
  return requireKey(`--api-key-file: ${path}`, key);
}

/** An empty variable is as good as none. */
const keyOf = (variable: string | undefined): string | undefined =>
  variable ? requireKey('COUNTERSIGN_API_KEY', variable) : undefined;

/** @throws CliError that does not quote the text: it may be another secret */
function requireKey(source: string, text: string): string {
  if (parseApiKey(text)) return text;
  throw usage(`${source}: this is not an API key of Countersign, or it was copied incompletely`);
}
