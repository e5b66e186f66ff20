/**
 * Rotation as Secrets Manager does it: stages a version without a value, then calls the secret's function with the
 * four steps, one after the other, and stops at the first that fails.
 */
import { randomUUID } from 'node:crypto';
import { AwsError } from './protocol.ts';
import type { Secret, SecretStore } from './secret-store.ts';

/** Calls a function by name. Rejects where the function fails. */
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
   * Sets the schedule, where one is given, and starts: AWS answers before the first step is done.
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

  /** Starts what the schedules say is due. One that cannot start now is tried again a period later. */
  rotateDue(): void {
    for (const { name, rotation } of this.#store.all()) {
      if (!rotation || rotation.nextAtMs > this.#nowMs()) continue;
      const { functionArn, rules } = rotation;
      try {
        this.rotate({ secretId: name, token: randomUUID(), functionArn, rules, immediately: true });
      } catch (error) {
        // Left over from one that broke off.
        if (!(error instanceof AwsError)) throw error;
      }
    }
  }

  /** @returns once no rotation is under way */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #start(work: Promise<void>): void {
    // A function that fails has said so in its own log; Secrets Manager leaves the labels as they are.
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

  /** What AWS does when a schedule is set and nothing is to be rotated yet: `testSecret` alone. */
  async #try(secretId: string, token: string): Promise<void> {
    try {
      await this.#run(secretId, token, ['testSecret']);
    } finally {
      this.#store.moveStage(secretId, 'AWSPENDING', token, undefined);
    }
  }
}

/** @throws AwsError InvalidParameterException for a form that is not known here */
function period(rules: Readonly<Record<string, unknown>>): number {
  const { AutomaticallyAfterDays: days, ScheduleExpression: expression } = rules;
  if (typeof days === 'number') return days * UNIT_MS.day!;
  if (expression === undefined) return Number.POSITIVE_INFINITY;
  const [, count, unit] = /^rate\((\d+) (hour|day)s?\)$/.exec(String(expression)) ?? [];
  if (count === undefined)
    throw new AwsError('InvalidParameterException', 'Only rate(n hours|days) is known here');
  return Number(count) * UNIT_MS[unit!]!;
}
