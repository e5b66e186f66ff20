/** Ends keys of the platform at once: what that costs, and who refuses them from then on. */
import type { KeysetSummary, RevokedKeys } from '../../lambda/contract/keys.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { invokeAdmin, Refused } from '../admin.ts';
import { CliError, EXIT } from '../io.ts';
import type { Target } from '../target.ts';
import { type Asked, askInTurn, askKeys, ifAnswered, type Unreachable } from './ask.ts';
import { look } from './look.ts';

const COST: { readonly [P in Purpose]?: string } = {
  nonce: 'A nonce of the old keys is refused once, with one that is good; the SDK goes on by itself.',
  'client-root': 'Every API key derived from the keys is void at once; its client needs a new one.',
  token: 'Tokens are refused; clients fetch others. Consumers may keep the key for up to 5 minutes.',
};

/** @returns lines that say what a revocation costs */
export async function costOf(target: Target, purpose: Purpose): Promise<string[]> {
  const cost = COST[purpose] ?? 'Whatever was signed with the keys is refused.';
  if (purpose !== 'client-root') return [cost];
  const listed = await ifAnswered(askInTurn(target, (region) => clientsWithApiKeys(target, region)));
  const names = listed?.result;
  const who = names?.length === 0 ? 'no client has one' : (names?.join(', ') ?? 'they could not be listed');
  return [cost, `Clients with an API key: ${who}.`];
}

/** Generations are numbers; a public key of a client's own has its thumbprint. Which root a generation is from does not show. */
async function clientsWithApiKeys(target: Target, region: string): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await invokeAdmin(target, region, 'clients.list', {
      limit: 100,
      ...(cursor && { cursor }),
    });
    for (const { client_id, keys } of page.clients)
      if (
        keys.some(
          ({ kid, revoked, expires_at }) =>
            /^\d+$/.test(kid) && !revoked && Date.parse(expires_at) > Date.now(),
        )
      )
        names.push(client_id);
    ({ cursor } = page);
  } while (cursor !== undefined);
  return names.sort();
}

export interface Revocation extends RevokedKeys {
  /** Those of the named kids that every Region had refused before. */
  readonly revoked_before: readonly string[];
  /** The Region whose function was asked. */
  readonly asked: string;
  readonly unreachable: readonly Unreachable[];
}

/**
 * Asks one function to tell every Region. One that is not confirmed is then asked itself: a function in a VPC may reach
 * its own Region alone. So is a home Region whose answer was lost, which may have made a new key.
 *
 * @throws CliError where none can be reached
 */
export async function revokeKeys(
  target: Target,
  purpose: Purpose,
  onlyKids: readonly string[] | undefined,
): Promise<Revocation> {
  const before = await ifAnswered(look(target, purpose));
  // Whoever answered is asked first: one that does not answer would take its time again.
  const turns = [...new Set([...(before ? [before.asked] : []), ...target.regions])];
  const { result, asked, unreachable } = await askForAll(target, turns, purpose, onlyKids, before?.result);

  const { revoked, failure } = result;
  const told = new Set(confirmedBy(result));
  const regions = [...new Set([...result.regions.map(({ region }) => region), ...target.regions])];
  const again = regions.filter(
    (region) => !told.has(region) || (result.keyset === null && region === target.regions[0]),
  );
  const own = await Promise.all(
    revoked.length === 0
      ? []
      : again
          .filter((region) => region !== asked)
          .map((region) =>
            ifAnswered(askKeys(target, region, purpose, 'keys.revoke', { only_kids: [...revoked] })),
          ),
  );
  const answers = [result, ...own.filter((answer) => answer !== undefined)];
  const confirmed = new Set(answers.flatMap(confirmedBy));
  const keyset = answers.find((answer) => answer.keyset)?.keyset ?? null;
  return {
    keyset,
    failure: keyset ? null : failure,
    revoked,
    regions: regions.map((region) => ({ region, confirmed: confirmed.has(region) })),
    unreadable: result.unreadable,
    // A function that cannot read every Region takes a kid for what it is: here each Region was asked.
    unknown_kids: (result.unknown_kids ?? []).filter((kid) => !before?.result.known_kids.includes(kid)),
    revoked_before: (onlyKids ?? []).filter((kid) => before && isRefused(before.result, kid)),
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
 */
async function askForAll(
  target: Target,
  turns: readonly string[],
  purpose: Purpose,
  onlyKids: readonly string[] | undefined,
  before: KeysetSummary | undefined,
): Promise<Asked<RevokedKeys>> {
  let kids = onlyKids ?? [];
  let blind: Asked<RevokedKeys> | undefined;
  try {
    return await askInTurn({ regions: turns }, async (region) => {
      const params = kids.length > 0 ? { only_kids: [...kids] } : {};
      kids = onlyKids ?? before?.known_kids ?? [];
      const result = await askKeys(target, region, purpose, 'keys.revoke', params).catch(passOver);
      if (result.keyset !== null || result.revoked.length > 0) return result;
      blind ??= { result, asked: region, unreachable: [] };
      throw new CliError(
        EXIT.unreachable,
        `${region} could not tell which keys there are: ${result.failure}`,
      );
    });
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

const isRefused = ({ regions }: KeysetSummary, kid: string): boolean =>
  regions.every(({ revoked }) => revoked?.includes(kid));

const confirmedBy = ({ regions }: RevokedKeys): string[] =>
  regions.flatMap(({ region, confirmed }) => (confirmed ? [region] : []));
