/** Calls the functions for operators through Lambda's Invoke (docs/operators.md). */
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import {
  ADMIN_FUNCTION,
  type AdminAction,
  type AdminActions,
  type OperatorAnswer,
} from '../lambda/contract/admin.ts';
import { ROTATION_TIMEOUT_MS } from '../lambda/contract/keys.ts';
import { functionName } from '../lambda/contract/names.ts';
import { awsError } from './aws-error.ts';
import { CliError, EXIT } from './io.ts';
import { asTyped } from './params.ts';
import type { Target } from './target.ts';

/** Limit on connecting, in milliseconds. A Region that is cut off never answers, and the next Region waits meanwhile. */
const CONNECT_MS = 3_000;
/** Limit on one answer. A rotation function has the longest timeout; Lambda reports a timeout shortly after it. */
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
): Promise<AdminActions[A]['result']> =>
  invoke(
    target,
    region,
    functionName(target.stage, ADMIN_FUNCTION[action]),
    action,
    params,
    ADMIN_FUNCTION[action] === 'admin-read' ? READ_ATTEMPTS : 1,
  );

/**
 * Runs an action of any function for operators, by the function's full name. By default it is called once: a function
 * whose answer is lost may have done its work, and a second call would do it again.
 *
 * @returns the action's result
 * @throws Refused with the problem's detail, CliError where the function was not reached
 */
export async function invoke<R>(
  target: Target,
  region: string,
  name: string,
  action: string,
  params: object,
  maxAttempts = 1,
): Promise<R> {
  const lambda = new LambdaClient({
    ...target.aws(region),
    maxAttempts,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: ANSWER_MS,
      throwOnRequestTimeout: true,
    },
  });
  try {
    const { FunctionError, Payload } = await lambda
      .send(new InvokeCommand({ FunctionName: name, Payload: JSON.stringify({ action, params }) }))
      .catch((error: unknown) => {
        throw awsError(error, `${name} in ${region}`);
      });
    if (FunctionError !== undefined)
      throw new CliError(EXIT.unreachable, `${name} in ${region} failed; its log says why`);
    const answer = JSON.parse(Payload?.transformToString() ?? 'null') as OperatorAnswer<R>;
    if (answer.ok) return answer.result;
    throw new Refused(answer.problem.detail, answer.problem.code);
  } finally {
    lambda.destroy();
  }
}
