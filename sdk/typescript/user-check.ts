/** Checks users by the platform's registration schema, before they are sent. */
import type { Violation } from '../../protocol/problem.ts';
import { type CountersignError, problemError } from './errors.ts';

/** @returns each bad field; none for a user that the schema takes */
export type UserCheck = (user: unknown) => readonly Violation[];

/** Makes the check of a JSON Schema. */
export type CompileCheck = (schema: object) => UserCheck;

/** @returns the error that the platform would answer with; undefined for a user that it takes */
export type Precheck = (schema: object, user: unknown) => CountersignError | undefined;

/**
 * @param compile makes a check, once for each schema
 * @param onUnusable a schema that cannot be compiled checks nothing: the platform does
 */
export function createPrecheck(compile: CompileCheck, onUnusable: () => void): Precheck {
  let held: { readonly text: string; readonly check: UserCheck } | undefined;
  return (schema, user) => {
    // Discovery brings the same schema again and again.
    const text = JSON.stringify(schema);
    if (held?.text !== text) held = { text, check: compiled(schema) };
    const errors = held.check(user);
    if (errors.length === 0) return undefined;
    const detail = 'The user does not fit the registration schema; nothing was sent.';
    return problemError(
      { code: 'invalid_registration', title: 'Invalid registration', detail, errors },
      { status: 422, requestId: undefined, retryAfterMs: undefined },
    );
  };

  function compiled(schema: object): UserCheck {
    try {
      return compile(schema);
    } catch {
      onUnusable();
      return () => [];
    }
  }
}
