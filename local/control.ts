/**
 * Faults over HTTP, for `countersign drill`: `POST /faults` on the port of the AWS endpoint, with a `Fault`
 * as JSON, and the platform's token. No web page reaches it: the server refuses foreign origins, and the
 * token lies in a file that only its owner can read.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Fault } from '../cli/drill/fault.ts';
import type { TableConsistency } from '../lambda/contract/serving-environment.ts';
import { parseJsonObject } from './aws/protocol.ts';
import type { Faults } from './faults.ts';
import { type HttpListener, readBody } from './server.ts';

export interface ControlOptions {
  readonly token: string;
  readonly consistency: TableConsistency;
  readonly faults: Faults;
}

const PATH = '/faults';
const MAX_BYTES = 10_000;

/** @param next answers every other request */
export function createControl(
  { token, consistency, faults }: ControlOptions,
  next: HttpListener,
): HttpListener {
  return async (request, response) => {
    if (request.url !== PATH) return next(request, response);
    const answer = (status: number, body: object) => {
      const text = JSON.stringify(body);
      response.writeHead(status, {
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(text),
      });
      response.end(text);
    };
    if (!isToken(request.headers.authorization)) return answer(401, { error: 'the token is wrong' });
    if (request.method === 'GET') return answer(200, { consistency, regions: faults.regions });
    if (request.method !== 'POST') return answer(405, { error: 'only GET and POST' });
    const body = await readBody(request, MAX_BYTES);
    try {
      if (!body) throw new Error('the body is too large');
      await cause(readFault(parseJsonObject(body), faults.regions));
    } catch (error) {
      return answer(400, { error: (error as Error).message });
    }
    return answer(200, {});
  };

  async function cause(fault: Fault): Promise<void> {
    switch (fault.kind) {
      case 'region':
        return fault.lost ? faults.loseRegion(fault.region) : faults.bringBackRegion(fault.region);
      case 'partition':
        return faults.partition(fault.alone);
      case 'throttle':
        return faults.throttle(fault.region, { rate: fault.rate, delayMs: fault.delay_ms });
      case 'tables':
        return fault.in_use ? faults.useTables(fault.generation) : faults.makeTables(fault.generation);
      case 'vault':
        return faults.loseVault(fault.lost);
    }
  }

  function isToken(authorization = ''): boolean {
    return timingSafeEqual(digest(authorization), digest(`Bearer ${token}`));
  }
}

/** @throws Error where it is no fault of this platform */
function readFault(body: Readonly<Record<string, unknown>>, regions: readonly string[]): Fault {
  const { kind, region, alone, rate, delay_ms, lost, generation, in_use } = body;
  const isRegion = (value: unknown): value is string => regions.some((name) => name === value);
  if (kind === 'region' && isRegion(region) && typeof lost === 'boolean') return { kind, region, lost };
  if (kind === 'partition' && Array.isArray(alone) && alone.every(isRegion)) return { kind, alone };
  if (kind === 'throttle' && isRegion(region) && isWithin(rate, 1) && isWithin(delay_ms, 10_000))
    return { kind, region, rate, delay_ms };
  if (kind === 'tables' && isGeneration(generation) && typeof in_use === 'boolean')
    return { kind, generation, in_use };
  if (kind === 'vault' && typeof lost === 'boolean') return { kind, lost };
  throw new Error('this is no fault of this platform');
}

const isWithin = (value: unknown, most: number): value is number =>
  typeof value === 'number' && value >= 0 && value <= most;

const isGeneration = (value: unknown): value is number => Number.isInteger(value) && Number(value) > 1;

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
