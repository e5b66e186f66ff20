/**
 * When a call is tried again, as the AWS SDK's standard mode decides it (docs/decisions/0034): three kinds of
 * failure, full jitter, and a budget that retries share, so that a store in trouble gets no storm of them.
 */
import type { AwsFailure } from './failure.ts';

/** AWS's names for "too many requests". */
const THROTTLING = new Set([
  'BandwidthLimitExceeded',
  'EC2ThrottledException',
  'LimitExceededException',
  'PriorRequestNotComplete',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'SlowDown',
  'ThrottledException',
  'Throttling',
  'ThrottlingException',
  'TooManyRequestsException',
  'TransactionInProgressException',
]);
/** The first three are the transport's, the last DynamoDB's own for a concurrent write in another Region. */
const TRANSIENT = new Set([
  'TimeoutError',
  'RequestTimeout',
  'RequestTimeoutException',
  'ReplicatedWriteConflictException',
]);
const TRANSIENT_STATUS = new Set([500, 502, 503, 504]);
/** Node's codes for connections that break or cannot be made. */
const NETWORK = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

export type Retryable = 'throttling' | 'transient';

/** @returns undefined for a failure that another attempt would meet again */
export function retryable(error: AwsFailure): Retryable | undefined {
  const status = error.$metadata?.httpStatusCode ?? 0;
  if (status === 429 || THROTTLING.has(error.name)) return 'throttling';
  const transient =
    TRANSIENT.has(error.name) ||
    TRANSIENT_STATUS.has(status) ||
    NETWORK.has(error.code ?? '') ||
    error.clockSkewCorrected ||
    (error.name === 'InvalidSignatureException' && error.message.includes('Signature expired'));
  return transient ? 'transient' : undefined;
}

const COST = { throttling: 5, transient: 14 } as const;
const THROTTLING_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 20_000;
/**
 * How much longer than its own delay a client waits if the service asks for it. The SDK waits for five
 * seconds: two such waits are all the time that a function has.
 */
const LONGEST_HINT_MS = 1_000;
const BUDGET = 500;

export interface Retry {
  readonly delayMs: number;
  /** What the retry took from the budget; its success gives that back. */
  readonly cost: number;
}

export class RetryBudget {
  readonly #maxAttempts: number;
  readonly #baseDelayMs: number;
  #left = BUDGET;

  constructor(maxAttempts: number, baseDelayMs: number) {
    this.#maxAttempts = maxAttempts;
    this.#baseDelayMs = baseDelayMs;
  }

  /** @param attempts how many have failed @returns undefined where the failure is final */
  take(error: AwsFailure, attempts: number): Retry | undefined {
    const kind = retryable(error);
    if (!kind || attempts >= this.#maxAttempts || this.#left < COST[kind]) return undefined;
    this.#left -= COST[kind];
    const base = kind === 'throttling' ? THROTTLING_DELAY_MS : this.#baseDelayMs;
    const delayMs = Math.floor(Math.random() * Math.min(base * 2 ** (attempts - 1), LONGEST_DELAY_MS));
    const hintMs = Math.min(error.retryAfterMs ?? 0, delayMs + LONGEST_HINT_MS);
    return { delayMs: Math.max(delayMs, hintMs), cost: COST[kind] };
  }

  /** @param retry the last one of the call, if it had any */
  succeeded(retry: Retry | undefined): void {
    this.#left = Math.min(BUDGET, this.#left + (retry?.cost ?? 1));
  }
}
