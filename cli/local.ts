/** Finds the platform that runs on this machine by the file that it leaves while it does. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isJsonObject } from '../protocol/json.ts';
import { CliError, EXIT } from './io.ts';

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

/**
 * Searches from `directory` upwards.
 *
 * @throws CliError that says what to do, where there is none
 */
export function findLocalPlatform(directory: string, instead: string): LocalPlatform {
  for (let at = directory; ; at = dirname(at)) {
    const path = join(at, '.countersign', 'local.json');
    const text = readIfThere(path);
    if (text !== undefined) return parse(text, path);
    if (dirname(at) === at)
      throw new CliError(
        EXIT.unreachable,
        `no platform runs here (no .countersign/local.json): start one with \`npm start\`, or ${instead}`,
      );
  }
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
