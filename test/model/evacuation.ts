/**
 * A year of a platform with an operator: the real functions over a store without a network, and CloudWatch
 * and Route 53 as local/dns/health-check.ts simulates them. Regions are lost and return, tables are lost,
 * metrics do not arrive, alarms get no data, and commands are interrupted.
 */

import { Unavailable } from '../../lambda/adapters/call.ts';
import { createEvacuations } from '../../lambda/adapters/evacuations.ts';
import { createGoodness } from '../../lambda/adapters/goodness.ts';
import { createWriteStop } from '../../lambda/adapters/write-stop.ts';
import { adminHandler } from '../../lambda/admin/actions.ts';
import { regionWriteActions } from '../../lambda/admin/regions.ts';
import { keeperOf } from '../../lambda/contract/evacuation.ts';
import { tableName } from '../../lambda/contract/names.ts';
import { evacuationHandler } from '../../lambda/evacuation/handler.ts';
import { healthHandler } from '../../lambda/handlers/health.ts';
import type { HttpHandler } from '../../lambda/http/handler.ts';
import {
  alarmCheck,
  alarmData,
  type DataPoint,
  endpointCheck,
  isForgotten,
  isHealthy,
  NEW_CHECKS,
  type RegionChecks,
  type WithoutData,
} from '../../local/dns/health-check.ts';
import { type Carry, dynamodbClientOn } from '../../local/dynamodb/client.ts';
import { Dynamodb } from '../../local/dynamodb/dynamodb.ts';
import { toEvent } from '../support/regions.ts';

export const NAMES = ['eu-central-1', 'eu-west-1', 'eu-west-2'] as const;
export type Name = (typeof NAMES)[number];

export type Event =
  | { readonly kind: 'lose' | 'return' | 'lose-table' | 'break' | 'mend' | 'restart'; readonly region: Name }
  /** `calls`: the command ends after this many. */
  | { readonly kind: 'evacuate' | 'return-region'; readonly region: Name; readonly calls: number }
  /** Until the next change, nothing arrives at CloudWatch, or Route 53 reads nothing from it. */
  | { readonly kind: 'metrics' | 'alarms'; readonly arrive: boolean };

export interface Step {
  readonly event: Event;
  /** The time in which everything runs. */
  readonly minutes: number;
  /** The time after it, in which nothing runs. */
  readonly silentMinutes: number;
}

/** How the evacuated Region is kept out. The search must find the faults of the naive variants. */
export interface Variant {
  /**
   * `flag`: for as long as the flag exists. `once`: one data point, as an operator would publish it by hand.
   */
  readonly metric: 'flag' | 'once';
  readonly without: WithoutData;
}

export class CameBack extends Error {}

export interface Lived {
  readonly ms: number;
  /** How often a Region was taken out. */
  readonly evacuated: number;
}

const T0 = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const HALF = MINUTE / 2;
const HOLD_DOWN_MS = 180_000;
const TABLE = tableName('model', 'limits');

interface Place {
  up: boolean;
  good: boolean;
  health: HttpHandler;
  checks: RegionChecks;
  points: DataPoint[];
  /** Whether an operator evacuated it, and saw the alarm. */
  out: boolean;
  badMs: number;
  /** The number in a row. */
  badTicks: number;
  /** Its table was lost, with the record of how long the Region has been good, and no request came since. */
  forgot: boolean;
}

/** @throws CameBack if DNS leads to a Region that nobody returned, or to one that is not good yet */
export async function liveThrough(steps: readonly Step[], { metric, without }: Variant): Promise<Lived> {
  let evacuated = 0;
  let nowMs = T0;
  let metricsArrive = true;
  let alarmsAreRead = true;
  const store = new Dynamodb({ regions: NAMES, modeOf: () => 'regional', nowMs: () => nowMs });
  const createTable = (name: Name) =>
    store.ask(name, 'CreateTable', {
      TableName: TABLE,
      KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
    });
  const carry: Carry = async ({ region, operation, input }, db) => {
    if (!places[region as Name].up) throw new Error('lost');
    return db.ask(region, operation, input);
  };
  const client = (name: Name) => dynamodbClientOn(store, name, carry);
  const evacuations = (name: Name) => createEvacuations(client(name), TABLE);
  const probe = (name: Name) => async () => {
    if (!places[name].up || !places[name].good) throw new Unavailable('ledger');
  };
  const http = (region: Name) => ({
    region,
    errorDocsUrl: 'https://x.example',
    nowMs: () => nowMs,
    log: () => {},
  });
  const instance = (name: Name): HttpHandler =>
    healthHandler({
      http: http(name),
      ledger: { probe: probe(name) } as never,
      registry: { probe: probe(name) } as never,
      keysets: [],
      evacuations: evacuations(name),
      writeStop: createWriteStop(client(name), TABLE),
      goodness: createGoodness(client(name), TABLE),
      holdDownMs: HOLD_DOWN_MS,
    });
  const place = (name: Name): Place => ({
    up: true,
    good: true,
    health: instance(name),
    checks: NEW_CHECKS,
    points: [],
    out: false,
    badMs: Number.NEGATIVE_INFINITY,
    badTicks: 0,
    forgot: false,
  });
  const places = {} as Record<Name, Place>;
  for (const name of NAMES) {
    createTable(name);
    places[name] = place(name);
  }
  const keeper = (name: Name) => keeperOf(name, NAMES) as Name;
  const kept = (name: Name) => NAMES.find((each) => keeper(each) === name)!;
  const put = (name: Name) => async (_: string, value: 0 | 1) => {
    if (!metricsArrive) return;
    const { points } = places[name];
    places[name].points = [
      ...points.filter((point) => !isForgotten(point, nowMs, MINUTE)),
      { atMs: nowMs, value },
    ];
  };
  const data = (name: Name) => alarmData(places[name].points, nowMs, MINUTE);
  const admin = (name: Name) =>
    adminHandler(
      { function: 'admin-write', ...http(name) },
      regionWriteActions({
        evacuations: evacuations(name),
        region: name,
        regions: NAMES.map((each) => ({ name: each, url: `https://${each}.example` })),
        nowMs: () => nowMs,
      }),
    );
  const act = async (at: Name, action: string, region: Name) =>
    (await admin(at)({ action, params: { region } }, { awsRequestId: 'r' })).ok;
  const ask = async (name: Name) => {
    if (!places[name].up) return { passed: false, fit: false };
    const { statusCode, body } = await places[name].health(toEvent({ method: 'GET', path: '/v1/health' }));
    const { checks, notes = [] } = JSON.parse(body);
    const fit =
      Object.values(checks).every((check) => check === 'pass') &&
      notes.every((note: string) => note !== 'limits');
    return { passed: statusCode === 200, fit };
  };

  await tick(true);
  for (const { event, minutes, silentMinutes } of steps) {
    await happens(event);
    for (let i = 0; i < 2 * minutes; i++) await tick(i % 2 === 0);
    nowMs += silentMinutes * MINUTE;
    watch();
  }
  // Everything recovers, and the operator returns every Region.
  metricsArrive = true;
  alarmsAreRead = true;
  for (const name of NAMES) Object.assign(places[name], { up: true, good: true });
  for (let i = 0; i < 4; i++) await tick(i % 2 === 0);
  for (const region of NAMES) await happens({ kind: 'return-region', region, calls: 2 });
  for (let i = 0; i < 20; i++) await tick(i % 2 === 0);
  const still = NAMES.filter((name) => !isHealthy(places[name].checks));
  if (still.length > 0) throw new Error(`not back although told and good: ${still}`);
  return { ms: nowMs - T0, evacuated };

  async function happens(event: Event): Promise<void> {
    if ('arrive' in event) {
      if (event.kind === 'metrics') metricsArrive = event.arrive;
      else alarmsAreRead = event.arrive;
    } else if ('calls' in event) {
      if (event.kind === 'evacuate') await evacuate(event.region, event.calls);
      else await returnRegion(event.region, event.calls);
    } else if (event.kind === 'lose') places[event.region].up = false;
    else if (event.kind === 'return') places[event.region].up = true;
    else if (event.kind === 'break') places[event.region].good = false;
    else if (event.kind === 'mend') places[event.region].good = true;
    else if (event.kind === 'restart') places[event.region].health = instance(event.region);
    else {
      for (const Key of keysOf(event.region))
        store.ask(event.region, 'DeleteItem', { TableName: TABLE, Key });
      Object.assign(places[event.region], { forgot: true, badMs: Number.NEGATIVE_INFINITY });
    }
  }

  function keysOf(name: Name): object[] {
    const { Items } = store.ask(name, 'Scan', { TableName: TABLE }) as { Items: { pk: object }[] };
    return Items.map(({ pk }) => ({ pk }));
  }

  /** As the command does: the keeper, the Region itself, and the wait for the alarm. */
  async function evacuate(region: Name, calls: number): Promise<void> {
    const told = calls > 0 && (await act(keeper(region), 'regions.evacuate', region));
    if (told && metric === 'once') await put(region)(region, 1);
    if (calls > 1) await act(region, 'regions.evacuate', region);
    for (let i = 0; told && i < 6 && !places[region].out; i++) {
      await tick(i % 2 === 0);
      places[region].out = !places[region].checks.notEvacuated;
      if (places[region].out) evacuated += 1;
    }
  }

  async function returnRegion(region: Name, calls: number): Promise<void> {
    if (!(await ask(region)).fit || !places[keeper(region)].up) return;
    if (calls > 0 && (await act(keeper(region), 'regions.return', region))) {
      places[region].out = false;
      if (metric === 'once') await put(region)(region, 0);
      if (calls > 1) await act(region, 'regions.return', region);
    }
  }

  /** Half a minute. */
  async function tick(scheduled: boolean): Promise<void> {
    nowMs += HALF;
    for (const name of NAMES) {
      const { up, good } = places[name];
      // One bad look changes nothing, and a Region that cannot be reached for half a minute does not notice.
      places[name].badTicks = up && good ? 0 : places[name].badTicks + 1;
      if (places[name].badTicks > 1 && !places[name].forgot) places[name].badMs = nowMs;
      if (up) places[name].forgot = false;
      if (scheduled && up && metric === 'flag')
        await evacuationHandler({
          evacuations: evacuations(name),
          putMetric: put(kept(name)),
          kept: kept(name),
          nowMs: () => nowMs,
        })();
    }
    for (const name of NAMES) {
      const { passed } = await ask(name);
      const { endpoint, notEvacuated } = places[name].checks;
      const wasOut = !isHealthy(places[name].checks);
      const read = alarmsAreRead ? data(name) : 'INSUFFICIENT_DATA';
      places[name].checks = {
        endpoint: endpointCheck(endpoint, passed),
        notEvacuated: alarmCheck(notEvacuated, read, without),
      };
      const goodMs = nowMs - places[name].badMs;
      if (wasOut && isHealthy(places[name].checks) && goodMs < HOLD_DOWN_MS)
        throw new CameBack(`${name} came back after ${goodMs} ms`);
    }
    watch();
  }

  function watch(): void {
    for (const name of NAMES)
      if (places[name].out && isHealthy(places[name].checks))
        throw new CameBack(`${name} came back, and nobody took it back`);
  }
}
