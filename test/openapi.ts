/** Checks an answer against docs/openapi.yaml. Every test that sees an answer calls it. */
import { AssertionError } from 'node:assert';
import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';

// biome-ignore lint/suspicious/noExplicitAny: a document, read by its own form
export const document: any = parse(readFileSync(new URL('../docs/openapi.yaml', import.meta.url), 'utf8'));

export interface SeenAnswer {
  readonly method: string;
  /** The path, without the query. */
  readonly path: string;
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Header {
  readonly required?: boolean;
  readonly schema: object;
}
interface Response {
  readonly headers?: Record<string, object>;
  readonly content?: Record<string, { readonly schema: object }>;
}
interface Operation {
  readonly operationId?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly object[];
  readonly responses: Record<string, object>;
  readonly 'x-codes': readonly string[];
  readonly 'x-token-codes'?: readonly string[];
}
interface CodeRule {
  readonly status: readonly number[];
  readonly carries: readonly (readonly string[])[];
}
interface Problem {
  readonly type: string;
  readonly status: number;
  readonly code: string;
  readonly instance: string;
}
type Headers = Readonly<Record<string, string>>;
type Fail = (what: string) => never;

/** Headers that mean something to a client. They are allowed only where the document lists them. */
const MEANINGFUL =
  /^(countersign-|replay-nonce$|dpop-nonce$|retry-after$|www-authenticate$|ratelimit|idempotency-|location$|etag$)/;
/** A code carries exactly the ones of these that its row of `x-codes` lists. */
/** Where a call with a token is answered, this takes the place of Replay-Nonce. */
const DPOP_NONCE = 'dpop-nonce';
const CARRIED = ['Replay-Nonce', 'Retry-After', 'RateLimit', 'RateLimit-Policy'];
const REMAPPED = 'x-amzn-remapped-www-authenticate';

const ajv = new Ajv2020({ allErrors: true, strict: false });
addFormats.default(ajv);
ajv.addSchema(document, 'openapi');
const compiled = new Map<object, ValidateFunction>();

/** @throws AssertionError that says how the answer differs from the document */
export function checkAnswer(answer: SeenAnswer): void {
  const { method, path, status, body } = answer;
  const headers = renamedBack(answer.headers);
  const fail: Fail = (what) => {
    const message = `${method} ${path} ${status}: ${what}\n${JSON.stringify({ headers, body })}`;
    throw new AssertionError({ message, stackStartFn: checkAnswer });
  };
  const operation = findOperation(method, path);
  const reference = operation.responses[status];
  if (!reference) {
    const known = Object.keys(operation.responses).join(', ');
    fail(`not a status of ${operation.operationId ?? 'a path without a route'}, which has ${known}`);
  }
  const response = forToken(resolve<Response>(reference as object), operation, headers);
  checkHeaders(response, headers, fail);
  const value = checkBody(response, headers, body, fail);
  if (isProblem(headers)) checkProblem(value as Problem, operation, status, headers, fail);
  else checkAgreement(value, headers, fail);
  if (isOAuth(operation) && method === 'POST' && !isProblem(headers) && headers[DPOP_NONCE] === undefined)
    fail('an answer of an OAuth endpoint without a nonce for DPoP');
  checkQuota(status, headers, fail);
}

/** The operation for this path. If there is none, or none for this method, the one described elsewhere. */
function findOperation(method: string, path: string): Operation {
  const template = Object.keys(document.paths).find((known) =>
    new RegExp(`^${known.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`).test(path),
  );
  return document.paths[template ?? '']?.[method.toLowerCase()] ?? document['x-elsewhere'];
}

const isOAuth = ({ tags }: Operation): boolean => tags?.includes('oauth') === true;

const isForToken = ({ security }: Operation, headers: Headers): boolean =>
  headers[DPOP_NONCE] !== undefined && security?.some((way) => 'token' in way) === true;

/** @returns the response as it is described for a call with a token, where this answers one */
function forToken(response: Response, operation: Operation, headers: Headers): Response {
  if (!isForToken(operation, headers)) return response;
  const { 'Replay-Nonce': _, ...others } = response.headers ?? {};
  const { 'WWW-Authenticate': challenge, ...own } = document['x-token-answers'].headers;
  return { ...response, headers: { ...others, ...own, 'WWW-Authenticate': challenge } };
}

function checkHeaders(response: Response, headers: Headers, fail: Fail): void {
  const declared = new Map(
    Object.entries({ ...document['x-every-answer'], ...response.headers }).map(([name, header]) => [
      name.toLowerCase(),
      resolve<Header>(header as object),
    ]),
  );
  for (const [name, { required, schema }] of declared) {
    const value = headers[name];
    if (value !== undefined) validate(`header ${name}`, schema, value, fail);
    else if (required) fail(`header ${name} is missing`);
  }
  for (const name of Object.keys(headers))
    if (MEANINGFUL.test(name) && !declared.has(name)) fail(`header ${name} is not described here`);
}

/** @returns the body's value; undefined if there is none */
function checkBody({ content }: Response, headers: Headers, body: string, fail: Fail): unknown {
  if (!content) return body === '' ? undefined : fail('a body where none is described');
  const type = mediaType(headers);
  const media = content[type] ?? fail(`media type "${type}", not ${Object.keys(content).join(' or ')}`);
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    fail('the body is not JSON');
  }
  validate('body', media.schema, value, fail);
  return value;
}

function checkProblem(problem: Problem, operation: Operation, status: number, headers: Headers, fail: Fail) {
  const { code } = problem;
  const rule: CodeRule = document['x-codes'][code];
  const byToken = isForToken(operation, headers);
  const more = byToken ? (operation['x-token-codes'] ?? []) : [];
  const allowed = new Set([...operation['x-codes'], ...more, ...document['x-front-door']]);
  if (!allowed.has(code)) fail(`code ${code} is not one of this operation's: ${[...allowed].join(', ')}`);
  if (problem.status !== status) fail(`the problem says status ${problem.status}`);
  if (!rule.status.includes(status)) fail(`code ${code} comes with status ${rule.status.join(' or ')}`);
  if (!problem.type.endsWith(`/${code}`)) fail(`type ${problem.type} is not the page of ${code}`);
  if (problem.instance !== `urn:uuid:${headers['countersign-request-id']}`)
    fail(`instance ${problem.instance} is not this request's id`);
  const challenge = headers['www-authenticate'] ?? '';
  const errors: string[] = document['x-token-answers'].challenges[code] ?? [];
  if (byToken && !(errors.length === 0 ? challenge === '' : errors.some((e) => challenge.includes(`"${e}"`))))
    fail(`www-authenticate is not one of ${code}: ${errors.join(' or ')}`);
  if (!byToken && status === 401 && challenge !== `JWT realm="countersign", error="${code}"`)
    fail(`www-authenticate is of another code than ${code}`);
  const carried = CARRIED.filter((name) => headers[name.toLowerCase()] !== undefined).join(', ');
  const may = byToken ? CARRIED.filter((name) => name !== 'Replay-Nonce') : CARRIED;
  const lines = rule.carries.map((line) => may.filter((name) => line.includes(name)).join(', '));
  if (!lines.includes(carried))
    fail(`${code} carries [${carried}], not ${lines.map((line) => `[${line}]`).join(' or ')}`);
}

/** Facts that an answer states twice must agree. */
function checkAgreement(value: unknown, headers: Headers, fail: Fail): void {
  const { nonce, nonces, id } = (value ?? {}) as { nonce?: string; nonces?: string[]; id?: string };
  const first = nonce ?? nonces?.[0];
  if (first !== undefined && headers['replay-nonce'] !== first)
    fail("replay-nonce is not the body's first nonce");
  if (headers.location !== undefined && !headers.location.endsWith(`/${id}`))
    fail("location does not end in the body's id");
}

/** A quota that is used up leaves nothing, and is full again after `Retry-After`. */
function checkQuota(status: number, headers: Headers, fail: Fail): void {
  const { ratelimit, 'ratelimit-policy': policy, 'retry-after': wait } = headers;
  if (ratelimit === undefined) return;
  const [remaining, seconds] = ratelimit.match(/\d+/g)!.map(Number) as [number, number];
  const [, windowSeconds] = policy!.match(/\d+/g)!.map(Number) as [number, number];
  if (seconds > windowSeconds) fail(`ratelimit ends after ${seconds} s, in a window of ${windowSeconds} s`);
  if (status === 429 && (remaining !== 0 || String(seconds) !== wait))
    fail(`ratelimit has ${remaining} left for ${seconds} s, retry-after says ${wait} s`);
}

const mediaType = (headers: Headers): string => (headers['content-type'] ?? '').split(';')[0]!.trim();
const isProblem = (headers: Headers): boolean => mediaType(headers) === 'application/problem+json';

function renamedBack(headers: Headers): Headers {
  const challenge = headers[REMAPPED];
  return challenge === undefined ? headers : { ...headers, 'www-authenticate': challenge };
}

/** @throws Error if a `$ref` has no target */
export function resolve<T>(value: object): T {
  const { $ref } = value as { $ref?: string };
  if ($ref === undefined) return value as T;
  const names = $ref.replace(/^#\//, '').split('/');
  const target = names.reduce((node, name) => node?.[name], document);
  if (target === undefined) throw new Error(`openapi.yaml: ${$ref} leads nowhere`);
  return target;
}

function validate(name: string, schema: object, value: unknown, fail: Fail): void {
  let check = compiled.get(schema);
  if (!check) {
    check = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"openapi#/')));
    compiled.set(schema, check);
  }
  if (!check(value)) fail(ajv.errorsText(check.errors, { dataVar: name }));
}
