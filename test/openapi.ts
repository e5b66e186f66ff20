/** Holds an answer against docs/openapi.yaml. Every test that sees an answer calls it. */

import { AssertionError } from 'node:assert';
import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';

// biome-ignore lint/suspicious/noExplicitAny: a document, read by its own form
export const document: any = parse(readFileSync(new URL('../docs/openapi.yaml', import.meta.url), 'utf8'));

export interface SeenAnswer {
  readonly method: string;
  /** Without the query. */
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
  readonly headers?: Record<string, Header>;
  readonly content?: Record<string, { readonly schema: object }>;
}

/** Headers that mean something to a client: they stand only where the document says so. */
const MEANINGFUL =
  /^(countersign-|replay-nonce$|retry-after$|www-authenticate$|ratelimit|idempotency-|location$|etag$)/;
const REMAPPED = 'x-amzn-remapped-www-authenticate';

const ajv = new Ajv2020({ allErrors: true, strict: false });
addFormats.default(ajv);
ajv.addSchema(document, 'openapi');
const compiled = new Map<object, ValidateFunction>();

/** @throws AssertionError that says what differs from the document */
export function checkAnswer(answer: SeenAnswer): void {
  const { method, path, status, headers, body } = answer;
  const fail = (what: string): never => {
    throw new AssertionError({
      message: `${method} ${path} ${status}: ${what}\n${JSON.stringify({ headers, body })}`,
    });
  };
  const response = findResponse(method, path, status) ?? fail('no such answer in openapi.yaml');

  const seen = { ...headers };
  if (seen[REMAPPED] !== undefined) seen['www-authenticate'] = seen[REMAPPED];
  const declared = new Map(
    Object.entries(response.headers ?? {}).map(([name, header]) => [name.toLowerCase(), header]),
  );
  for (const [name, reference] of declared) {
    const header = resolve<Header>(reference);
    const value = seen[name];
    if (value === undefined) {
      if (header.required) fail(`header ${name} is missing`);
    } else validate(header.schema, value, (errors) => fail(`header ${name}: ${errors}`));
  }
  for (const name of Object.keys(seen))
    if (MEANINGFUL.test(name) && !declared.has(name)) fail(`header ${name} is not in openapi.yaml`);

  if (!response.content) {
    if (body !== '') fail('has a body');
    return;
  }
  const type = (headers['content-type'] ?? '').split(';')[0]!.trim();
  const media = response.content[type] ?? fail(`media type ${type}`);
  const value: unknown = JSON.parse(body);
  validate(media.schema, value, (errors) => fail(errors));
  if (type === 'application/problem+json') checkProblem(value as Problem, status, seen, fail);
}

interface Problem {
  readonly type: string;
  readonly status: number;
  readonly code: string;
  readonly instance: string;
}

function checkProblem(
  problem: Problem,
  status: number,
  headers: Record<string, string>,
  fail: (what: string) => never,
) {
  const { code } = problem;
  const rule: { status: number | number[]; nonce: boolean | string } = document['x-codes'][code];
  if (![rule.status].flat().includes(status) || problem.status !== status) fail(`status of ${code}`);
  if (!problem.type.endsWith(`/${code}`)) fail('type is no page of the code');
  if (problem.instance !== `urn:uuid:${headers['countersign-request-id']}`)
    fail('instance is another request');
  if (status === 401 && !headers['www-authenticate']!.endsWith(`error="${code}"`))
    fail('challenge of another code');
  const has = headers['replay-nonce'] !== undefined;
  const due = rule.nonce === 'unless-retry-after' ? headers['retry-after'] === undefined : rule.nonce;
  if (due !== 'optional' && has !== due) fail(`Replay-Nonce ${has ? 'where none is due' : 'is missing'}`);
  if (headers['retry-after'] !== undefined && status === 401 && code !== 'use_nonce') fail('Retry-After');
}

function findResponse(method: string, path: string, status: number): Response | undefined {
  const template = Object.keys(document.paths).find((known) =>
    new RegExp(`^${known.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`).test(path),
  );
  const operation = template === undefined ? undefined : document.paths[template][method.toLowerCase()];
  // Off its routes the service has one answer.
  const found =
    operation?.responses[status] ?? (status === 404 ? document.components.responses.NotFound : undefined);
  return found && resolve<Response>(found);
}

function resolve<T>(value: object): T {
  const { $ref } = value as { $ref?: string };
  if ($ref === undefined) return value as T;
  const target = $ref
    .slice(2)
    .split('/')
    .reduce((node, name) => node?.[name], document);
  if (target === undefined) throw new Error(`openapi.yaml: ${$ref} leads nowhere`);
  return target;
}

function validate(schema: object, value: unknown, fail: (errors: string) => void): void {
  let check = compiled.get(schema);
  if (!check) {
    check = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"openapi#/')));
    compiled.set(schema, check);
  }
  if (!check(value)) fail(ajv.errorsText(check.errors));
}
