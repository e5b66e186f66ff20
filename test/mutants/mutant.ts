/** A mutant: one change to the code that removes one guarantee. */
export interface Mutant {
  /** A name in docs/guarantees.md. */
  readonly guarantee: string;
  readonly file: string;
  /** Text that occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** The tests that must fail, separated by spaces. */
  readonly tests: string;
}

export const mutant = (
  guarantee: string,
  file: string,
  find: string,
  replace: string,
  tests: string,
): Mutant => ({ guarantee, file, find, replace, tests });

/** @returns the file's text with the mutant in it; undefined if it does not apply exactly once */
export const mutated = ({ find, replace }: Mutant, text: string): string | undefined =>
  text.split(find).length === 2 ? text.replace(find, () => replace) : undefined;
