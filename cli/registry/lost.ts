/**
 * Regions that a copy leaves out, since they are lost for good. Nobody can stop their writes, so a copy looks
 * for each sign of life that can be seen from elsewhere.
 */
import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import type { ShownTables } from '../../lambda/contract/admin.ts';
import { PROBE_PREFIX } from '../../lambda/contract/names.ts';
import { BadAnswer, Refused } from '../admin.ts';
import { AwsRefusal } from '../aws-error.ts';
import { CliError, EXIT, usage } from '../io.ts';
import { durationText } from '../time.ts';
import { ask, type Place } from './tables.ts';

export interface LostRegion {
  readonly region: string;
  /** Why it counts as lost. */
  readonly error: string;
  /** When it last left its mark in the registry in use; null if that has none. */
  readonly marked_at: string | null;
}

export interface LostParts {
  shown(region: string): Promise<ShownTables>;
  /** The registry in use, in a Region that is there. */
  readonly registry: Omit<Place, 'kind'>;
  /** By the Regions' clocks. */
  readonly nowMs: number;
}

/** A Region that is healthy leaves its mark every few seconds, at each look of a health checker. */
const ALIVE_MS = 120_000;

/** @throws CliError where a Region may serve: its writes must be stopped like those of the others */
export async function lostRegions(
  regions: readonly string[],
  { shown, registry, nowMs }: LostParts,
): Promise<LostRegion[]> {
  const found: LostRegion[] = [];
  for (const region of regions) {
    const error = await whyLost(region, shown);
    const marked_at = await markedAt(region, registry);
    const agoMs = marked_at === null ? ALIVE_MS : Math.max(0, nowMs - Date.parse(marked_at));
    // Perhaps it is cut off from the operator alone.
    if (agoMs < ALIVE_MS)
      throw new CliError(
        EXIT.failed,
        `--without: ${region} gives no answer, but left its mark in the tables ${durationText(agoMs)} ago, so it may still ` +
          `register: run this again once that is ${durationText(ALIVE_MS)} ago; nothing was copied`,
      );
    found.push({ region, error, marked_at });
  }
  return found;
}

/** @returns whether none of them has left another mark since */
export async function areLostStill(
  lost: readonly LostRegion[],
  registry: LostParts['registry'],
): Promise<boolean> {
  const marks = await Promise.all(lost.map(({ region }) => markedAt(region, registry)));
  return lost.every(({ marked_at }, i) => marks[i] === marked_at);
}

/**
 * One that refuses is there; missing rights of the operator are no loss. So is one whose function for
 * operators fails: another may register. One without the function is not.
 */
export const isThere = (error: CliError): boolean =>
  error instanceof Refused ||
  error instanceof BadAnswer ||
  (error instanceof AwsRefusal && !error.isNotFound);

async function whyLost(region: string, shown: LostParts['shown']): Promise<string> {
  const answer = await shown(region).catch((error: unknown) => {
    if (error instanceof CliError && error.exitCode !== EXIT.interrupted) return error;
    throw error;
  });
  if (!(answer instanceof CliError))
    throw usage(`--without: ${region} answers: stop its writes, too, and leave out --without`);
  if (isThere(answer))
    throw new CliError(
      EXIT.failed,
      `--without: ${region} is there, and refuses or fails, so it may still register (${answer.message}); nothing was copied`,
    );
  return answer.message;
}

/** @returns when a Region last left its mark in a registry; null if that has none */
export async function markedAt(
  region: string,
  { dynamodb, ...place }: LostParts['registry'],
): Promise<string | null> {
  const Key = { pk: { S: `${PROBE_PREFIX}${region}` } };
  const get = new GetItemCommand({ TableName: place.table, Key, ConsistentRead: true });
  const { Item } = await ask(place, (options) => dynamodb.send(get, options));
  const ms = Item?.probed_at?.N;
  return ms === undefined ? null : new Date(Number(ms)).toISOString();
}
