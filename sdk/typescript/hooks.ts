/** The application's own functions, which a client calls on the way. A call throws what they throw. */
import type { CountersignError } from './errors.ts';

/** A request of a call is about to be sent. */
export interface RequestEvent {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Path, with `{id}` or `{after}` in place of a value. */
  readonly route: string;
  /** Name of the Region. */
  readonly region: string;
  /** From 1. */
  readonly attempt: number;
}

/** A call failed, and is tried again. */
export interface RetryEvent {
  readonly error: CountersignError;
  /** Name of the Region that was asked; undefined where the call failed before it chose one. */
  readonly region: string | undefined;
  /** The attempt that failed, from 1. */
  readonly attempt: number;
  readonly waitMs: number;
}

export interface Hooks {
  /** Called before each request of a call. Discovery and requests for nonces do not count. */
  readonly onRequest?: ((request: RequestEvent) => unknown) | undefined;
  /** Called before each further attempt of a call. */
  readonly onRetry?: ((retry: RetryEvent) => unknown) | undefined;
  /**
   * Called once for all calls that wait for the client's quota, with how long that takes, in milliseconds.
   */
  readonly onQuotaWait?: ((waitMs: number) => unknown) | undefined;
}
