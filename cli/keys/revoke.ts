/** Revokes keys of the platform: says what that costs, and which Regions refuse the keys from then on. */
import type { KeysetSummary, RevokedKeys } from '../../lambda/contract/keys.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { invokeAdmin, Refused } from '../admin.ts';
import { CliError, EXIT } from '../io.ts';
import type { Target } from '../target.ts';
import { askInTurn, askKeys, type FirstAnswer, ifAnswered, type Unreachable } from './ask.ts';
import { look } from './look.ts';

const COST: { readonly [P in Purpose]?: string } = {
  nonce: 'Nonces of the old keys are refused; the answer brings a good one, and the SDK retries by itself.',
  'client-root': 'Every API key derived from the keys stops working at once; its client needs a new one.',
  token: 'Tokens are refused; clients fetch new ones. Consumers may accept the key for up to 5 more minutes.',
};

/** @returns lines that say what a revocation costs */
export async function costOf(target: Target, purpose: Purpose): Promise<string[]> {
  const cost = COST[purpose] ?? 'Everything signed with the keys is refused.';
  if (purpose !== 'client-root') return [cost];
  const listed = await ifAnswered(askInTurn(target, (region) => clientsWithApiKeys(target, region)));
  const names = listed?.result;
  const clients = names?.length === 0 ? 'none' : (names?.join(', ') ?? 'unknown, the list could not be read');
  return [cost, `Clients with an API key: ${clients}.`];
}

/**
 * A `kid` that is a number is the generation of an API key; a client's own public key has its thumbprint. The summary does
 * not show which root an API key comes from, so clients of every root are listed.
 */
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
  /** The named kids that every Region refused already. */
  readonly revoked_before: readonly string[];
  /** The Region whose function answered. */
  readonly asked: string;
  readonly unreachable: readonly Unreachable[];
}

/**
 * Asks one function, which revokes the keys in every Region. Each Region that it could not confirm is then asked itself: a
 * function in a VPC may reach only its own Region. A home Region whose answer was lost is asked again too: it may have
 * created a new key.
 *
 * @throws CliError where no Region can be reached, or a named kid does not exist
 */
export async function revokeKeys(
  target: Target,
  purpose: Purpose,
  onlyKids: readonly string[] | undefined,
): Promise<Revocation> {
  const before = await ifAnswered(look(target, purpose));
  if (before) requireKnown(before.result, onlyKids);
  // The Region that answered before is asked first: one that did not would cost its timeout again.
  const turns = [...new Set([...(before ? [before.asked] : []), ...target.regions])];
  const { result, asked, unreachable } = await askForAll(target, turns, purpose, onlyKids, before?.result);

  const { revoked, failure } = result;
  const confirmedFirst = new Set(confirmedBy(result));
  const regions = [...new Set([...result.regions.map(({ region }) => region), ...target.regions])];
  const again = regions.filter(
    (region) => !confirmedFirst.has(region) || (result.keyset === null && region === target.regions[0]),
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
 * Asks one Region after the other until one can read the keys. The first is asked to revoke all keys. If its answer is
 * lost, it may have created a new key already; so the next Regions are asked to revoke only the kids from before.
 */
async function askForAll(
  target: Target,
  turns: readonly string[],
  purpose: Purpose,
  onlyKids: readonly string[] | undefined,
  before: KeysetSummary | undefined,
): Promise<FirstAnswer<RevokedKeys>> {
  let kids = onlyKids ?? [];
  let blind: FirstAnswer<RevokedKeys> | undefined;
  try {
    return await askInTurn({ regions: turns }, async (region) => {
      const params = kids.length > 0 ? { only_kids: [...kids] } : {};
      kids = onlyKids ?? before?.known_kids ?? [];
      const result = await askKeys(target, region, purpose, 'keys.revoke', params).catch(passOver);
      if (result.keyset !== null || result.revoked.length > 0) return result;
      blind ??= { result, asked: region, unreachable: [] };
      throw new CliError(EXIT.unreachable, `${region} could not read the keys: ${result.failure}`);
    });
  } catch (error) {
    if (blind && error instanceof CliError && error.exitCode === EXIT.unreachable) return blind;
    throw error;
  }
}

/** Turns a refusal into "unreachable", so that the next Region is asked; but a refusal of the request itself stays one. */
function passOver(error: unknown): never {
  if (error instanceof Refused && !['not_found', 'malformed_request'].includes(error.code))
    throw new CliError(EXIT.unreachable, error.message);
  throw error;
}

/** Checks the named kids here, where every Region was asked: a single function may not see every Region's keys. */
function requireKnown({ keys, known_kids, regions }: KeysetSummary, onlyKids: readonly string[] = []): void {
  const unknown = onlyKids.filter((kid) => !known_kids.includes(kid));
  // If a Region cannot be read, or the keyset is empty, the kid may exist all the same: trust the operator.
  const sound = keys.length > 0 && regions.every(({ kids }) => kids !== null);
  if (unknown.length > 0 && sound)
    throw new CliError(EXIT.failed, `the keyset has no key ${unknown.join(', ')} (not_found)`);
}

const isRefused = ({ regions }: KeysetSummary, kid: string): boolean =>
  regions.every(({ revoked }) => revoked?.includes(kid));

const confirmedBy = ({ regions }: RevokedKeys): string[] =>
  regions.flatMap(({ region, confirmed }) => (confirmed ? [region] : []));
