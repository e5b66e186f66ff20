/**
 * The cost of keys: a lookup in a request, a lookup during a refresh, forged kids, and each step of a
 * rotation.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { rotationFunctionName, secretName } from '../../lambda/contract/names.ts';
import { KEYSETS, type Purpose } from '../../lambda/contract/purposes.ts';
import { KeysetCache } from '../../lambda/request/keyset-cache.ts';
import { Nonces } from '../../lambda/request/nonces.ts';
import { startPlatform } from '../../local/platform.ts';
import { STAGE } from '../../local/stage.ts';
import { type Keyset, signingKey, verificationKey } from '../../protocol/keyset.ts';
import { median, type Part, progress, type Row, spread } from '../report.ts';

const CALLS = 100_000;
const ROUNDS = 9;
const LOOKUP_TARGET_US = 1;
const READ_MS = 50;
const FORGED = 20_000;
const FLOOD_S = 60;
const COOLDOWN_S = 10;
const ROTATIONS = 15;
const DAY_MS = 24 * 3_600_000;

interface Raw {
  readonly lookup: { readonly us: Readonly<Record<'promise' | 'verify' | 'sign', readonly number[]>> };
  readonly refresh: { readonly during: number; readonly waited: number };
  readonly flood: { readonly reads: number };
  /** By Vault and purpose; the reason, where a Vault could not be measured. */
  readonly rotation: Readonly<Record<string, Millis | string>>;
}

export const keys: Part<Raw> = {
  measure: async () => ({
    lookup: await measureLookup(),
    refresh: await measureRefresh(),
    flood: await measureFlood(),
    rotation: await measureRotation(),
  }),
  sections: ({ lookup, refresh, flood, rotation }) => [
    {
      title: 'Keys on the request path',
      note: `The keyset has three keys, as between two rotations. ${CALLS.toLocaleString('en')} calls a round, ${ROUNDS} rounds in turn; median (least–greatest).`,
      unit: 'µs',
      rows: [...lookupRows(lookup), refreshRow(refresh), floodRow(flood)],
      remarks: [
        'A lookup takes two promises, for the keyset and for the revoked kids, and the choice of the key. Each use checks the age of both copies.',
      ],
    },
    {
      title: 'A rotation, by step',
      note: `${ROTATIONS} rotations in a row; each step is one call of the function; median (least–greatest). No request waits for a rotation.`,
      unit: 'ms, all steps',
      rows: Object.entries(rotation).map(([name, ms]) => rotationRow(name, ms)),
    },
  ],
};

function threeKeys(nowMs: number): Keyset {
  const key = (kid: string, activates_at: number, retires_at: number | null) => ({
    kid,
    alg: 'HKDF-SHA-256' as const,
    jwk: { kty: 'oct', k: 'A'.repeat(43) },
    activates_at,
    retires_at,
    max_life: 300_000,
    vault: null,
  });
  const keys = [
    key('AAAAAA', nowMs - 30 * DAY_MS, nowMs + DAY_MS),
    key('BBBBBA', nowMs - DAY_MS, nowMs + 2 * DAY_MS),
    key('CCCCCA', nowMs + DAY_MS, null),
  ];
  return { version: 1, seq: 3, based_on: 'v2', revoked: [], fingerprints: [], keys };
}

/** A cache whose clock the measurement sets. */
function cacheOf(readMs = 0) {
  const clock = { nowMs: Date.now() };
  const text = JSON.stringify(threeKeys(clock.nowMs));
  const counts = { reads: 0, reading: false };
  const cache = new KeysetCache({
    purpose: 'nonce',
    async read() {
      counts.reads += 1;
      counts.reading = true;
      if (readMs > 0) await delay(readMs);
      counts.reading = false;
      return text;
    },
    readRevoked: async () => [],
    nowMs: () => clock.nowMs,
    maxAgeMs: DAY_MS,
    log: () => {},
  });
  return { cache, clock, counts };
}

async function measureLookup() {
  const { cache, clock } = cacheOf();
  await cache.current();
  const us = { promise: [] as number[], verify: [] as number[], sign: [] as number[] };
  progress(`keys: lookup, ${ROUNDS} rounds`);
  for (let round = 0; round < ROUNDS; round++) {
    us.promise.push(await perCall(async () => clock));
    us.verify.push(await perCall(async () => verificationKey(await cache.current(), 'BBBBBA', clock.nowMs)));
    us.sign.push(await perCall(async () => signingKey(await cache.current(), clock.nowMs)));
  }
  return { us };
}

function lookupRows({ us }: Raw['lookup']): Row[] {
  const row = (figure: string, values: readonly number[]): Row => ({
    figure,
    measured: `${spread(values, 2)} µs`,
    values,
  });
  const held = (figure: string, values: readonly number[]): Row => ({
    ...row(figure, values),
    target: `≤ ${LOOKUP_TARGET_US} µs`,
    missed: median(values) > LOOKUP_TARGET_US,
  });
  return [
    { ...row('one promise, awaited', us.promise), limit: true },
    held('the key that verifies, by its kid', us.verify),
    held('the key that signs', us.sign),
  ];
}

/** Microseconds. */
async function perCall(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < CALLS; i++) await work();
  return ((performance.now() - start) * 1000) / CALLS;
}

/** Lookups during a slow read. */
async function measureRefresh() {
  const { cache, clock, counts } = cacheOf(READ_MS);
  await cache.current();
  clock.nowMs += 61_000;
  progress('keys: lookups beside a refresh');
  let during = 0;
  let waited = 0;
  do {
    const before = counts.reading;
    await cache.current();
    if (before && !counts.reading) waited += 1;
    during += Number(counts.reading);
    // Without it, the read could not end.
    if (during % 1_000 === 0) await delay(0);
  } while (counts.reading);
  return { during, waited };
}

const refreshRow = ({ during, waited }: Raw['refresh']): Row => ({
  figure: `lookups while a refresh of ${READ_MS} ms is under way`,
  measured: `${during.toLocaleString('en')}, of which ${waited} waited for it`,
  target: 'none waits',
  missed: waited > 0,
});

/** Nonces whose kids are in no keyset. */
async function measureFlood() {
  const { cache, clock, counts } = cacheOf();
  const nonces = new Nonces({
    keyset: cache,
    region: 'eu-west-1',
    ledgerTable: 'countersign-bench-ledger-1',
    nonceLifeMs: 300_000,
    nowMs: () => clock.nowMs,
  });
  await cache.current();
  progress('keys: a flood of forged kids');
  const first = counts.reads;
  for (let i = 0; i < FORGED; i++) {
    await nonces.verificationKey(Buffer.from(`${i}`.padStart(4, '0').slice(-4)).toString('base64url'));
    clock.nowMs += (FLOOD_S * 1000) / FORGED;
  }
  return { reads: counts.reads - first };
}

function floodRow({ reads }: Raw['flood']): Row {
  const most = FLOOD_S / COOLDOWN_S;
  return {
    figure: `reads of the secret in a flood of ${FORGED.toLocaleString('en')} forged kids in ${FLOOD_S} s`,
    measured: String(reads),
    target: `≤ ${most}, one in ${COOLDOWN_S} s`,
    missed: reads > most,
  };
}

const STEPS = ['createSecret', 'testSecret', 'finishSecret'] as const;
const VAULTS = { embedded: 'the embedded stand-in', openbao: 'OpenBao' } as const;
type Millis = Record<(typeof STEPS)[number], number[]>;

/**
 * Calls the real rotation functions step by step, as Secrets Manager does, over the local Secrets Manager.
 */
async function measureRotation(): Promise<Raw['rotation']> {
  const raw: Record<string, Millis | string> = {};
  for (const vault of ['embedded', 'openbao'] as const) {
    progress(`keys: rotations, ${VAULTS[vault]}`);
    try {
      for (const purpose of ['nonce', 'token'] as const)
        raw[`${vault} ${purpose}`] = await rotateBySteps(vault, purpose);
    } catch (error) {
      raw[vault] = (error as Error).message;
    }
  }
  return raw;
}

/** @param name a Vault and a purpose, or a Vault */
function rotationRow(name: string, ms: Millis | string): Row {
  const [vault, purpose] = name.split(' ') as [keyof typeof VAULTS, Purpose?];
  if (typeof ms === 'string')
    return { figure: VAULTS[vault], measured: `not measured: ${ms.split('\n')[0]}` };
  const whole = ms.createSecret.map((first, i) => first + ms.testSecret[i]! + ms.finishSecret[i]!);
  const figures = [...STEPS.map((step) => `${step} ${spread(ms[step], 1)}`), `all ${spread(whole, 1)}`];
  return {
    figure: `${purpose} (${KEYSETS[purpose!].keyType}), ${VAULTS[vault]}`,
    measured: `${figures.join('; ')} ms`,
    values: whole,
  };
}

async function rotateBySteps(vault: 'embedded' | 'openbao', purpose: Purpose): Promise<Millis> {
  const platform = await startPlatform({ port: 0, vault });
  const lambda = new LambdaClient({
    endpoint: platform.info.awsEndpoint,
    region: platform.info.regions[0]!.name,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const FunctionName = rotationFunctionName(STAGE, purpose);
  const ms: Millis = { createSecret: [], testSecret: [], finishSecret: [] };
  try {
    for (let i = 0; i < ROTATIONS; i++) {
      const ClientRequestToken = randomUUID();
      for (const Step of STEPS) {
        const event = { Step, SecretId: secretName(STAGE, purpose), ClientRequestToken };
        const start = performance.now();
        const { FunctionError } = await lambda.send(
          new InvokeCommand({ FunctionName, Payload: JSON.stringify(event) }),
        );
        ms[Step].push(performance.now() - start);
        if (FunctionError !== undefined) throw new Error(`${Step} failed`);
      }
    }
  } finally {
    lambda.destroy();
    await platform.stop();
  }
  return ms;
}
