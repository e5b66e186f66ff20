/**
 * Reads and checks a rotation function's answer to keys-watch. Comparisons with an invalid time or window are
 * false, so a keyset that cannot be checked would otherwise count as healthy.
 */
import { isJsonObject } from '../../../protocol/json.ts';
import type { KeyState } from '../../../protocol/keyset.ts';
import type { AdminAnswer } from '../../contract/admin.ts';
import type { KeysetSummary } from '../../contract/keys.ts';

const STATES = ['next', 'current', 'previous', 'retired', 'revoked'] as const satisfies readonly KeyState[];

/** @throws SyntaxError where it has another form; the message names the member and quotes no value */
export function readAnswer(text: string): AdminAnswer<KeysetSummary> {
  const answer = parse(text);
  demand(isJsonObject(answer), 'answer');
  const { ok, result, problem } = answer as Record<string, unknown>;
  demand(typeof ok === 'boolean', 'ok');
  if (ok) requireSummary(result);
  else demand(isJsonObject(problem) && typeof problem.detail === 'string', 'problem');
  return answer as AdminAnswer<KeysetSummary>;
}

/** The members that the findings depend on. */
function requireSummary(result: unknown): void {
  demand(isJsonObject(result), 'result');
  const { seq, published_seq, pending, changed_at, keys, revoked, regions, windows } = result as Record<
    string,
    unknown
  >;
  demand(seq === null || Number.isFinite(seq), 'seq');
  demand(Number.isFinite(published_seq), 'published_seq');
  demand(pending === null || typeof pending === 'string', 'pending');
  demand(isTime(changed_at), 'changed_at');
  demand(
    isJsonObject(windows) && [windows.finish, windows.publish_to_sign].every(Number.isFinite),
    'windows',
  );
  demand(Array.isArray(keys) && keys.every(isKey), 'keys');
  demand(isKids(revoked), 'revoked');
  demand(Array.isArray(regions) && regions.length > 0 && regions.every(isRegion), 'regions');
}

const isKey = (key: unknown): boolean =>
  isJsonObject(key) &&
  typeof key.kid === 'string' &&
  STATES.includes(key.state as KeyState) &&
  isTime(key.activates_at);

const isRegion = (each: unknown): boolean =>
  isJsonObject(each) &&
  typeof each.region === 'string' &&
  [each.kids, each.revoked].every((kids) => kids === null || isKids(kids));

const isKids = (kids: unknown): boolean =>
  Array.isArray(kids) && kids.every((kid) => typeof kid === 'string');

const isTime = (text: unknown): boolean => typeof text === 'string' && !Number.isNaN(Date.parse(text));

function demand(holds: boolean, member: string): void {
  if (!holds) throw new SyntaxError(`keys.list: ${member} has another form`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new SyntaxError('keys.list: not JSON');
  }
}
