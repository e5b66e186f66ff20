/**
 * What a platform answers, by the checks 1 (request) to 12 (registry) of docs/protocol.md, in their order.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { parseBody } from '../../../protocol/body.ts';
import { isExpiryNear } from '../../../protocol/client.ts';
import { deriveNonceKey, mintNonce } from '../../../protocol/nonce.ts';
import { MAX_NONCE_COUNT, readNonceRequest } from '../../../protocol/nonce-request.ts';
import { PROBLEMS, type ProblemCode, type Refusal, refuse } from '../../../protocol/problem.ts';
import { PROOF_LIFE_S } from '../../../protocol/proof/claims.ts';
import { PROOF_ALGORITHMS } from '../../../protocol/proof/form.ts';
import { type HttpRequest, MAX_BODY_BYTES } from '../../../protocol/proof/request.ts';
import {
  type ProofContext,
  type Signer,
  type VerifiedWrite,
  verifyRead,
  verifyWrite,
} from '../../../protocol/proof/verify.ts';
import { grants, rateLimitFields, secondsLeft, windowAt } from '../../../protocol/quota.ts';
import {
  decideDelete,
  decideRegister,
  entityTag,
  isTombstone,
  type Registration,
  type RegistryRecord,
  registrationId,
  secondsUntilClear,
} from '../../../protocol/registration.ts';
import { isPossessed, readRollOver } from '../../../protocol/roll-over.ts';
import type { UserCheck } from '../user-check.ts';
import { Clients } from './clients.ts';
import { EventLog } from './event-log.ts';

export interface ServerOptions {
  readonly entry: string;
  readonly regions: readonly { readonly name: string; readonly url: string }[];
  /** Signatures a minute, for each client and Region. */
  readonly limit: number;
  readonly schema: object;
  readonly check: UserCheck;
  readonly nowMs: () => number;
}

export interface ReceivedRequest {
  readonly method: string;
  /** `entry`, or a Region's name. */
  readonly region: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

type Headed = Readonly<Record<string, string>>;

/** A refusal, with the headers that are its own. */
interface Refused extends Refusal {
  readonly headers?: Headed;
  /** False: a nonce issued now does not help. */
  readonly nonce?: false;
}

const CLOCK_ERROR_MS = 2_000;
const NONCE_LIFE_MS = 300_000;
const ERROR_DOCS = 'https://docs.example.com/errors';
const ONE = /^\/v1\/registrations\/([\w-]{43})$/;
const EVENTS = /^\/v1\/events\/([\w-]{1,40})$/;

export class Server {
  readonly clients = new Clients();
  readonly #options: ServerOptions;
  readonly #events = new EventLog();
  readonly #nonceKid = randomBytes(4).toString('base64url');
  readonly #nonceRoot = randomBytes(32);
  readonly #used = new Set<string>();
  readonly #charged = new Map<string, number>();
  readonly #registry = new Map<string, RegistryRecord>();

  constructor(options: ServerOptions) {
    this.#options = options;
  }

  async answer(request: ReceivedRequest): Promise<Response> {
    const { method, path, region } = request;
    if (method === 'GET' && path === '/.well-known/countersign') return this.#discovery();
    const isRegion = this.#options.regions.some(({ name }) => name === region);
    if (isRegion && method === 'GET' && path === '/v1/nonce') return this.#nonces(request);
    if (isRegion && method === 'GET' && (ONE.test(path) || EVENTS.test(path))) return this.#read(request);
    const operation = isRegion && operationOf(method, path);
    return operation ? this.#write(request, operation) : this.problem('not_found');
  }

  problem(code: ProblemCode, headers: Headed = {}, refusal: Partial<Refusal> = {}): Response {
    const { status, title, detail } = PROBLEMS[code];
    const requestId = randomUUID();
    const value = {
      ...{ type: `${ERROR_DOCS}/${code}`, title, status, detail: refusal.detail ?? detail },
      ...{ instance: `urn:uuid:${requestId}`, code },
      ...(refusal.errors && { errors: refusal.errors }),
    };
    return this.#json(status, value, {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      'Countersign-Request-Id': requestId,
      ...(status === 401 && { 'WWW-Authenticate': `JWT realm="countersign", error="${code}"` }),
      ...(status >= 500 && { 'Retry-After': '1' }),
      ...headers,
    });
  }

  #json(status: number, value: unknown, headers: Headed): Response {
    return new Response(value === undefined ? null : JSON.stringify(value), {
      status,
      headers: {
        ...(value !== undefined && { 'Content-Type': 'application/json' }),
        'Countersign-Request-Id': randomUUID(),
        Date: new Date(this.#options.nowMs()).toUTCString(),
        ...headers,
      },
    });
  }

  #discovery(): Response {
    const { entry, regions, schema } = this.#options;
    const document = {
      ...{ issuer: entry, regions, proof_algorithms: PROOF_ALGORITHMS, proof_max_life: PROOF_LIFE_S },
      ...{ nonce_life: NONCE_LIFE_MS / 1000, max_body_bytes: MAX_BODY_BYTES },
      max_nonce_count: MAX_NONCE_COUNT,
      jwks_uri: `${entry}/.well-known/jwks.json`,
      registration_schema: schema,
    };
    return this.#json(200, document, { 'Cache-Control': 'public, max-age=60' });
  }

  #nonces(request: ReceivedRequest): Response {
    const wanted = readNonceRequest(valuesOf(request.query), valuesOf(request.headers));
    if (!wanted.ok) return this.problem(wanted.code, {}, wanted);
    const { clientId, count } = wanted;
    const nonces = Array.from({ length: count ?? 1 }, () => this.#nonce(request.region, clientId));
    const body = count === undefined ? { nonce: nonces[0] } : { nonces };
    return this.#json(
      200,
      { ...body, expires_in: NONCE_LIFE_MS / 1000 },
      { 'Cache-Control': 'no-store', 'Replay-Nonce': nonces[0]! },
    );
  }

  #nonce(region: string, clientId: string): string {
    const issuedMs = Math.floor(this.#options.nowMs());
    const content = { kid: this.#nonceKid, region, issuedMs, lifeMs: NONCE_LIFE_MS };
    return mintNonce({ ...content, key: this.#nonceKey(region), clientId });
  }

  #nonceKey = (region: string) => deriveNonceKey(this.#nonceRoot, region, 'ledger');

  async #read(request: ReceivedRequest): Promise<Response> {
    const { region, path } = request;
    const proof = await verifyRead(protocolForm(request), this.#context(request), this.#lookups(region));
    if (!proof.ok) return this.#refusal(region, proof, proof.signer);
    const { client } = proof.verified;
    const headers = this.#expiry(proof.verified);
    const [, after] = EVENTS.exec(path) ?? [];
    if (after !== undefined) {
      const page = this.#events.page(client.clientId, after, region);
      if (!page) return this.#refusal(region, refuse('malformed_request', 'cursor'), proof.verified);
      return this.#json(200, page, { ...headers, 'Cache-Control': 'no-store' });
    }
    const [, id] = ONE.exec(path)!;
    const stored = this.#registry.get(`${client.clientId}#${id}`);
    if (!stored || isTombstone(stored))
      return this.#refusal(region, refuse('not_found', 'registration'), proof.verified);
    const etag = entityTag(stored.data);
    const common = { ...headers, 'Cache-Control': 'private, no-cache', ETag: etag };
    const isKnown = (request.headers.get('If-None-Match') ?? '').includes(etag);
    return this.#json(isKnown ? 304 : 200, isKnown ? undefined : representation(stored), common);
  }

  async #write(request: ReceivedRequest, operation: 'register' | 'delete' | 'roll_over'): Promise<Response> {
    const { region } = request;
    const proof = await verifyWrite(
      protocolForm(request),
      operation,
      this.#context(request),
      this.#lookups(region),
    );
    if (!proof.ok) return this.#refusal(region, proof, proof.signer);
    const { verified } = proof;
    const outcome = await this.#perform(request, verified);
    if ('ok' in outcome) return this.#refusal(region, outcome, verified);
    const { status, value, headers } = outcome;
    return this.#json(status, value, {
      ...this.#expiry(verified),
      'Replay-Nonce': this.#nonce(region, verified.client.clientId),
      'Cache-Control': 'no-store',
      ...headers,
    });
  }

  async #perform(request: ReceivedRequest, verified: VerifiedWrite): Promise<Outcome | Refused> {
    if (verified.operation === 'delete') {
      const consumed = this.#consume(request.region, verified);
      return consumed.ok ? this.#delete(request, verified, consumed.headers) : consumed;
    }
    const body = parseBody({ body: request.body, bodyInDoubt: false }, verified.client.profile);
    if (!body.ok) return body;
    return verified.operation === 'register'
      ? this.#register(request, body.value, verified)
      : this.#rollOver(request, body.value, verified);
  }

  /** Uses the nonce up, then charges its client. @returns the headers of a success */
  #consume(region: string, { client, nonce }: VerifiedWrite): Consumed | Refused {
    if (this.#used.has(nonce.text)) return refuse('use_nonce', 'used');
    this.#used.add(nonce.text);
    const { nowMs } = this.#options;
    const limit = client.limit ?? this.#options.limit;
    const window = windowAt(nowMs());
    const key = `${region}#${client.clientId}#${window}`;
    const charged = this.#charged.get(key) ?? 0;
    const left = secondsLeft(window, nowMs());
    if (!grants(charged, 1, limit)) {
      const headers = { ...rateLimitFields('signatures', limit, 0, left), 'Retry-After': String(left) };
      return { ...refuse('quota_exceeded', 'charged'), headers };
    }
    this.#charged.set(key, charged + 1);
    return { ok: true, headers: rateLimitFields('signatures', limit, limit - charged - 1, left) };
  }

  #register({ region }: ReceivedRequest, user: unknown, verified: VerifiedWrite): Outcome | Refused {
    const errors = this.#options.check(user);
    if (errors.length > 0) return { ...refuse('invalid_registration', 'schema'), errors };
    const consumed = this.#consume(region, verified);
    if (!consumed.ok) return consumed;
    const { clientId } = verified.client;
    const data = user as Readonly<Record<string, unknown>> & { readonly user_id: string };
    const id = registrationId(clientId, data.user_id);
    const createdAtMs = Math.floor(this.#options.nowMs());
    const created: Registration = { id, clientId, userId: data.user_id, createdAtMs, data };
    const key = `${clientId}#${id}`;
    const outcome = decideRegister(this.#registry.get(key), created, verified.nonce.issuedMs, CLOCK_ERROR_MS);
    if (outcome.kind === 'conflict') return refuse('registration_conflict', 'other_data');
    if (outcome.kind === 'deleted') {
      const seconds = secondsUntilClear(outcome.clearsAtMs, createdAtMs);
      return { ...refuse('use_nonce', 'deleted'), headers: { 'Retry-After': String(seconds) }, nonce: false };
    }
    if (outcome.kind === 'stored') {
      this.#registry.set(key, created);
      this.#events.add(region, 'registration.created', { client_id: clientId, id }, createdAtMs);
    }
    const stored = outcome.kind === 'replayed' ? outcome.registration : created;
    const headers = {
      ...consumed.headers,
      Location: `${this.#urlOf(region)}/v1/registrations/${id}`,
      ETag: entityTag(stored.data),
      ...(outcome.kind === 'replayed' && { 'Idempotency-Replayed': 'true' }),
    };
    return { status: 201, value: representation(stored), headers };
  }

  #delete({ region, path }: ReceivedRequest, { client }: VerifiedWrite, headers: Headed): Outcome | Refused {
    const [, id] = ONE.exec(path)!;
    const key = `${client.clientId}#${id}`;
    const nowMs = Math.floor(this.#options.nowMs());
    const before = this.#registry.get(key);
    const after = decideDelete(before, nowMs, CLOCK_ERROR_MS);
    this.#registry.set(key, after);
    if (!before || isTombstone(before)) return refuse('not_found', 'registration');
    this.#events.add(region, 'registration.deleted', { client_id: client.clientId, id: id! }, nowMs);
    return { status: 204, value: undefined, headers };
  }

  async #rollOver(
    { region }: ReceivedRequest,
    body: unknown,
    verified: VerifiedWrite,
  ): Promise<Outcome | Refused> {
    const { client, key: asking, nonce } = verified;
    const nowMs = this.#options.nowMs();
    const { clientId } = client;
    const asked = await readRollOver(body, asking);
    if (!asked.ok) return asked;
    const { brought } = asked;
    const context = { clientId, issuer: this.#options.entry, nonce: nonce.text, old: asking.kid, nowMs };
    if (brought && !(await isPossessed(brought, context))) return refuse('invalid_proof', 'possession');
    const consumed = this.#consume(region, verified);
    if (!consumed.ok) return consumed;
    const issued = await this.clients.rollOver(client, asking.kid, brought?.key, nowMs);
    if ('ok' in issued) return issued;
    const { kid, usableAtS, expiresAtS } = issued.key;
    const expires_at = new Date(expiresAtS * 1000).toISOString();
    this.#events.add(region, 'client.key_rotated', { client_id: clientId, kid, expires_at }, nowMs);
    const value = {
      ...{ kid, usable_at: new Date(usableAtS * 1000).toISOString(), expires_at },
      ...(issued.jwe !== undefined && { api_key_jwe: issued.jwe }),
    };
    return { status: 201, value, headers: consumed.headers };
  }

  #refusal(region: string, refusal: Refused, signer: Signer | undefined): Response {
    const brings = signer && (refusal.nonce ?? PROBLEMS[refusal.code].nonce);
    return this.problem(
      refusal.code,
      {
        ...(signer && this.#expiry(signer)),
        ...(brings && { 'Replay-Nonce': this.#nonce(region, signer.client.clientId) }),
        ...refusal.headers,
      },
      refusal,
    );
  }

  #expiry({ client, key }: Signer): Headed {
    return isExpiryNear(client, key, this.#options.nowMs())
      ? { 'Countersign-Key-Expires': new Date(key.expiresAtS * 1000).toUTCString() }
      : {};
  }

  #context({ region, path }: ReceivedRequest): ProofContext {
    const { entry, nowMs } = this.#options;
    const baseUrls = [this.#urlOf(region), entry];
    return { path, region, baseUrls, issuer: entry, nowMs: nowMs(), clockErrorMs: CLOCK_ERROR_MS };
  }

  #urlOf(region: string): string {
    return this.#options.regions.find(({ name }) => name === region)!.url;
  }

  #lookups(region: string) {
    return {
      ...this.clients.lookups,
      nonceKey: async (kid: string) => (kid === this.#nonceKid ? this.#nonceKey(region) : undefined),
    };
  }
}

interface Consumed {
  readonly ok: true;
  /** Of a success. */
  readonly headers: Headed;
}

interface Outcome {
  readonly status: number;
  readonly value: unknown;
  readonly headers: Headed;
}

function operationOf(method: string, path: string): 'register' | 'delete' | 'roll_over' | undefined {
  if (method === 'POST' && path === '/v1/register') return 'register';
  if (method === 'POST' && path === '/v1/keys') return 'roll_over';
  return method === 'DELETE' && ONE.test(path) ? 'delete' : undefined;
}

/** `Headers` joins values, so a repeated header is one value here. */
const valuesOf = (pairs: Iterable<[string, string]>): Map<string, string[]> => {
  const values = new Map<string, string[]>();
  for (const [name, value] of pairs) values.set(name, [...(values.get(name) ?? []), value]);
  return values;
};

const protocolForm = ({ method, headers, query, body }: ReceivedRequest): HttpRequest => ({
  method,
  headers: valuesOf(headers),
  query: valuesOf(query),
  body,
});

const representation = ({ id, clientId, userId, createdAtMs, data }: Registration): object => ({
  ...{ id, client_id: clientId, user_id: userId },
  ...{ created_at: new Date(createdAtMs).toISOString(), data },
});
