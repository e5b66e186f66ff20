/**
 * The rotation function of one purpose: called by Secrets Manager with a step, by an operator with an action. What
 * it throws is what Lambda prints and Secrets Manager is told, so it names errors and holds nothing of them.
 */
import * as z from 'zod';
import { type AdminContext, adminHandler } from '../admin/actions.ts';
import { WATCH_ALIAS } from '../contract/names.ts';
import { describeError } from '../log.ts';
import { type KeysActionsOptions, keysActions, watchActions } from './actions.ts';
import { Rotation } from './rotation.ts';
import { ownWords, RotationError } from './rotation-error.ts';

export interface RotateOptions extends KeysActionsOptions, Omit<AdminContext, 'log' | 'function'> {
  /** The secret's name: a step for any other is refused. */
  readonly secretName: string;
}

export interface Invocation {
  readonly awsRequestId: string;
  /** What was called; it ends in an alias where the caller named one. */
  readonly invokedFunctionArn?: string;
}

export type RotateHandler = (event: unknown, context: Invocation) => Promise<unknown>;

const StepEvent = z.object({
  Step: z.enum(['createSecret', 'setSecret', 'testSecret', 'finishSecret']),
  SecretId: z.string(),
  ClientRequestToken: z.string().min(1),
  RotationToken: z.string().optional(),
});
type StepEvent = z.infer<typeof StepEvent>;

export function rotateHandler(options: RotateOptions): RotateHandler {
  const { log, purpose, region, secretName, record, nowMs } = options;
  const rotation = new Rotation(options);
  const admin = adminHandler({ ...options, function: 'rotate' }, keysActions(options));
  const watch = adminHandler({ ...options, function: 'rotate' }, watchActions(options));

  return async (event, invocation) => {
    // A step is no action, and so is refused, too.
    if (invocation?.invokedFunctionArn?.endsWith(`:${WATCH_ALIAS}`)) return watch(event, invocation);
    if (typeof event !== 'object' || event === null || !('Step' in event)) return admin(event, invocation);
    const { success, data } = StepEvent.safeParse(event);
    if (!success || !names(data.SecretId, secretName))
      throw new RotationError(`not a step of the rotation of ${secretName}`);
    const line = { message: 'keyset', purpose, region, action: data.Step } as const;
    const request_id = invocation?.awsRequestId;
    try {
      await run(data);
      log({ level: 'INFO', ...line, request_id });
    } catch (error) {
      const told = ownWords(error);
      log({ level: 'ERROR', ...line, request_id, reason: told, ...describeError(error) });
      const reason = told ?? describeError(error).error!;
      const failure = { at: new Date(nowMs()).toISOString(), action: data.Step, reason };
      await record.failed(failure).catch(unrecorded);
      throw new RotationError(`${data.Step} of ${purpose} failed: ${reason}`);
    }
    if (data.Step === 'finishSecret') await record.succeeded().catch(unrecorded);
  };

  /** What came of a rotation is for a person to read: no step fails for it. */
  function unrecorded(error: unknown): void {
    log({ level: 'WARN', message: 'keyset', purpose, region, reason: 'record', ...describeError(error) });
  }

  async function run({ Step, ClientRequestToken, RotationToken }: StepEvent): Promise<void> {
    if (Step === 'createSecret') await rotation.createSecret(ClientRequestToken, RotationToken);
    // Nothing to set elsewhere: readers take what is AWSCURRENT.
    if (Step === 'testSecret') await rotation.testSecret(ClientRequestToken);
    if (Step === 'finishSecret') await rotation.finishSecret(ClientRequestToken);
  }
}

/** By name, or by an ARN: AWS puts six characters behind the name in it. */
const names = (id: string, name: string): boolean =>
  id === name ||
  id.replace(/^arn:[^:]+:secretsmanager:[^:]*:\d*:secret:/, '').replace(/-\w{6}$/, '') === name;
