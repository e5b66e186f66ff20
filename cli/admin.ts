/** Calls the functions for operators through Lambda's Invoke (docs/operators.md). */
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import {
  ADMIN_FUNCTION,
  type AdminAction,
  type AdminActions,
  type AdminAnswer,
  type ClientSummary,
} from '../lambda/contract/admin.ts';
import { ROTATION_TIMEOUT_MS } from '../lambda/contract/keys.ts';
import { functionName } from '../lambda/contract/names.ts';
import { isJsonObject } from '../protocol/json.ts';
import { NotBegun } from './aws-error.ts';
import { awsLimits, callAws } from './aws-limits.ts';
import { CliError, EXIT, type Io, interruptible } from './io.ts';
import { asTyped } from './params.ts';
import { quoted } from './printable.ts';
import type { Target } from './target.ts';

/**
 * Limit on one answer, all attempts together. A rotation function has the longest timeout; Lambda reports a
 * timeout shortly after it.
 */
const ANSWER_MS = ROTATION_TIMEOUT_MS + 10_000;
/** Attempts of a call that changes nothing. */
const READ_ATTEMPTS = 3;

/** The function answered with a refusal. */
export class Refused extends CliError {
  readonly code: string;

  constructor(detail: string, code: string) {
    super(EXIT.failed, `${asTyped(detail)} (${code})`);
    this.code = code;
  }
}

/** The call was answered, but not by a function that works: it failed, or something else answered. */
export class BadAnswer extends CliError {}

export interface CallOptions {
  /**
   * The command that shows whether a change was made, if its answer is lost. Undefined if no command shows
   * it, or for a call that changes nothing.
   */
  readonly look?: string | undefined;
  /** The next step after that look, or without one. */
  readonly next?: string | undefined;
  /** Ends the wait. After a timeout, the function counts as not reached. */
  readonly signal?: AbortSignal | undefined;
  /** @default 1 */
  readonly maxAttempts?: number;
}

/**
 * Runs an operators' action in one Region. Actions that only read are tried up to three times.
 *
 * @returns the action's result
 * @throws Refused with the problem's detail, CliError where the function was not reached
 */
export const invokeAdmin = <A extends AdminAction>(
  target: Target,
  region: string,
  action: A,
  params: AdminActions[A]['params'],
  signal?: AbortSignal,
): Promise<AdminActions[A]['result']> =>
  invoke(target, region, functionName(target.stage, ADMIN_FUNCTION[action]), action, params, {
    signal,
    ...(ADMIN_FUNCTION[action] === 'admin-read'
      ? { maxAttempts: READ_ATTEMPTS }
      : {
          look: lookWith(target, action, params),
          next: 'jwk' in params ? undefined : AFTER_LOOK[action],
        }),
  });

/** One call that changes something: Ctrl-C ends the wait for its answer. Otherwise like `invokeAdmin`. */
export const change = <A extends AdminAction>(
  io: Io,
  ...call: [target: Target, region: string, action: A, params: AdminActions[A]['params']]
): Promise<AdminActions[A]['result']> => interruptible(io, (signal) => invokeAdmin(...call, signal));

/** @yields every client of the stage, page by page, as one Region's table lists them */
export async function* listClients(
  target: Target,
  region: string,
  signal?: AbortSignal,
): AsyncGenerator<ClientSummary> {
  let cursor: string | undefined;
  do {
    const params = { limit: 100, ...(cursor !== undefined && { cursor }) };
    const page = await invokeAdmin(target, region, 'clients.list', params, signal);
    yield* page.clients;
    ({ cursor } = page);
  } while (cursor !== undefined);
}

const NOTHING_TO_SEE: readonly AdminAction[] = ['proofs.revoke', 'tokens.revoke', 'events.rebuild'];

/** @returns undefined if no command shows whether the change was made */
function lookWith({ args }: Target, action: AdminAction, params: object): string | undefined {
  if (action.startsWith('tables.')) return `countersign registry show${args}`;
  if (action.startsWith('webhooks.')) return `countersign webhooks list${args}`;
  if (action.startsWith('regions.') || NOTHING_TO_SEE.includes(action)) return undefined;
  const { client_id, user_id } = params as { readonly client_id?: string; readonly user_id?: string };
  if (client_id === undefined) return `countersign clients list${args}`;
  if (user_id === undefined) return `countersign clients show ${client_id}${args}`;
  const user = `${user_id.startsWith('-') ? '-- ' : ''}${quoted(user_id)}`;
  return `countersign registrations show${args} ${client_id} ${user}`;
}

const AGAIN = 'run the command again: that does no harm';

/** The step after that look, or without one. An API key is shown only once, in the answer that was lost. */
const AFTER_LOOK: { readonly [A in AdminAction]?: string } = {
  'clients.create': 'if the client is there, its API key is lost: give it another with clients rotate-key',
  'clients.invite': 'if the client is there, its token is lost: invite it again',
  'clients.rotate-key': 'if it has a new key, that key is lost: rotate it again',
  'clients.revoke-key': 'to run it again does no harm',
  'proofs.revoke': AGAIN,
  'tokens.revoke': AGAIN,
  'events.rebuild': AGAIN,
  'regions.evacuate': AGAIN,
  'regions.return': AGAIN,
  'webhooks.create':
    'if the endpoint is there, its secret is lost: give it another with webhooks update --new-secret',
  'webhooks.update': 'run the command again: the secrets before a new one sign for another day',
};

/**
 * Runs an action of any function for operators, by the function's full name. By default it is called once: a
 * function whose answer is lost may have done its work, and a second call would do it again.
 *
 * @returns the action's result
 * @throws Refused with the problem's detail, CliError where the function was not reached
 */
export async function invoke<R extends object>(
  target: Target,
  region: string,
  name: string,
  action: string,
  params: object,
  { look, next, signal, maxAttempts = 1 }: CallOptions = {},
): Promise<R> {
  // Nothing is sent, so nothing may have been done.
  if (signal?.aborted && (signal.reason as Error).name !== 'TimeoutError')
    throw new NotBegun(EXIT.interrupted, 'interrupted');
  const what = `${name} in ${region}`;
  const advice = [look === undefined ? undefined : `look with ${look}`, next].filter(Boolean).join('; ');
  const doubt = advice === '' ? '' : `; it may have been done: ${advice}`;
  const lambda = new LambdaClient({
    ...target.aws(region),
    maxAttempts,
    ...awsLimits(),
  });
  const abortSignal = AbortSignal.any([...(signal ? [signal] : []), AbortSignal.timeout(ANSWER_MS)]);
  try {
    const command = new InvokeCommand({ FunctionName: name, Payload: JSON.stringify({ action, params }) });
    const { FunctionError, Payload } = await callAws(
      what,
      abortSignal,
      (options) => lambda.send(command, options),
      doubt,
    );
    if (FunctionError !== undefined)
      throw new BadAnswer(EXIT.unreachable, `${what} failed; its log says why${doubt}`);
    const answer = readAnswer<R>(Payload?.transformToString() ?? '');
    if (!answer)
      throw new BadAnswer(
        EXIT.unreachable,
        `${what}: the answer is not from a Countersign function; check for a proxy in between${doubt}`,
      );
    if (answer.ok) return answer.result;
    throw new Refused(answer.problem.detail, answer.problem.code);
  } finally {
    lambda.destroy();
  }
}

/** @returns undefined for an answer of another form: a proxy may have sent it */
function readAnswer<R extends object>(text: string): AdminAnswer<R> | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isJsonObject(answer)) return undefined;
  const { ok, result, problem } = answer;
  if (ok === true && isJsonObject(result)) return { ok, result: result as R };
  if (ok !== false || !isJsonObject(problem)) return undefined;
  const { detail, code } = problem;
  const isProblem = typeof detail === 'string' && typeof code === 'string';
  return isProblem ? (answer as unknown as AdminAnswer<R>) : undefined;
}
