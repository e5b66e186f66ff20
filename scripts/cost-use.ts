/** The cost of use: each amount is a quantity times a unit price, and the document shows both. */
import { readConfig } from '../lib/config/read.ts';
import { PRICE } from './prices.ts';
import { production } from './reference.ts';

const MILLION = 1e6;
const BILLION = 1e9;
/** Of a registration in the registry. */
const REGISTRATION_BYTES = 600;
const DAY_S = 24 * 3600;
const MONTH_S = 30 * DAY_S;

/** Log bytes for each request, including Lambda's own lines. */
const FUNCTION_LOG = 850;
const ACCESS_LOG = 400;

const { throttles, waf, healthChecks } = readConfig(production('prod'));

interface Row {
  readonly what: string;
  readonly quantity: string;
  readonly price: string;
  /** USD, one for each column; undefined where the column does not have this cost. */
  readonly usd: readonly (number | undefined)[];
}

/** A kind of request that a function answers. */
interface Request {
  readonly count: number;
  readonly durationMs: number;
  /** Bytes of the answer. */
  readonly answer: number;
}

/** @param isProd for each column, whether its stage has a firewall and an access log */
function answered({ count, durationMs, answer }: Request, isProd: readonly boolean[]): Row[] {
  const all = (usd: number) => isProd.map(() => usd);
  const prod = (usd: number) => isProd.map((has) => (has ? usd : undefined));
  const gbS = (count * durationMs) / 1000;
  const gb = (bytes: number) => (count * bytes) / 1e9;
  const requests = `${number(count)} requests`;
  return [
    {
      what: 'API Gateway REST',
      quantity: requests,
      price: '3.50 a million',
      usd: all(count * PRICE.apiRequest),
    },
    {
      what: 'Lambda, requests',
      quantity: requests,
      price: '0.20 a million',
      usd: all(count * PRICE.lambdaRequest),
    },
    {
      what: 'Lambda, arm64, 1 GB',
      quantity: `${durationMs} ms each: ${number(gbS)} GB-s`,
      price: '0.0000133334 a GB-s',
      usd: all(gbS * PRICE.gbSecond),
    },
    {
      what: `function's log, ${FUNCTION_LOG} bytes with Lambda's own lines`,
      quantity: `${number(gb(FUNCTION_LOG))} GB`,
      price: '0.50 a GB',
      usd: all(gb(FUNCTION_LOG) * PRICE.logGb),
    },
    {
      what: `access log (\`prod\`), ${ACCESS_LOG} bytes`,
      quantity: `${number(gb(ACCESS_LOG))} GB`,
      price: '0.50 a GB',
      usd: prod(gb(ACCESS_LOG) * PRICE.logGb),
    },
    {
      what: 'WAF (`prod`)',
      quantity: requests,
      price: '0.60 a million',
      usd: prod(count * PRICE.wafRequest),
    },
    {
      what: `transfer out, ${answer / 1000} KB`,
      quantity: `${number(gb(answer))} GB`,
      price: '0.09 a GB',
      usd: all(gb(answer) * PRICE.transferGb),
    },
  ];
}

/** The cost of writes: each goes to every replica of the table. */
function writes(what: string, count: number, replicas: readonly number[]): Row {
  const each = [...new Set(replicas)].map((copies) => number(count * copies)).join(', ');
  return {
    what,
    quantity: `${each} write units`,
    price: '0.625 a million',
    usd: replicas.map((copies) => count * copies * PRICE.writeUnit),
  };
}

/**
 * The cost of health checks for each of two Regions. Each checker calls each endpoint once per interval, and
 * nearly every call finds the cached result expired.
 */
export function healthTraffic(): string {
  const checkers = 2 * healthChecks.checkerRegions.length;
  const everyS = healthChecks.interval.toSeconds();
  const count = (checkers * MONTH_S) / everyS;
  const rows = [
    ...answered({ count, durationMs: 10, answer: 1000 }, [true]),
    writes('probe of the ledger', count, [1]),
    writes('probe of the registry, in each Region', count, [2]),
    writes('record of health, four times a minute', (4 * MONTH_S) / 60, [1]),
    {
      what: 'reads of that record, of the evacuation flag and of the write stop',
      quantity: `${number(3 * count)} read units`,
      price: '0.125 a million',
      usd: [3 * count * PRICE.readUnit],
    },
    schedule(),
  ];
  const asked = `${checkers} checkers every ${everyS} seconds: ${number(count)} requests a month and Region`;
  return `${asked}.\n\n${table(['USD a month'], rows)}`;
}

/** The evacuation flag is looked at every minute; a rule of EventBridge costs nothing. */
function schedule(): Row {
  const calls = MONTH_S / 60;
  const lambda = PRICE.lambdaRequest + 0.02 * PRICE.gbSecond;
  const log = (FUNCTION_LOG / 1e9) * PRICE.logGb;
  return {
    what: 'function that looks at the evacuation flag, every minute, with its log and its read',
    quantity: `${number(calls)} calls, 20 ms each`,
    price: '1.02 a million',
    usd: [calls * (lambda + log + PRICE.readUnit)],
  };
}

/**
 * The cost of refreshing caches: while requests come, each instance reads again every minute, or every five
 * seconds.
 */
export function instances(): string {
  const reads = (keysets: number) => (keysets * MONTH_S) / 60;
  const kids = (keysets: number) => (keysets * MONTH_S) / 5;
  const row = (name: string, keysets: number, flags = 0) => {
    const secrets = reads(keysets) * PRICE.secretCall;
    const kms = reads(keysets) * PRICE.kmsCall;
    const items = kids(keysets + flags);
    const revoked = items * PRICE.readUnit;
    const cells = [
      name,
      number(reads(keysets)),
      usd(secrets),
      usd(kms),
      number(items),
      usd(revoked),
      usd(secrets + revoked),
      usd(secrets + kms + revoked),
    ];
    return `| ${cells.join(' | ')} |`;
  };
  return [
    '| instance of | reads of keysets | Secrets Manager, 0.05 for 10,000 | KMS (`prod`), 0.03 for 10,000 | reads of revoked kids, evacuation flag and write stop | DynamoDB, 0.125 a million | `dev` | `prod` |',
    '|---|---:|---:|---:|---:|---:|---:|---:|',
    row('`nonce`: one keyset', 1),
    row('`register`, `registration`: two keysets, flag and stop', 2, 2),
    row('`health`: two keysets', 2),
    row('`jwks`: one keyset', 1),
    '',
  ].join('\n');
}

export const millionRegistrations = (): string =>
  table(['`dev`', '`prod`, one Region', 'two', 'three'], registrations(MILLION));

/** The same for 10^9 in a month, with what a month of them costs to keep for another one. */
export function billionRegistrations(): string {
  const columns = ['`prod`, one Region', 'two', 'three'];
  const prod = registrations(BILLION).map((row) => ({ ...row, usd: row.usd.slice(1) }));
  const gb = (BILLION * REGISTRATION_BYTES) / 1e9;
  const kept: Row = {
    what: 'what they are stored for each further month, in each Region',
    quantity: `${number(gb)} GB`,
    price: '0.25 a GB',
    usd: [1, 2, 3].map((regions) => regions * gb * PRICE.storedGb),
  };
  const ofEvents = events(BILLION).map((row) => ({
    ...row,
    what: `${row.what}, in each Region`,
    usd: [1, 2, 3].map((regions) => regions * row.usd[0]!),
  }));
  return table(columns, [...prod, ...ofEvents, kept]);
}

const registrations = (count: number): Row[] => [
  ...answered({ count, durationMs: 30, answer: 1500 }, [false, true, true, true]),
  writes('ledger, one write of ≤ 1 KB', count, [1, 1, 1, 1]),
  writes('registry, one write of ≤ 1 KB in each Region', count, [1, 1, 2, 3]),
  writes('limits, one lease for many signatures', 0.05 * count, [1, 1, 1, 1]),
];

/** Bytes of an event's item, of which each event has two, and of the item that remembers it. */
const EVENT_BYTES = 400;
/** Changes of a batch, on average. Under load it has up to a hundred. */
const CHANGES = 10;
/** Callbacks under way at once, by one turn of an endpoint. */
const AT_ONCE = 25;
const CALLBACK_MS = 200;
const CALLBACK_BYTES = 700;

/** Calls of a function, with its log. */
function calls(what: string, count: number, durationMs: number, columns: number): Row {
  const gbS = (count * durationMs) / 1000;
  const each = PRICE.lambdaRequest + (FUNCTION_LOG / 1e9) * PRICE.logGb;
  const amount = count * each + gbS * PRICE.gbSecond;
  return {
    what: `${what}, with its log`,
    quantity: `${number(count)} calls, ${durationMs} ms each`,
    price: '0.63 a million, 0.0000133334 a GB-s',
    usd: Array.from({ length: columns }, () => amount),
  };
}

const units = (what: string, count: number, kind: 'read' | 'write', columns: number): Row => ({
  what,
  quantity: `${number(count)} ${kind} units`,
  price: kind === 'read' ? '0.125 a million' : '0.625 a million',
  usd: Array.from({ length: columns }, () => count * (kind === 'read' ? PRICE.readUnit : PRICE.writeUnit)),
});

const sqs = (what: string, count: number): Row => ({
  what,
  quantity: `${number(count)} requests`,
  price: '0.40 a million',
  usd: [count * PRICE.sqsRequest],
});

export const millionEvents = (): string => table(['each Region'], events(MILLION));

/** The cost of changes in each Region: an event is in its client's order and in that of all. */
function events(count: number): Row[] {
  const batches = count / CHANGES;
  const gb = (3 * count * EVENT_BYTES) / 1e9;
  return [
    calls(`outbox, ${CHANGES} changes a call`, batches, 100, 1),
    units('events: two orders and a mark', 3 * count, 'write', 1),
    units('their numbers, of two orders a call', 2 * batches, 'write', 1),
    {
      what: 'events stored for 30 days',
      quantity: `${number(gb)} GB`,
      price: '0.25 a GB',
      usd: [gb * PRICE.storedGb],
    },
  ];
}

/** The cost of their callbacks to one endpoint, in the Region that delivers. */
export function millionCallbacks(): string {
  const turns = MILLION / CHANGES;
  const sends = Math.max(turns, MILLION / AT_ONCE);
  const gb = (MILLION * CALLBACK_BYTES) / 1e9;
  return table(
    ['one endpoint'],
    [
      sqs('wake-ups, sent, received and deleted', 3 * turns),
      calls(
        `turns, ${AT_ONCE} callbacks at once at most, ${CALLBACK_MS} ms each`,
        turns,
        (sends / turns) * CALLBACK_MS,
        1,
      ),
      units(
        'reads of the endpoint, its retries, the stop, and the events, eight a unit',
        6 * turns + MILLION / 8,
        'read',
        1,
      ),
      writes('lease and place of the endpoint, in each of two Regions', 3 * turns, [2]),
      {
        what: `transfer out, ${CALLBACK_BYTES / 1000} KB`,
        quantity: `${number(gb)} GB`,
        price: '0.09 a GB',
        usd: [gb * PRICE.transferGb],
      },
    ],
  );
}

/** What events and callbacks cost in a Region while nothing happens. */
export function quietCallbacks(): string {
  const minutes = MONTH_S / 60;
  const polls = (5 * MONTH_S) / 20;
  return table(
    ['USD a month'],
    [
      sqs('looks at the empty queue of wake-ups: five at a time, for 20 s each', polls),
      calls('look for what is due, every minute', minutes, 30, 1),
      units('its reads', 3 * minutes, 'read', 1),
      calls('look for keys that end soon, every ten minutes', minutes / 10, 50, 1),
    ],
  );
}

export function millionNonces(): string {
  return table(
    ['`dev`', '`prod`'],
    answered({ count: MILLION, durationMs: 10, answer: 1000 }, [false, true]),
  );
}

/** The cost of a flood: at the method's throttle, and for each 1,000 requests per second above it. */
export function flood(): string {
  const perSecond = throttles.nonce.perSecond;
  const served = perSecond * DAY_S;
  const perAddress = waf.requestsPerIp / 300;
  const total = (rows: readonly Row[], column: number) =>
    rows.reduce((sum, row) => sum + (row.usd[column] ?? 0), 0);
  const answeredRows = answered({ count: served, durationMs: 10, answer: 1000 }, [false, true]);
  const refused = 1000 * DAY_S;
  const refusedGb = (bytes: number) => (refused * bytes) / 1e9;
  const inspected = refused * PRICE.wafRequest + refusedGb(ACCESS_LOG) * PRICE.logGb;
  const transfer = refusedGb(500) * PRICE.transferGb;
  return [
    `A flood of a \`prod\` stage needs at least ${number(perSecond / perAddress)} addresses: WAF lets through ${number(perAddress)} requests a second from each.\n`,
    '| a day | requests | `dev` | `prod` |',
    '|---|---:|---:|---:|',
    `| answered: the throttle's ${number(perSecond)} a second, at the price of a nonce above | ${number(served)} | ${usd(total(answeredRows, 0))} | ${usd(total(answeredRows, 1))} |`,
    `| refused: each further 1,000 a second, for WAF, access log and a refusal of 0.5 KB | ${number(refused)} | ${usd(transfer)} | ${usd(inspected + transfer)} |`,
    '',
  ].join('\n');
}

function table(columns: readonly string[], rows: readonly Row[]): string {
  const sums = columns.map((_, i) => rows.reduce((sum, row) => sum + (row.usd[i] ?? 0), 0));
  const cells = (row: Row) => row.usd.map((amount) => (amount === undefined ? '' : usd(amount)));
  return [
    `| what | quantity | price | ${columns.join(' | ')} |`,
    `|---|---|---|${columns.map(() => '---:|').join('')}`,
    ...rows.map((row) => `| ${[row.what, row.quantity, row.price, ...cells(row)].join(' | ')} |`),
    `| **sum** | | | ${sums.map((sum) => `**${usd(sum)}**`).join(' | ')} |`,
    '',
  ].join('\n');
}

const usd = (amount: number): string => amount.toFixed(2);

const number = (quantity: number): string =>
  quantity.toLocaleString('en-US', { maximumFractionDigits: quantity < 100 ? 2 : 0 });
