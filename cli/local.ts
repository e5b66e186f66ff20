/** Finds the platform that runs on this machine by the file that it leaves while it does. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  type Stats,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { isBaseUrl } from '../protocol/base-url.ts';
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

/**
 * The value of `--local`. Without it, commands use the folder's first platform, or the only one that still
 * runs.
 */
export const LOCAL_FLAG = '--local <port>';
/**
 * The local platform has no stacks. This function of each of its Regions does what a deployment of the
 * Region's stack would, as far as it concerns keys; params: `managed_by`.
 */
export const LOCAL_DEPLOY = 'countersign-local-deploy';

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
    const ports = portsIn(files);
    // A first platform that was killed has left its file: then another one that runs beside it is meant.
    const hasEnded = ports.length > 0 && isDead(readIfThere(join(files, 'local.lock')));
    const first = hasEnded ? undefined : readPlatform(join(files, 'local.json'));
    if (first && (port === undefined || portOf(first) === port)) return first;
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
      ? `no platform runs here (no .countersign/local.json): start one with \`npm start\` in a checkout of Countersign, or ${instead}`
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

/** @param lock what the first platform of a folder writes to its lock: its port and its process */
function isDead(lock: string | undefined): boolean {
  const pid = Number(/^\d+ ([1-9]\d*)\n$/.exec(lock ?? '')?.[1]);
  if (Number.isNaN(pid)) return false;
  try {
    return !process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process is alive as well.
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

const portOf = ({ entry }: LocalPlatform): string => (URL.canParse(entry) ? new URL(entry).port : '');

function readPlatform(path: string): LocalPlatform | undefined {
  const text = readIfThere(path);
  return text === undefined ? undefined : parse(text, path);
}

// Windows has neither flag. Without O_NONBLOCK, opening a named pipe waits for a writer.
const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

/**
 * Reads a file of this user, in a folder of this user: in a folder above, such as `/tmp`, somebody else may
 * have put one, and commands send what they work on to the addresses in it.
 */
function readIfThere(path: string): string | undefined {
  const refused = (why: string) => new CliError(EXIT.unreachable, `cannot use ${path}: ${why}`);
  const mine = ({ uid }: Stats) => process.getuid === undefined || uid === process.getuid();
  let file: number | undefined;
  try {
    const folder = lstatSync(dirname(path));
    file = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const stat = fstatSync(file);
    if (!folder.isDirectory() || !stat.isFile()) throw refused('it is not a file in a folder');
    if (!mine(folder) || !mine(stat)) throw refused('it belongs to another user');
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof CliError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw refused(code === 'ELOOP' ? 'it is a symbolic link' : code!);
  } finally {
    if (file !== undefined) closeSync(file);
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
  [value.entry, value.awsEndpoint].every(isOnThisMachine) &&
  [value.regions, value.clients].every((list) => Array.isArray(list) && list.every(isJsonObject)) &&
  (value.regions as readonly { readonly url?: unknown }[]).every(({ url }) => isOnThisMachine(url));

const isOnThisMachine = (url: unknown): boolean =>
  isBaseUrl(url) && ['127.0.0.1', '[::1]', 'localhost'].includes(new URL(url).hostname);
