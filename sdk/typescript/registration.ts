/** Users as a client sends them, and registrations as the platform returns them. */
import { InvalidArgumentError } from './errors.ts';
import { type Answer, unexpectedAnswer } from './http.ts';

/** A user in the default registration schema. An operator's own schema may differ. */
export interface User {
  readonly user_id: string;
  readonly email?: string;
  readonly display_name?: string;
  readonly attributes?: Readonly<Record<string, unknown>>;
}

/** What every user has, by whatever schema: the platform itself needs it. */
export type WithUserId = Pick<User, 'user_id'>;

/** A stored registration. */
export interface Registration<U = User> {
  /** 43 characters of base64url. */
  readonly id: string;
  readonly client_id: string;
  readonly user_id: string;
  /** RFC 3339, UTC. */
  readonly created_at: string;
  /** The user as registered. */
  readonly data: U;
  /** Strong entity tag of `data` (RFC 9110, section 8.8.3). */
  readonly etag: string;
}

/** The answer to a registration. */
export interface Registered<U = User> extends Registration<U> {
  /**
   * Whether the user was registered before. Advisory: after an unclear answer, a first registration may look
   * repeated.
   */
  readonly replayed: boolean;
}

/**
 * @returns the user as JSON in UTF-8
 * @throws InvalidArgumentError where JSON cannot express the user. The message never quotes the user.
 */
export function encodeUser(user: object): Uint8Array {
  let text: string | undefined;
  try {
    if (typeof user === 'object' && user !== null) text = JSON.stringify(user);
  } catch {
    // Drop the engine's own message: it may quote the user.
  }
  if (text === undefined) throw new InvalidArgumentError('the user must be an object that JSON can express');
  return new TextEncoder().encode(text);
}

/**
 * @param expected members that the answer must have, such as the client that asked
 * @throws UnexpectedAnswerError, also where the answer is of another client, user or registration
 */
export function readRegistration<U>(
  answer: Answer,
  expected: Partial<Pick<Registration, 'id' | 'client_id' | 'user_id'>>,
): Registration<U> {
  const { id, client_id, user_id, created_at, data } = (answer.json ?? {}) as Record<string, unknown>;
  const complete = [id, client_id, user_id, created_at].every((text) => typeof text === 'string');
  const asked = { id, client_id, user_id, ...expected };
  const same = asked.id === id && asked.client_id === client_id && asked.user_id === user_id;
  if (!complete || !same || typeof data !== 'object' || data === null) throw unexpectedAnswer(answer);
  const etag = answer.headers.get('ETag') ?? '';
  return { id, client_id, user_id, created_at, data, etag } as Registration<U>;
}
