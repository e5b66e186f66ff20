/** Finds the platform that runs on this machine, by the file that it keeps in `.countersign/` while it runs. */
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

/** Chooses a local platform. Without it, commands use the first platform of the folder. */
export const LOCAL_FLAG = '--local <port>';
export const LOCAL_HELP = 'use the local platform whose entry has this port, if several run in this folder';

/**
 * Searches `directory` and then each folder above it.
 *
 * @param instead how to name a deployed platform, for the error message
 * @param port port of the entry; undefined for the first platform of a folder
 * @throws CliError with the fix, where no platform runs
 */
export function findLocalPlatform(directory: string, instead: string, port?: string): LocalPlatform {
  if (port !== undefined && !/^[1-9]\d{0,4}$/.test(port))
    throw usage("--local must be the port of a local platform's entry");
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
          ? `no local platform found (no .countersign/local.json): start one with \`npm start\`, or ${instead}`
          : `no local platform found on port ${port} (no .countersign/local-${port}.json): start one with \`npm start -- --port ${port}\``,
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
    // Not JSON: broken too.
  }
  throw new CliError(EXIT.unreachable, `${path} is broken: start the platform again with \`npm start\``);
}

const isLocalPlatform = (value: unknown): value is LocalPlatform =>
  isJsonObject(value) &&
  [value.entry, value.awsEndpoint].every((url) => typeof url === 'string') &&
  [value.regions, value.clients].every((list) => Array.isArray(list) && list.every(isJsonObject));
