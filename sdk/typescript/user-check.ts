/** Checks of users by the platform's registration schema, before they are sent. */
import type { Violation } from '../../protocol/problem.ts';

/** @returns each bad field; none for a user that the schema takes */
export type UserCheck = (user: unknown) => readonly Violation[];

/** Makes the check of a JSON Schema. */
export type CompileCheck = (schema: object) => UserCheck;
