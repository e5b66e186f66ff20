/** Finds the platform that runs on this machine by the file that it leaves while it does. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isJsonObject } from '../protocol/json.ts';
import { CliError, EXIT, usage } from './io.ts';

/** The form that a platform writes. */
interface Announced {
  readonly entry: string;
  readonly regions: readonly { readonly name: string; readonly url: string }[];
  readonly awsEndpoint: string;
  readonly clients: readonly {
    readonly client_id: string;
    readonly profile: string;
    readonly api_key: string;
  }[];
}

export interface LocalPlatform extends Announced {
  /** The file's path. */
  readonly path: string;
}

/** The value of `--local`. Without it, commands use the folder's first platform, or the only one that still runs. */
export const LOCAL_FLAG = '--local <port>';
export const LOCAL_HELP = 'use the local platform whose entry has this port, if several run in this folder';

/**
 * Searches `directory` and then each folder above it.
 *
 * @param port the entry's; undefined for the first platform of a folder, or the only one
 * @throws CliError that says what to do, if there is no platform, or several and none is the first
 */
export function findLocalPlatform(directory: string, instead: string, port?: string): LocalPlatform {
  if (port !== undefined && !/^[1-9]\d{0,4}$/.test(port)) throw usage('--local takes the port of an entry');
  const others: string[] = [];
  for (let at = directory; ; at = dirname(at)) {
    const files = join(at, '.countersign');
    const first = readPlatform(join(files, 'local.json'));
    if (first && (port === undefined || portOf(first) === port)) return first;
    const ports = portsIn(files);
    const chosen = port ?? (ports.length === 1 ? ports[0] : undefined);
    const found = chosen === undefined ? undefined : readPlatform(join(files, `local-${chosen}.json`));
    if (found) return found;
    others.push(...(first ? [portOf(first)] : []), ...ports);
    // Platforms of a parent folder are not meant.
    if (port === undefined && ports.length > 1) break;
    if (dirname(at) === at) break;
  }
  const named = others.map((each) => `\`--local ${each}\``).join(' or ');
  if (port === undefined && others.length > 0)
    throw new CliError(EXIT.unreachable, `several platforms run here: name one with ${named}`);
  throw new CliError(
    EXIT.unreachable,
    port === undefined
      ? `no platform runs here (no .countersign/local.json): start one with \`npm start\`, or ${instead}`
      : `no platform runs here on port ${port} (no .countersign/local-${port}.json): start one with \`npm start -- --port ${port}\`${named && `, or name another with ${named}`}`,
  );
}

/** The ports of platforms that were started after the first one of a folder. */
function portsIn(files: string): string[] {
  try {
    return readdirSync(files)
      .flatMap((name) => /^local-([1-9]\d{0,4})\.json$/.exec(name)?.[1] ?? [])
      .sort();
  } catch {
    return [];
  }
}

const portOf = ({ entry }: LocalPlatform): string => (URL.canParse(entry) ? new URL(entry).port : '');

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
    if (isAnnounced(value)) return { ...value, path };
  } catch {
    // Not JSON: broken too.
  }
  throw new CliError(EXIT.unreachable, `${path} is broken: start the platform again with \`npm start\``);
}

const isAnnounced = (value: unknown): value is Announced =>
  isJsonObject(value) &&
  [value.entry, value.awsEndpoint].every((url) => typeof url === 'string') &&
  [value.regions, value.clients].every((list) => Array.isArray(list) && list.every(isJsonObject));
