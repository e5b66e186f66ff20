/** A client of one AWS service in its JSON protocol: it signs, sends, and tries again. */
import { setTimeout as delay } from 'node:timers/promises';
import { decodeItems, toJson } from './attribute-values.ts';
import type { AwsCommand } from './commands.ts';
import type { Service } from './endpoint.ts';
import { Exchange, type ExchangeLimits, type HttpAnswer, pathOf } from './exchange.ts';
import { type AwsFailure, awsException, type Metadata, retryAfterMs } from './failure.ts';
import { type Retry, RetryBudget } from './retry.ts';
import { type Credentials, Signer } from './signature.ts';

export interface AwsClientOptions extends ExchangeLimits {
  readonly service: Service;
  /** Before the operation in `X-Amz-Target`. */
  readonly target: string;
  readonly jsonVersion: '1.0' | '1.1';
  readonly region: string;
  readonly credentials: Credentials;
  readonly endpoint: string;
  readonly maxAttempts: number;
  /** A retry waits up to this long, the next one up to twice as long. */
  readonly baseDelayMs: number;
}

/** AWS refuses a signature that is five minutes old. */
const CLOCK_ERROR_MS = 240_000;

export class AwsClient {
  readonly #options: AwsClientOptions;
  readonly #exchange: Exchange;
  readonly #signer: Signer;
  readonly #retries: RetryBudget;
  /** How far AWS's clock is ahead of this one. */
  #clockOffsetMs = 0;

  constructor(options: AwsClientOptions) {
    const endpoint = new URL(options.endpoint);
    this.#options = options;
    this.#signer = new Signer({
      ...options,
      host: endpoint.host,
      path: pathOf(endpoint),
      contentType: `application/x-amz-json-${options.jsonVersion}`,
    });
    this.#exchange = new Exchange(endpoint, options);
    this.#retries = new RetryBudget(options.maxAttempts, options.baseDelayMs);
  }

  /** @throws AwsFailure */
  async send<Output>({ operation, input }: AwsCommand<Output>): Promise<Output> {
    const body = toJson(input);
    let retry: Retry | undefined;
    for (let attempts = 1; ; attempts++) {
      try {
        const output = await this.#attempt(operation, body);
        this.#retries.succeeded(retry);
        return { ...output, $metadata: { ...output.$metadata, attempts } } as Output;
      } catch (error) {
        const failure = error as AwsFailure;
        retry = this.#retries.take(failure, attempts);
        if (!retry)
          throw Object.assign(failure, { $metadata: { ...failure.$metadata, attempts } satisfies Metadata });
        await delay(retry.delayMs);
      }
    }
  }

  async #attempt(operation: string, body: string): Promise<{ $metadata: Metadata }> {
    const signedMs = Date.now() + this.#clockOffsetMs;
    const answer = await this.#exchange.send(
      { ...this.#signer.sign(`${this.#options.target}.${operation}`, body, signedMs) },
      body,
    );
    const { status, headers, text } = answer;
    const skewed = this.#learnClock(answer, signedMs);
    const $metadata = {
      httpStatusCode: status,
      requestId: headers['x-amzn-requestid'] as string | undefined,
    };
    let failure: Error;
    try {
      const data: Record<string, unknown> = text === '' ? {} : JSON.parse(text);
      decodeItems(data);
      if (status < 300) return { ...data, $metadata };
      failure = awsException(status, headers, data);
    } catch (error) {
      failure = error as SyntaxError;
    }
    throw Object.assign(failure, {
      $metadata,
      clockSkewCorrected: skewed,
      retryAfterMs: retryAfterMs(headers, Date.now()),
    });
  }

  /** @returns whether the request was signed with a time that AWS may refuse */
  #learnClock({ headers }: HttpAnswer, signedMs: number): boolean {
    const serverMs = Date.parse(headers.date ?? '');
    if (Number.isNaN(serverMs)) return false;
    this.#clockOffsetMs = serverMs - Date.now();
    return Math.abs(serverMs - signedMs) >= CLOCK_ERROR_MS;
  }

  /** Closes the connections. */
  destroy(): void {
    this.#exchange.destroy();
  }
}
