/** Reads a function's variables. The table of them is for `lib` alone, so no bundle holds it. */
import type { Environment, Variable } from '../../contract/environment.ts';

/**
 * @returns the variable's value
 * @throws Error that names the variable, where it is missing or empty
 */
export function requireEnv(env: Environment, name: Variable): string {
  const value = env[name];
  if (value === undefined || value === '') throw new Error(`environment variable ${name} is not set`);
  return value;
}

/** @throws Error that names the variable, where it is not a number */
export function numberFrom(env: Environment, name: Variable): number {
  const value = Number(requireEnv(env, name));
  if (!Number.isFinite(value) || value < 0) throw new Error(`environment variable ${name} is not a number`);
  return value;
}
