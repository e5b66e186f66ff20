/**
 * Checks the platform's answers: its discovery document, its clock, each Region's health and a nonce from it,
 * and a proof by the key.
 */
import { CountersignError, NotFoundError } from '@countersign/sdk';
import { isBaseUrl, isWithin } from '../../protocol/base-url.ts';
import { isJsonObject } from '../../protocol/json.ts';
import { LEEWAY_S } from '../../protocol/proof/claims.ts';
import { BASE_URL, fixOf, foreignRegionsFix } from '../fixes.ts';
import { getJson } from '../get-json.ts';
import { readHealth } from '../health.ts';
import { type Access, connect } from '../register/access.ts';
import { type CheckResult, failed, passed, skipped, warned } from './check-result.ts';

interface Region {
  readonly name: string;
  readonly url: string;
}

const NOTICEABLE_S = 5;
/** No registration has this id: the platform checks a proof for reading it in full, and nothing changes. */
const NOBODY = 'A'.repeat(43);

/** @returns the Regions; undefined where the document cannot be read */
export async function* checkDiscovery(
  { url, regions: trusted }: Access,
  nowMs: () => number,
): AsyncGenerator<CheckResult, readonly Region[] | undefined, void> {
  const of = `${url}/.well-known/countersign`;
  const fetched = await getJson(of);
  if ('error' in fetched) {
    yield failed(
      'discovery',
      of,
      fetched.error,
      'fix the failed checks above first; else check that the platform is up',
    );
    return undefined;
  }
  const { answer, json } = fetched;
  const { issuer, regions } = isJsonObject(json) ? json : {};
  if (answer.status !== 200 || typeof issuer !== 'string' || !areRegions(regions)) {
    yield failed(
      'discovery',
      of,
      `answers ${answer.status}, without the discovery document of Countersign`,
      BASE_URL,
    );
    return undefined;
  }
  const isUsed = (region: Region) => isWithin(url, region.url) || trusted.includes(region.url);
  const used = regions.filter(isUsed);
  const others = regions.filter((region) => !isUsed(region));
  const foreign = others.map((region) => region.url);
  if (foreign.length > 0)
    yield (used.length > 0 ? warned : failed)(
      'discovery',
      of,
      `names Regions on other hosts, which no client uses unasked: ${foreign.join(', ')}`,
      foreignRegionsFix(foreign),
    );
  if (used.length > 0)
    yield passed('discovery', of, `issuer ${issuer}; Regions ${used.map(({ name }) => name).join(', ')}`);
  yield checkClock(url, answer.headers.get('Date'), nowMs());
  for (const check of ['health', 'nonce'] as const)
    for (const { name } of others) yield skipped(check, name, 'because its URL is on another host');
  return used.length > 0 ? used : undefined;
}

/** The largest number of Regions that a client accepts. */
const MOST_REGIONS = 32;

const areRegions = (value: unknown): value is readonly Region[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.length <= MOST_REGIONS &&
  value.every((each) => isJsonObject(each) && typeof each.name === 'string' && isBaseUrl(each.url));

function checkClock(url: string, date: string | null, nowMs: number): CheckResult {
  const offsetS = Math.round((Date.parse(date ?? '') - nowMs) / 1000);
  const fix = "set this machine's clock from a time server (NTP)";
  if (Number.isNaN(offsetS))
    return warned(
      'clock',
      url,
      'the answer has no Date header',
      'check that no proxy removes the Date header',
    );
  const detail = `this machine is ${Math.abs(offsetS)} s ${offsetS > 0 ? 'behind' : 'ahead'}`;
  if (Math.abs(offsetS) > LEEWAY_S)
    return failed('clock', url, `${detail}; the platform refuses proofs made by this clock`, fix);
  return Math.abs(offsetS) > NOTICEABLE_S ? warned('clock', url, detail, fix) : passed('clock', url, detail);
}

/** A Region may issue nonces, accept proofs for reading, and refuse every registration nevertheless. */
export async function* checkHealth(
  regions: readonly Region[],
  operatorFlags: string,
): AsyncGenerator<CheckResult, void, void> {
  for (const { name, url } of regions) {
    const of = `${url}/v1/health`;
    const fetched = await getJson(of);
    if ('error' in fetched) {
      yield failed(
        'health',
        name,
        fetched.error,
        `check that ${url} can be reached; other Regions still serve`,
      );
      continue;
    }
    const health = readHealth(fetched.answer.ok, fetched.json);
    if (!health) {
      yield failed(
        'health',
        name,
        `${of} answers ${fetched.answer.status}, without the Region's health`,
        BASE_URL,
      );
      continue;
    }
    const { healthy, failing, notes, writesStopped } = health;
    if (writesStopped)
      yield failed(
        'health',
        name,
        'an operator stopped registrations, deletions and changes of clients',
        `wait until the operator allows them again (countersign registry resume-writes${operatorFlags})`,
      );
    else if (notes.includes('evacuated'))
      yield failed(
        'health',
        name,
        'an operator took this Region out of service: it registers and deletes nothing',
        `use another Region's URL, or ask the operator to return it (countersign return ${name}${operatorFlags})`,
      );
    else if (failing.length > 0 || notes.includes('limits'))
      yield failed(
        'health',
        name,
        `fails: ${[...failing, ...notes].join(', ')}`,
        'use another Region, and report it to the operator of the platform',
      );
    else if (!healthy)
      yield warned(
        'health',
        name,
        `serves, but is out of DNS: ${notes.join(', ')}`,
        'wait: it comes back once it has been good for some minutes',
      );
    else yield passed('health', name, 'takes registrations');
  }
}

export async function* checkNonces(
  regions: readonly Region[],
  clientId: string,
): AsyncGenerator<CheckResult, void, void> {
  for (const { name, url } of regions) {
    const fetched = await getJson(`${url}/v1/nonce?client_id=${clientId}`);
    if ('error' in fetched)
      yield failed(
        'nonce',
        name,
        fetched.error,
        `check that ${url} can be reached; other Regions still serve`,
      );
    else if (isJsonObject(fetched.json) && typeof fetched.json.nonce === 'string')
      yield passed('nonce', name, `${url} issues nonces`);
    else {
      const { code = 'unknown', detail = 'no nonce' } = isJsonObject(fetched.json) ? fetched.json : {};
      yield failed(
        'nonce',
        name,
        `${fetched.answer.status} ${code}: ${detail}`,
        'report it to the operator of the platform',
      );
    }
  }
}

/**
 * Prepares the check of a proof for reading. The check uses up no nonce and registers nobody.
 *
 * @returns a function that runs the check
 * @throws CliError where URL or key cannot be used
 */
export function prepareProof(access: Access): () => Promise<CheckResult> {
  const { url, apiKey, regions } = access;
  let expires: string | null = null;
  const fetchAndNoteExpiry: typeof fetch = async (...request) => {
    const answer = await fetch(...request);
    expires = answer.headers.get('Countersign-Key-Expires') ?? expires;
    return answer;
  };
  const client = connect({ url, apiKey, regions, maxRetries: 1, fetch: fetchAndNoteExpiry });
  return async () => {
    try {
      await client.get(NOBODY);
    } catch (error) {
      if (!(error instanceof CountersignError)) throw error;
      if (!(error instanceof NotFoundError))
        return failed(
          'proof',
          url,
          error.message,
          fixOf(error, access) ?? 'see what the checks before found',
        );
    } finally {
      await client.close();
    }
    return expires === null
      ? passed('proof', url, 'the platform accepts the key')
      : warned(
          'proof',
          url,
          `the platform accepts the key until ${expires}`,
          'ask the operator for the next key',
        );
  };
}
