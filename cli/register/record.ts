/** One line of an input file: a user, or text in which there is none. */

interface Position {
  /** From 1. Of a record over several lines, the first. */
  readonly line: number;
  /** Bytes of the file up to this record's end. */
  readonly endByte: number;
}

export type InputRecord =
  | (Position & { readonly user: object })
  | (Position & { readonly text: string; readonly message: string });

/** What of a line of JSON Lines is a failure of an earlier run: the user, or the text, is to be tried again. */
export interface FailureLine {
  readonly line: number;
  readonly user?: object;
  readonly text?: string;
  readonly error: { readonly code: string; readonly message: string; readonly errors?: readonly unknown[] };
}

/** @returns whether a value has exactly the members of a failure line */
export function isFailureLine(value: object): value is FailureLine {
  const members = Object.keys(value).sort().join();
  return members === 'error,line,user' || members === 'error,line,text';
}

/** What decoding puts where bytes are no UTF-8: such a name would be stored broken. */
export const isBroken = (text: string): boolean => text.includes('\uFFFD');
export const NOT_UTF8 = 'is not UTF-8; save the file in that encoding';
