/** Finds the platform that runs on this machine by the file that it leaves while it does. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isJsonObject } from '../protocol/json.ts';
import { CliError, EXIT, usage } from './io.ts';

export interface LocalPlatform {
  readonly entry: string;
  readonly regions: readonly { readonly name: string; readonly url: string }[];
  readonly awsEndpoint: string;
  readonly clients: readonly {
    readonly client_id: string;
    readonly profile: string;
    readonly api_key: string;
  }[];
}

/** What `--local` takes; without it, the first platform of a folder is meant. */
export const LOCAL_FLAG = '--local <port>';
export const LOCAL_HELP = 'the local platform whose entry has this port, where several run in a folder';

/**
 * Searches from `directory` upwards.
 *
 * @param port the entry's; undefined for the first platform of a folder
 * @throws CliError that says what to do, where there is none
 */
export function findLocalPlatform(directory: string, instead: string, port?: string): LocalPlatform {
  if (port !== undefined && !/^[1-9]\d{0,4}$/.test(port)) throw usage('--local takes the port of an entry');
  for (let at = directory; ; at = dirname(at)) {
    const files = join(at, '.countersign');
    const first = readPlatform(join(files, 'local.json'));
    const found =
      port === undefined || (first && portOf(first) === port)
        ? first
        : readPlatform(join(files, `local-${port}.json`));
    if (found) return found;
    if (dirname(at) === at)
      throw new CliError(
        EXIT.unreachable,
        port === undefined
          ? `no platform runs here (no .countersign/local.json): start one with \`npm start\`, or ${instead}`
          : `no platform runs here on port ${port} (no .countersign/local-${port}.json): start one with \`npm start -- --port ${port}\``,
      );
  }
}

const portOf = ({ entry }: LocalPlatform): string | undefined =>
  URL.canParse(entry) ? new URL(entry).port : undefined;

function readPlatform(path: string): LocalPlatform | undefined {
  const text = readIfThere(path);
  return text === undefined ? undefined : parse(text, path);
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new CliError(EXIT.unreachable, `cannot read ${path}: ${code}`);
  }
}

function parse(text: string, path: string): LocalPlatform {
  try {
    const value: unknown = JSON.parse(text);
    if (isLocalPlatform(value)) return value;
  } catch {
    // Not JSON: the same.
  }
  throw new CliError(EXIT.unreachable, `${path} is broken: start the platform again with \`npm start\``);
}

const isLocalPlatform = (value: unknown): value is LocalPlatform =>
  isJsonObject(value) &&
  [value.entry, value.awsEndpoint].every((url) => typeof url === 'string') &&
  [value.regions, value.clients].every((list) => Array.isArray(list) && list.every(isJsonObject));
