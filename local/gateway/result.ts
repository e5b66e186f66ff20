/**
 * Turns a function's result into the answer ("Output format of a Lambda function for proxy integration" and
 * "Important notes for REST APIs" in AWS's developer guide).
 */

export interface GatewayAnswer {
  readonly status: number;
  /** In order; a name may come more than once. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
}

/** Headers that REST APIs rename in the answer: they get the prefix `x-amzn-Remapped-`. */
const REMAPPED = new Set([
  'authorization',
  'connection',
  'content-md5',
  'date',
  'expect',
  'max-forwards',
  'server',
  'user-agent',
  'www-authenticate',
]);
/** Headers that the gateway sets itself or removes. */
const DROPPED = new Set([
  'content-length',
  'host',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** @returns undefined where API Gateway does not accept the form of the result, and answers 502 */
export function readResult(result: unknown): GatewayAnswer | undefined {
  if (!isObject(result)) return undefined;
  const { statusCode, headers, multiValueHeaders, body = '', isBase64Encoded = false } = result;
  const status = Number(statusCode);
  if (!Number.isInteger(status) || status < 200 || status > 599) return undefined;
  if (typeof body !== 'string' && body !== null) return undefined;
  const merged = mergeHeaders(headers ?? {}, multiValueHeaders ?? {});
  if (!merged) return undefined;
  const sent = merged.flatMap(([name, value]): [string, string][] => {
    const known = name.toLowerCase();
    if (DROPPED.has(known)) return [];
    return [[REMAPPED.has(known) ? `x-amzn-Remapped-${name}` : name, value]];
  });
  if (!sent.some(([name]) => name.toLowerCase() === 'content-type'))
    sent.push(['Content-Type', 'application/json']);
  return {
    status,
    headers: sent,
    body: Buffer.from(body ?? '', isBase64Encoded ? 'base64' : 'utf8'),
  };
}

/** Merges single and multi-value headers. A pair that is in both counts once. */
function mergeHeaders(single: unknown, multi: unknown): [string, string][] | undefined {
  if (!isObject(single) || !isObject(multi)) return undefined;
  const lists = Object.entries(multi);
  if (!lists.every(([, values]) => Array.isArray(values) && values.every(isScalar))) return undefined;
  if (!Object.values(single).every(isScalar)) return undefined;
  const many = lists.flatMap(([name, values]) => (values as unknown[]).map((value) => pair(name, value)));
  const ones = Object.entries(single).map(([name, value]) => pair(name, value));
  const repeated = ([name, value]: [string, string]) =>
    many.some(([other, same]) => other.toLowerCase() === name.toLowerCase() && same === value);
  return [...ones.filter((one) => !repeated(one)), ...many];
}

const pair = (name: string, value: unknown): [string, string] => [name, String(value)];

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isScalar = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value);
