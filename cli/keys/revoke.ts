/** Revokes keys of the platform: says what that costs, and which Regions refuse the keys from then on. */
import type { KeysetSummary, RevokedKeys } from '../../lambda/contract/keys.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { invokeAdmin, listClients, type Refused } from '../admin.ts';
import { askAtOnce, askInTurn, type FirstAnswer, reasonOf, type Unreachable } from '../ask.ts';
import { NotBegun } from '../aws-error.ts';
import { CliError, EXIT } from '../io.ts';
import type { Target } from '../target.ts';
import { askKeys, ifAnswered } from './ask.ts';
import { keyHomeOf } from './look.ts';

const COST: { readonly [P in Purpose]?: string } = {
  nonce: 'Nonces of the old keys are refused; the answer brings a good one, and the SDK retries by itself.',
  'client-root': 'Every API key derived from the keys stops working at once; its client needs a new one.',
  webhook:
    'Callbacks that the keys signed are refused; those sent from now on have a new signature. Consumers may accept the key for up to 5 more minutes.',
  'webhook-root':
    'Callbacks lose the signature by the secret of their endpoint (v1) until the endpoint has a new one; the signature by public key (v1a) stays.',
  token: 'Tokens are refused; clients fetch new ones. Consumers may accept the key for up to 5 more minutes.',
};

/**
 * @param signal ends the look-up of the affected clients, which must not delay an emergency
 * @returns lines that say what a revocation costs
 */
export async function costOf(
  target: Target,
  purpose: Purpose,
  onlyKids: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<string[]> {
  const cost = COST[purpose] ?? 'Everything signed with the keys is refused.';
  const affected = AFFECTED[purpose];
  if (!affected) return [cost];
  const listed = await ifAnswered(
    askAtOnce(target, (region) => affected.list(target, region, onlyKids, signal)),
  );
  const names = listed?.result;
  const all = names?.length === 0 ? 'none' : (names?.join(', ') ?? 'unknown, the list could not be read');
  return [cost, `${affected.who}: ${all}.`];
}

type ListAffected = (
  target: Target,
  region: string,
  onlyKids: readonly string[] | undefined,
  signal: AbortSignal,
) => Promise<string[]>;

/**
 * A `kid` that is a number is the generation of an API key; a client's own public key has its thumbprint. An
 * older release's summary does not show which root an API key comes from; then clients of every root are
 * listed.
 */
async function clientsWithApiKeys(
  target: Target,
  region: string,
  onlyKids: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<string[]> {
  const names: string[] = [];
  for await (const { client_id, keys } of listClients(target, region, signal))
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
  return names.sort();
}

const endpointsWithSecrets: ListAffected = async (target, region, onlyKids, signal) => {
  const { endpoints } = await invokeAdmin(target, region, 'webhooks.list', {}, signal);
  return endpoints
    .filter(
      ({ root_kid, secret_ends_at }) =>
        secret_ends_at !== 'ended' && (!onlyKids || onlyKids.includes(root_kid)),
    )
    .map(({ id, url }) => `${id} (${url})`);
};

/** Whom keys that others are derived from belong to. */
const AFFECTED: { readonly [P in Purpose]?: { readonly who: string; readonly list: ListAffected } } = {
  'client-root': { who: 'Clients with an API key', list: clientsWithApiKeys },
  'webhook-root': {
    who: 'Endpoints that need another secret (webhooks update --new-secret)',
    list: endpointsWithSecrets,
  },
};

export interface RevocationReport extends RevokedKeys {
  /** The kids of `revoked` that every Region already refused. */
  readonly revoked_before: readonly string[];
  /** The Region whose function answered. */
  readonly asked: string;
  readonly unreachable: readonly Unreachable[];
}

export interface RevocationOrder {
  readonly onlyKids: readonly string[] | undefined;
  /** The keyset before the revocation; undefined where no Region answered. */
  readonly before: FirstAnswer<KeysetSummary> | undefined;
  /** After this time without an answer, the next Region is asked as well. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  /** Takes a line of progress: the Regions that have confirmed, while others keep the command waiting. */
  report(text: string): void;
}

/**
 * Asks one function, which revokes the keys in every Region. Each Region that it could not confirm is then
 * asked itself: a function in a VPC may reach only its own Region. A key home whose answer was lost is
 * asked again too: it may have created a new key.
 *
 * @returns what is known as soon as `signal` ends the wait for the other Regions
 * @throws CliError where no Region can be reached
 */
export async function revokeKeys(
  target: Target,
  purpose: Purpose,
  options: RevocationOrder,
): Promise<RevocationReport> {
  const { before, patienceMs, signal, report } = options;
  // The Region that answered before is asked first: one that did not would cost its timeout again.
  const turns = [...new Set([...(before ? [before.asked] : []), ...target.regions])];
  const calls = new Map<string, Promise<RevokedKeys>>();
  const { result, asked, unreachable } = await askForAll(target, turns, purpose, options, calls);

  const keyHome = (before && keyHomeOf(before.result)) ?? target.regions[0];
  const confirmedFirst = new Set(confirmedBy(result));
  const regions = [...new Set([...result.regions.map(({ region }) => region), ...target.regions])];
  const again = regions.filter(
    (region) => !confirmedFirst.has(region) || (result.keyset === null && region === keyHome),
  );
  const only_kids = [...result.revoked];
  const askAgain = (region: string) => askKeys(target, region, purpose, 'keys.revoke', { only_kids }, signal);
  const others = result.revoked.length === 0 ? [] : again.filter((region) => region !== asked);
  const errors = new Map(unreachable.map(({ region, error }) => [region, error]));
  const answerOf = async (region: string): Promise<[string, RevokedKeys] | undefined> => {
    try {
      return [region, await (calls.get(region) ?? askAgain(region))];
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      const reason = reasonOf(region, error);
      if (errors.get(region) !== reason) report(`error: ${reason}`);
      errors.set(region, reason);
      return undefined;
    }
  };
  const own = Promise.all(others.map(answerOf));
  const progress = setTimeout(() => {
    const confirmed = [...confirmedFirst].join(', ') || 'no Region yet';
    report(
      `${purpose}: refused within 10 s by: ${confirmed}; waiting for the answer of ${others.join(', ')}`,
    );
  }, patienceMs / 5);
  const answersOfOthers = (await own.finally(() => clearTimeout(progress))).flatMap((each) =>
    each ? [each] : [],
  );
  const answers = new Map<string, RevokedKeys>([[asked, result], ...answersOfOthers]);
  const all = [...answers.values()];
  const keyset = all.find((answer) => answer.keyset)?.keyset ?? null;
  const revoked = [...new Set(all.flatMap((answer) => answer.revoked))];
  return {
    keyset,
    // Any other Region can only say that it cannot write.
    failure: keyset ? null : (answers.get(keyHome!)?.failure ?? errors.get(keyHome!) ?? result.failure),
    revoked,
    regions: regions.map((region) => ({ region, confirmed: refusesAll(region, all, revoked) })),
    unreadable: result.unreadable,
    // A single function may not see every Region's keys: here every Region was asked.
    unknown_kids: (result.unknown_kids ?? []).filter((kid) => !before?.result.known_kids.includes(kid)),
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
 * Asks one Region after the other until one can read the keys. The first is asked to revoke all keys. If its
 * answer is late or lost, it may have created a new key already; so the next Regions are asked to revoke only
 * the kids from before, or nothing where nobody knows those.
 *
 * @param open takes the calls that have no answer yet
 */
async function askForAll(
  target: Target,
  turns: readonly string[],
  purpose: Purpose,
  { onlyKids, before, patienceMs, signal }: RevocationOrder,
  open: Map<string, Promise<RevokedKeys>>,
): Promise<FirstAnswer<RevokedKeys>> {
  const kids = onlyKids ?? before?.result.known_kids ?? [];
  /** Calls that may have revoked keys, or may yet. */
  const begun = new Set<string>();
  let blind: FirstAnswer<RevokedKeys> | undefined;
  try {
    const ask = async (region: string) => {
      if (begun.size > 0 && kids.length === 0)
        throw new CliError(
          EXIT.unreachable,
          `${region} was not asked: nobody knows which keys there were before the call of ${[...begun].join(', ')}, which may have made a new one`,
        );
      const params = onlyKids || begun.size > 0 ? { only_kids: [...kids] } : {};
      begun.add(region);
      const call = askKeys(target, region, purpose, 'keys.revoke', params, signal);
      open.set(region, call);
      try {
        const result = await call;
        if (result.keyset !== null || result.revoked.length > 0) return result;
        begun.delete(region);
        blind ??= { result, asked: region, unreachable: [] };
        throw new CliError(EXIT.unreachable, `${region} could not read the keys: ${result.failure}`);
      } catch (error) {
        if (error instanceof NotBegun) begun.delete(region);
        throw error;
      } finally {
        open.delete(region);
      }
    };
    return await askInTurn({ regions: turns }, ask, {
      patienceMs,
      passesOver: passesOver(onlyKids),
    });
  } catch (error) {
    if (blind && begun.size === 0 && error instanceof CliError && error.exitCode === EXIT.unreachable)
      return blind;
    throw error;
  }
}

/**
 * Whether another Region may do what this one refused. A refusal of what the operator asked for stays one.
 */
const passesOver =
  (onlyKids: readonly string[] | undefined) =>
  ({ code }: Refused): boolean =>
    code !== 'not_found' && !(onlyKids && code === 'malformed_request');

/** @returns the named kids, or all from before the revocation that a Region may still accept */
export const kidsToRefuse = ({
  onlyKids,
  before,
}: Pick<RevocationOrder, 'onlyKids' | 'before'>): readonly string[] =>
  onlyKids ?? before?.result.known_kids.filter((kid) => !isRefused(before.result, kid)) ?? [];

const isRefused = ({ regions }: KeysetSummary, kid: string): boolean =>
  regions.every(({ revoked }) => revoked?.includes(kid));

const confirmedBy = ({ regions }: RevokedKeys): string[] =>
  regions.flatMap(({ region, confirmed }) => (confirmed ? [region] : []));

/** Whether the Region confirmed all kids: one function may have asked it to refuse fewer than another one. */
function refusesAll(region: string, answers: readonly RevokedKeys[], kids: readonly string[]): boolean {
  const own = answers.filter((answer) => confirmedBy(answer).includes(region));
  const refused = new Set(own.flatMap(({ revoked }) => revoked));
  return own.length > 0 && kids.every((kid) => refused.has(kid));
}
