/**
 * A line of the log. Metric filters count lines by these fields, so that a filter and what it counts agree.
 */
export interface LogEntry {
  readonly level: 'INFO' | 'WARN' | 'ERROR';
  readonly message:
    | 'request'
    | 'audit'
    | 'callback'
    | 'keyset'
    | 'table'
    | 'evacuation'
    | 'writes'
    | 'enrolment'
    | 'outbox';
  readonly request_id?: string | undefined;
  readonly function?: string | undefined;
  readonly region?: string | undefined;
  readonly method?: string | undefined;
  /** API Gateway's resource. Never the path: the caller writes that. */
  readonly route?: string | undefined;
  readonly status?: number | undefined;
  readonly code?: string | undefined;
  /** The rule that refused, e.g. `htu`. */
  readonly reason?: string | undefined;
  /** The reason of a refusal, for operators. It never quotes a value of the request. */
  readonly detail?: string | undefined;
  readonly client_id?: string | undefined;
  /**
   * Client and generation that a strict key in the request names. It is not verified: anybody can write such
   * a key.
   */
  readonly exposed_key?: string | undefined;
  readonly duration_ms?: number | undefined;
  readonly action?: string | undefined;
  readonly target?: string | undefined;
  readonly purpose?: string | undefined;
  /** An error's class. Its message may quote input, so it is left out. */
  readonly error?: string | undefined;
  readonly stack?: readonly string[] | undefined;
}
