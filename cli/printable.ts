/**
 * Makes text from others safe for a terminal: registered data, file headers, names in certificates, problem
 * texts. A control character can move the cursor or forge a line. A bidirectional character changes the order
 * in which text is shown. An invisible character hides.
 */

/**
 * Kept, since some scripts and emoji need them: the joiners U+200C and U+200D, and the variation selectors
 * U+FE0E and U+FE0F.
 */
const UNSAFE =
  /[[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]--[\u200c\u200d\ufe0e\ufe0f]]/gv;
const SHORT: Readonly<{ [character: string]: string }> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Escapes as JSON does, so a JSON document keeps its meaning. Escaping twice changes nothing more. */
export const printable = (text: string): string =>
  text.replace(UNSAFE, (character) => SHORT[character] ?? character.split('').map(escaped).join(''));

const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** A stream that a command writes to. */
export interface Out {
  /**
   * Writes one line, or a part of one. Line breaks at either end are kept. A line break in between is data:
   * it is escaped.
   */
  write(text: string): void;
}

/** Wraps a stream so that everything written to it is printable. */
export function printableOut(stream: NodeJS.WritableStream): Out {
  return {
    write(text) {
      let start = 0;
      let end = text.length;
      while (text[start] === '\n') start += 1;
      while (end > start && text[end - 1] === '\n') end -= 1;
      stream.write(text.slice(0, start) + printable(text.slice(start, end)) + text.slice(end));
    },
  };
}

/** Writes a text whose line breaks are its own, such as help or what `cdk` printed: each line by itself. */
export function writeLines(out: Out, text: string): void {
  for (const line of text.split(/(?<=\n)/)) out.write(line);
}

/** As a POSIX shell takes it for one word. */
export const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
