/** Ends keys of the platform at once: what that costs, and who refuses them from then on. */
import type { RevokedKeys } from '../../lambda/contract/keys.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { invokeAdmin } from '../admin.ts';
import { CliError, EXIT } from '../io.ts';
import type { Target } from '../target.ts';
import { askKeys } from './ask.ts';

const COST: { readonly [P in Purpose]?: string } = {
  nonce: 'A nonce of the old keys is refused once, with one that is good; the SDK goes on by itself.',
  'client-root': 'Every API key derived from the keys is void at once; its client needs a new one.',
  token: 'Tokens are refused; clients fetch others. Consumers may keep the key for up to 5 minutes.',
};

/** @returns lines that say what a revocation costs */
export async function costOf(target: Target, purpose: Purpose): Promise<string[]> {
  const cost = COST[purpose] ?? 'Whatever was signed with the keys is refused.';
  if (purpose !== 'client-root') return [cost];
  const names = await clientsWithApiKeys(target).catch((error: unknown) => {
    if (error instanceof CliError) return undefined;
    throw error;
  });
  const who = names?.length === 0 ? 'no client has one' : (names?.join(', ') ?? 'they could not be listed');
  return [cost, `Clients with an API key: ${who}.`];
}

/** Generations are numbers; a public key of a client's own has its thumbprint. */
async function clientsWithApiKeys(target: Target): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await invokeAdmin(target, target.regions[0]!, 'clients.list', cursor ? { cursor } : {});
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
  /** Regions whose function could not be reached before. */
  readonly unreachable: readonly { readonly region: string; readonly error: string }[];
}

/**
 * Asks the home Region's function, or, where it cannot be reached, the next one's, which stands idle there and can tell
 * every Region. One that is not confirmed is then asked itself: a function in a VPC may reach its own Region alone.
 *
 * @throws CliError where none can be reached, or the function refuses
 */
export async function revokeKeys(
  target: Target,
  purpose: Purpose,
  onlyKids: readonly string[] | undefined,
): Promise<Revocation> {
  const unreachable: { region: string; error: string }[] = [];
  for (const asked of target.regions)
    try {
      const params = onlyKids ? { only_kids: [...onlyKids] } : {};
      const result = await askKeys(target, asked, purpose, 'keys.revoke', params);
      const regions = await Promise.all(
        result.regions.map(async ({ region, confirmed }) => ({
          region,
          confirmed: confirmed || (region !== asked && (await tell(target, region, purpose, result.revoked))),
        })),
      );
      return { ...result, regions, asked, unreachable };
    } catch (error) {
      if (!(error instanceof CliError) || error.exitCode !== EXIT.unreachable) throw error;
      unreachable.push({ region: asked, error: error.message });
    }
  throw new CliError(EXIT.unreachable, unreachable.map(({ error }) => error).join('; '));
}

/** @returns whether the Region's own function could tell its verifiers */
async function tell(
  target: Target,
  region: string,
  purpose: Purpose,
  kids: readonly string[],
): Promise<boolean> {
  try {
    const { regions } = await askKeys(target, region, purpose, 'keys.revoke', { only_kids: [...kids] });
    return regions.some((each) => each.region === region && each.confirmed);
  } catch (error) {
    if (error instanceof CliError) return false;
    throw error;
  }
}
