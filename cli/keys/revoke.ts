/** Ends keys of the platform at once: what that costs, and who refuses them from then on. */
import type { KeysetSummary, RevokedKeys } from '../../lambda/contract/keys.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { invokeAdmin, Refused } from '../admin.ts';
import { CliError, EXIT } from '../io.ts';
import type { Target } from '../target.ts';
import { type Asked, askAtOnce, askInTurn, askKeys, ifAnswered, type Unreachable } from './ask.ts';

const COST: { readonly [P in Purpose]?: string } = {
  nonce: 'A nonce of the old keys is refused once, with one that is good; the SDK goes on by itself.',
  'client-root': 'Every API key derived from the keys is void at once; its client needs a new one.',
  token: 'Tokens are refused; clients fetch others. Consumers may keep the key for up to 5 minutes.',
};

/**
 * @param signal ends the look at who is concerned, which must not hold up an emergency
 * @returns lines that say what a revocation costs
 */
export async function costOf(
  target: Target,
  purpose: Purpose,
  onlyKids: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<string[]> {
  const cost = COST[purpose] ?? 'Whatever was signed with the keys is refused.';
  if (purpose !== 'client-root') return [cost];
  const listed = await ifAnswered(
    askAtOnce(target, (region) => clientsWithApiKeys(target, region, onlyKids, signal)),
  );
  const names = listed?.result;
  const who = names?.length === 0 ? 'no client has one' : (names?.join(', ') ?? 'they could not be listed');
  return [cost, `Clients with an API key: ${who}.`];
}

/** Generations are numbers; a public key of a client's own has its thumbprint. What an older release tells names no root. */
async function clientsWithApiKeys(
  target: Target,
  region: string,
  onlyKids: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const params = { limit: 100, ...(cursor && { cursor }) };
    const page = await invokeAdmin(target, region, 'clients.list', params, signal);
    for (const { client_id, keys } of page.clients)
      if (
        keys.some(
          ({ kid, root_kid, revoked, expires_at }) =>
            /^\d+$/.test(kid) &&
            !revoked &&
            Date.parse(expires_at) > Date.now() &&
            (!onlyKids || !root_kid || onlyKids.includes(root_kid)),
        )
      )
        names.push(client_id);
    ({ cursor } = page);
  } while (cursor !== undefined);
  return names.sort();
}

export interface Revocation extends RevokedKeys {
  /** Those of `revoked` that every Region had refused before. */
  readonly revoked_before: readonly string[];
  /** The Region whose function was asked. */
  readonly asked: string;
  readonly unreachable: readonly Unreachable[];
}

export interface RevokeOptions {
  readonly onlyKids: readonly string[] | undefined;
  /** What there was before; undefined where no Region told. */
  readonly before: Asked<KeysetSummary> | undefined;
  /** How long one Region is waited for before the next one is asked as well. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

/**
 * Asks one function to tell every Region. One that is not confirmed is then asked itself: a function in a VPC may reach
 * its own Region alone. So is a home Region whose answer was lost, which may have made a new key.
 *
 * @throws CliError where none can be reached, or a kid is nowhere
 */
export async function revokeKeys(
  target: Target,
  purpose: Purpose,
  options: RevokeOptions,
): Promise<Revocation> {
  const { onlyKids, before, signal } = options;
  if (before) requireKnown(before.result, onlyKids);
  // Whoever answered is asked first: one that does not answer would take its time again.
  const turns = [...new Set([...(before ? [before.asked] : []), ...target.regions])];
  const calls = new Map<string, Promise<RevokedKeys>>();
  const { result, asked, unreachable } = await askForAll(target, turns, purpose, options, calls);

  const { failure } = result;
  const told = new Set(confirmedBy(result));
  const regions = [...new Set([...result.regions.map(({ region }) => region), ...target.regions])];
  const again = regions.filter(
    (region) => !told.has(region) || (result.keyset === null && region === target.regions[0]),
  );
  const only_kids = [...result.revoked];
  const askAgain = (region: string) => askKeys(target, region, purpose, 'keys.revoke', { only_kids }, signal);
  const own = await Promise.all(
    result.revoked.length === 0
      ? []
      : again
          .filter((region) => region !== asked)
          .map((region) => ifAnswered(calls.get(region) ?? askAgain(region))),
  );
  const answers = [result, ...own.filter((answer) => answer !== undefined)];
  const confirmed = new Set(answers.flatMap(confirmedBy));
  const keyset = answers.find((answer) => answer.keyset)?.keyset ?? null;
  const revoked = [...new Set(answers.flatMap((answer) => answer.revoked))];
  return {
    keyset,
    failure: keyset ? null : failure,
    revoked,
    regions: regions.map((region) => ({ region, confirmed: confirmed.has(region) })),
    unreadable: result.unreadable,
    revoked_before: revoked.filter((kid) => before && isRefused(before.result, kid)),
    asked,
    unreachable: [
      ...new Map(
        [...(before?.unreachable ?? []), ...unreachable].map((each) => [each.region, each]),
      ).values(),
    ],
  };
}

/**
 * One Region after the other, until one knows which keys there are. The first is asked to revoke all; its answer may be
 * lost, and a new key made by then, so the next ones are asked for the kids that there were before.
 *
 * @param open holds the calls that have no answer yet
 */
async function askForAll(
  target: Target,
  turns: readonly string[],
  purpose: Purpose,
  { onlyKids, before, patienceMs, signal }: RevokeOptions,
  open: Map<string, Promise<RevokedKeys>>,
): Promise<Asked<RevokedKeys>> {
  let kids = onlyKids ?? [];
  let blind: Asked<RevokedKeys> | undefined;
  try {
    const ask = async (region: string) => {
      const params = kids.length > 0 ? { only_kids: [...kids] } : {};
      kids = onlyKids ?? before?.result.known_kids ?? [];
      const call = askKeys(target, region, purpose, 'keys.revoke', params, signal);
      open.set(region, call);
      const result = await call.catch(passOver).finally(() => open.delete(region));
      if (result.keyset !== null || result.revoked.length > 0) return result;
      blind ??= { result, asked: region, unreachable: [] };
      throw new CliError(
        EXIT.unreachable,
        `${region} could not tell which keys there are: ${result.failure}`,
      );
    };
    return await askInTurn({ regions: turns }, ask, patienceMs);
  } catch (error) {
    if (blind && error instanceof CliError && error.exitCode === EXIT.unreachable) return blind;
    throw error;
  }
}

/** A function that is out of order is no reason to leave the others alone. */
function passOver(error: unknown): never {
  if (error instanceof Refused && !['not_found', 'malformed_request'].includes(error.code))
    throw new CliError(EXIT.unreachable, error.message);
  throw error;
}

/** A function that cannot read every Region takes a kid for what it is: here each Region was asked. */
function requireKnown({ keys, known_kids, regions }: KeysetSummary, onlyKids: readonly string[] = []): void {
  const unknown = onlyKids.filter((kid) => !known_kids.includes(kid));
  // Where not all can be read, or the keyset was emptied, the operator's word counts.
  const sound = keys.length > 0 && regions.every(({ kids }) => kids !== null);
  if (unknown.length > 0 && sound)
    throw new CliError(EXIT.failed, `the keyset has no key ${unknown.join(', ')} (not_found)`);
}

const isRefused = ({ regions }: KeysetSummary, kid: string): boolean =>
  regions.every(({ revoked }) => revoked?.includes(kid));

const confirmedBy = ({ regions }: RevokedKeys): string[] =>
  regions.flatMap(({ region, confirmed }) => (confirmed ? [region] : []));
