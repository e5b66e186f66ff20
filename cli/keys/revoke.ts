/** Ends keys of the platform at once: what that costs, and who refuses them from then on. */
import type { RevokedKeys } from '../../lambda/contract/keys.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { invokeAdmin } from '../admin.ts';
import { CliError, EXIT } from '../io.ts';
import type { Target } from '../target.ts';
import { askInTurn, askKeys, ifAnswered, type Unreachable } from './ask.ts';

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
  /** The Region whose function was asked. */
  readonly asked: string;
  readonly unreachable: readonly Unreachable[];
}

/**
 * Asks one function to tell every Region. One that is not confirmed is then asked itself: a function in a VPC may reach
 * its own Region alone.
 *
 * @throws CliError where none can be reached, or the function refuses
 */
export async function revokeKeys(
  target: Target,
  purpose: Purpose,
  onlyKids: readonly string[] | undefined,
): Promise<Revocation> {
  const { result, asked, unreachable } = await askInTurn(target, async (region) => {
    const params = onlyKids ? { only_kids: [...onlyKids] } : {};
    const answer = await askKeys(target, region, purpose, 'keys.revoke', params);
    // It could not read which keys there are: the next Region has a copy of its own.
    if (answer.keyset === null && answer.revoked.length === 0)
      throw new CliError(
        EXIT.unreachable,
        `${region} could not tell which keys there are: ${answer.failure}`,
      );
    return answer;
  });
  const { revoked, failure } = result;
  const told = new Set(confirmedBy(result));
  const regions = [...new Set([...result.regions.map(({ region }) => region), ...target.regions])];
  const own = await Promise.all(
    regions
      .filter((region) => region !== asked && !told.has(region))
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
    asked,
    unreachable,
  };
}

const confirmedBy = ({ regions }: RevokedKeys): string[] =>
  regions.flatMap(({ region, confirmed }) => (confirmed ? [region] : []));
