/**
 * The rotation function of one purpose. Secrets Manager calls it with a step, an operator with an action.
 * Lambda prints what it throws, and Secrets Manager shows it: so its messages name other errors and quote
 * nothing of them.
 */
import * as z from 'zod';
import { type AdminContext, adminHandler } from '../admin/actions.ts';
import { WATCH_ALIAS } from '../contract/names.ts';
import { describeError } from '../log.ts';
import { type KeysActionsOptions, keysActions, watchActions } from './actions.ts';
import { Rotation } from './rotation.ts';
import { ownWords, RotationError } from './rotation-error.ts';

export interface RotateOptions
  extends Omit<KeysActionsOptions, 'rotation'>,
    Omit<AdminContext, 'log' | 'function'> {
  /** The secret's name. Steps for any other secret are refused. */
  readonly secretName: string;
}

export interface Invocation {
  readonly awsRequestId: string;
  /** The ARN that was called. It ends in an alias if the caller named one. */
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
  const operated = { ...options, rotation };
  const admin = adminHandler({ ...options, function: 'rotate' }, keysActions(operated));
  const watch = adminHandler({ ...options, function: 'rotate' }, watchActions(operated));

  return async (event, invocation) => {
    // The alias serves actions only: a step is refused, too.
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
      const known = ownWords(error);
      log({ level: 'ERROR', ...line, request_id, reason: known, ...describeError(error) });
      const reason = known ?? describeError(error).error!;
      const failure = { at: new Date(nowMs()).toISOString(), action: data.Step, reason };
      await record.failed(failure).catch(unrecorded);
      throw new RotationError(`${data.Step} of ${purpose} failed: ${reason}`);
    }
    if (data.Step === 'finishSecret') await record.succeeded().catch(unrecorded);
  };

  /** The record is for people to read: a step succeeds without it. */
  function unrecorded(error: unknown): void {
    log({ level: 'WARN', message: 'keyset', purpose, region, reason: 'record', ...describeError(error) });
  }

  async function run({ Step, ClientRequestToken, RotationToken }: StepEvent): Promise<void> {
    if (Step === 'createSecret') await rotation.createSecret(ClientRequestToken, RotationToken);
    // setSecret has nothing to do: readers take what is AWSCURRENT.
    if (Step === 'testSecret') await rotation.testSecret(ClientRequestToken);
    if (Step === 'finishSecret') await rotation.finishSecret(ClientRequestToken);
  }
}

/** Whether `id` is the name, or an ARN with the name, a hyphen and six characters that AWS adds. */
const names = (id: string, name: string): boolean =>
  id === name ||
  id.replace(/^arn:[^:]+:secretsmanager:[^:]*:\d*:secret:/, '').replace(/-\w{6}$/, '') === name;
