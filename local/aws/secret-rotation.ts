/**
 * Rotation as Secrets Manager does it: it adds a version without a value, then calls the secret's function
 * with the four steps, one after the other, and stops at the first step that fails.
 */
import { randomUUID } from 'node:crypto';
import { AwsError } from './protocol.ts';
import type { Secret, SecretStore } from './secret-store.ts';

/** Calls a function by name. Rejects if the function fails. */
export type Invoke = (functionName: string, event: object) => Promise<unknown>;

const STEPS = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const;
const UNIT_MS: Readonly<Record<string, number>> = { hour: 3_600_000, day: 86_400_000 };

export interface RotateRequest {
  readonly secretId: string;
  readonly token: string;
  readonly functionArn: string | undefined;
  readonly rules: Readonly<Record<string, unknown>> | undefined;
  readonly immediately: boolean;
}

export class SecretRotation {
  readonly #store: SecretStore;
  readonly #invoke: Invoke;
  readonly #nowMs: () => number;
  readonly #arn: (secret: Secret) => string;
  readonly #running = new Set<Promise<void>>();

  constructor(store: SecretStore, invoke: Invoke, nowMs: () => number, arn: (secret: Secret) => string) {
    this.#store = store;
    this.#invoke = invoke;
    this.#nowMs = nowMs;
    this.#arn = arn;
  }

  /**
   * Sets the schedule, if one is given, and starts the rotation. As on AWS, it returns before the first step
   * is done.
   *
   * @throws AwsError InvalidRequestException without a function, or while a rotation is not finished
   */
  rotate({ secretId, token, functionArn, rules, immediately }: RotateRequest): void {
    const secret = this.#store.find(secretId);
    const arn = functionArn ?? secret.rotation?.functionArn;
    if (arn === undefined)
      throw new AwsError(
        'InvalidRequestException',
        'No Lambda rotation function ARN is associated with this secret.',
      );
    const asked = rules ?? secret.rotation?.rules ?? {};
    const periodMs = period(asked);
    this.#store.setRotation(secretId, {
      functionArn: arn,
      functionName: arn.split(':function:').at(-1)!,
      rules: asked,
      periodMs,
      nextAtMs: this.#nowMs() + periodMs,
      lastAtMs: secret.rotation?.lastAtMs ?? null,
    });
    this.#store.stagePending(secretId, token);
    this.#start(immediately ? this.#run(secretId, token, STEPS) : this.#try(secretId, token));
  }

  /** Starts every rotation that is due. A rotation that cannot start is tried again a period later. */
  rotateDue(): void {
    for (const { name, rotation } of this.#store.all()) {
      if (!rotation || rotation.nextAtMs > this.#nowMs()) continue;
      const { functionArn, rules } = rotation;
      try {
        this.rotate({ secretId: name, token: randomUUID(), functionArn, rules, immediately: true });
      } catch (error) {
        // An interrupted rotation left its version behind.
        if (!(error instanceof AwsError)) throw error;
      }
    }
  }

  /** Resolves once no rotation runs. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #start(work: Promise<void>): void {
    // A function that fails logs the reason itself. Secrets Manager then leaves the labels as they are.
    const running = work.catch(() => {}).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #run(secretId: string, token: string, steps: readonly (typeof STEPS)[number][]): Promise<void> {
    const secret = this.#store.find(secretId);
    const { functionName } = secret.rotation!;
    const SecretId = this.#arn(secret);
    for (const Step of steps)
      await this.#invoke(functionName, {
        Step,
        SecretId,
        ClientRequestToken: token,
        RotationToken: randomUUID(),
      });
    if (!steps.includes('finishSecret')) return;
    this.#store.setRotation(secretId, { ...this.#store.find(secretId).rotation!, lastAtMs: this.#nowMs() });
  }

  /** Runs only `testSecret`, as AWS does when a schedule is set without an immediate rotation. */
  async #try(secretId: string, token: string): Promise<void> {
    try {
      await this.#run(secretId, token, ['testSecret']);
    } finally {
      this.#store.moveStage(secretId, 'AWSPENDING', token, undefined);
    }
  }
}

/**
 * @returns milliseconds @throws AwsError InvalidParameterException for a form that this stand-in does not
 * support
 */
function period(rules: Readonly<Record<string, unknown>>): number {
  const { AutomaticallyAfterDays: days, ScheduleExpression: expression } = rules;
  if (typeof days === 'number') return days * UNIT_MS.day!;
  if (expression === undefined) return Number.POSITIVE_INFINITY;
  const [, count, unit] = /^rate\((\d+) (hour|day)s?\)$/.exec(String(expression)) ?? [];
  if (count === undefined)
    throw new AwsError('InvalidParameterException', 'Only rate(n hours|days) is supported here');
  return Number(count) * UNIT_MS[unit!]!;
}
