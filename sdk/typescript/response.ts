/** What the platform said beside the result of a call. */
import { type Answer, requestIdOf } from './http.ts';
import { shownHeaders } from './loggable.ts';

/** The result of a call, and the answer that brought it. */
export interface CallResponse<T> {
  readonly data: T;
  readonly status: number;
  /** Id of the request in the platform's log. */
  readonly requestId: string | undefined;
  /** Name of the Region that answered. */
  readonly region: string;
  /** How often the call sent its request. */
  readonly attempts: number;
  /** The answer's headers that hold no secret, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A call under way. It resolves to the result alone. */
export interface ResponsePromise<T> extends Promise<T> {
  /**
   * @returns the result, and what the platform said beside it
   * @example
   * const { data, requestId, region } = await client.register(user).withResponse();
   */
  withResponse(): Promise<CallResponse<T>>;
}

export function responseOf<T>(
  data: T,
  { status, headers }: Answer,
  region: string,
  attempts: number,
): CallResponse<T> {
  const requestId = requestIdOf(headers);
  return { data, status, requestId, region, attempts, headers: shownHeaders(headers) };
}

export function responsePromise<T>(response: Promise<CallResponse<T>>): ResponsePromise<T> {
  const result = response.then(({ data }) => data);
  const withResponse = () => {
    // The caller follows the response instead: nobody else sees that the result failed.
    result.catch(() => {});
    return response;
  };
  return Object.assign(result, { withResponse });
}
