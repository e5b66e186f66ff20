/** The environment's variables, on a runtime that has them. */
interface Runtime {
  readonly process?: { readonly env?: Readonly<Record<string, string | undefined>> };
}

/** @returns undefined where the variable is not set, or empty */
export const environment = (name: string): string | undefined =>
  (globalThis as Runtime).process?.env?.[name] || undefined;
