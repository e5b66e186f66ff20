/** What the platform itself says: its document, its clock, a nonce of each Region, and whether it knows the key. */
import { CountersignClient, CountersignError, NotFoundError } from '@countersign/sdk';
import { type Finding, fail, ok, warn } from './finding.ts';

export interface Access {
  readonly url: string;
  readonly apiKey: string;
}

interface Region {
  readonly name: string;
  readonly url: string;
}

const TIMEOUT_MS = 10_000;
/** The platform's leeway on every time in a proof. */
const LEEWAY_S = 60;
const NOTICEABLE_S = 5;
/** No registration has this id, so a proof for reading it is looked at in full and changes nothing. */
const NOBODY = 'A'.repeat(43);

/** @returns the Regions; undefined where none is known */
export async function* checkDiscovery(
  url: string,
  nowMs: () => number,
): AsyncGenerator<Finding, readonly Region[] | undefined, void> {
  const of = `${url}/.well-known/countersign`;
  const asked = await get(of);
  if ('error' in asked) {
    yield fail('discovery', of, asked.error, 'see above; else look at the status of the platform');
    return undefined;
  }
  const { answer, json } = asked;
  const { issuer, regions } = (json ?? {}) as { issuer?: unknown; regions?: unknown };
  if (answer.status !== 200 || typeof issuer !== 'string' || !Array.isArray(regions)) {
    const mend = 'the URL must be the base URL alone, without /v1, and nothing in between may answer for it';
    yield fail('discovery', of, `answers ${answer.status}, and is not Countersign's`, mend);
    return undefined;
  }
  yield ok('discovery', of, `issuer ${issuer}; Regions ${regions.map(({ name }) => name).join(', ')}`);
  yield checkClock(url, answer.headers.get('Date'), nowMs());
  return regions as Region[];
}

function checkClock(url: string, date: string | null, nowMs: number): Finding {
  const offsetS = Math.round((Date.parse(date ?? '') - nowMs) / 1000);
  const mend = "set this machine's clock by a time server (NTP)";
  if (Number.isNaN(offsetS))
    return warn('clock', url, 'the answer has no Date', 'let nothing in between remove the Date header');
  const detail = `this machine is ${Math.abs(offsetS)} s ${offsetS > 0 ? 'behind' : 'ahead'}`;
  if (Math.abs(offsetS) > LEEWAY_S)
    return fail('clock', url, `${detail}; proofs made by this clock are refused`, mend);
  return Math.abs(offsetS) > NOTICEABLE_S ? warn('clock', url, detail, mend) : ok('clock', url, detail);
}

export async function* checkNonces(
  regions: readonly Region[],
  clientId: string,
): AsyncGenerator<Finding, void, void> {
  for (const { name, url } of regions) {
    const asked = await get(`${url}/v1/nonce?client_id=${clientId}`);
    if ('error' in asked)
      yield fail('nonce', name, asked.error, `is ${url} reachable? other Regions go on serving`);
    else if (asked.answer.status === 200) yield ok('nonce', name, `${url} hands out nonces`);
    else {
      const { code = 'unknown', detail = '' } = (asked.json ?? {}) as { code?: string; detail?: string };
      yield fail(
        'nonce',
        name,
        `${asked.answer.status} ${code}: ${detail}`,
        'tell the operator of the platform',
      );
    }
  }
}

/** Signs a proof for reading: it uses up no nonce, and registers nobody. */
export async function checkProof({ url, apiKey }: Access): Promise<Finding> {
  let expires: string | null = null;
  const listening: typeof fetch = async (...request) => {
    const answer = await fetch(...request);
    expires = answer.headers.get('Countersign-Key-Expires') ?? expires;
    return answer;
  };
  await using client = new CountersignClient({ url, apiKey, maxRetries: 1, fetch: listening });
  const of = url;
  try {
    await client.get(NOBODY);
  } catch (error) {
    if (error instanceof NotFoundError)
      return expires === null
        ? ok('proof', of, 'the key is known, and good')
        : warn('proof', of, `the key is good until ${expires}`, 'ask the operator for the next one');
    if (!(error instanceof CountersignError)) throw error;
    return fail('proof', of, error.message, MENDS[error.code] ?? `see docs/errors/${error.code}.md`);
  }
  return ok('proof', of, 'the key is known, and good');
}

const MENDS: Readonly<Record<string, string>> = {
  invalid_proof: 'is it the key of this platform and stage, whole, and its client not deleted?',
  key_expired: 'the key has ended or was revoked: ask the operator for another (clients rotate-key)',
  client_disabled: 'an operator disabled this client: ask why',
  clock_skew: "set this machine's clock by a time server (NTP)",
};

type Asked = { readonly answer: Response; readonly json: unknown } | { readonly error: string };

async function get(url: string): Promise<Asked> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'manual' });
    const text = await answer.text();
    return { answer, json: parse(text) };
  } catch (error) {
    const { name, cause } = error as Error & { cause?: NodeJS.ErrnoException };
    return { error: `no answer (${cause?.code ?? name})` };
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
