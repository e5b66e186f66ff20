/** Calls the rotation functions by Lambda's Invoke. */
import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import { rotationFunctionName, WATCH_ALIAS } from '../../contract/names.ts';
import type { Purpose } from '../../contract/purposes.ts';
import { readAnswer } from './answer.ts';
import type { AskKeys } from './handler.ts';

/** Calls their alias for keys-watch: its role may call nothing else of them. */
export function askByLambda(lambda: Pick<LambdaClient, 'send'>, stage: string): AskKeys {
  return async (purpose, action, params) => {
    const FunctionName = `${rotationFunctionName(stage, purpose as Purpose)}:${WATCH_ALIAS}`;
    const Payload = JSON.stringify({ action, params });
    const answer = await lambda.send(new InvokeCommand({ FunctionName, Payload }));
    if (answer.FunctionError !== undefined) throw new Error(`${FunctionName} failed`);
    const told = readAnswer(answer.Payload?.transformToString() ?? '');
    if (told.ok) return told.result;
    throw new Error(`${FunctionName} refused ${action}: ${told.problem.detail}`);
  };
}
