/**
 * Others' text on a terminal: registered data, file headers, names in certificates, problem texts. A control character in
 * it can move the cursor or forge a line, a bidirectional one shows it in another order, an invisible one hides in it.
 */

/** Kept, since some scripts and emoji need them: the joiners U+200C and U+200D, and the variation selectors U+FE0E and U+FE0F. */
const UNSAFE =
  /[[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]--[\u200c\u200d\ufe0e\ufe0f]]/gv;
const SHORT: Readonly<{ [character: string]: string }> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Uses JSON's escapes, so that a JSON document stays the same document. Escaping twice changes nothing. */
export const printable = (text: string): string =>
  text.replace(UNSAFE, (character) => SHORT[character] ?? character.split('').map(escaped).join(''));

const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** What a command writes to. */
export interface Out {
  /** Writes one line, or a part of one. Line breaks at either end are kept; one in between is data, and is escaped. */
  write(text: string): void;
}

/** Everything that a command writes passes here. */
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

/** Text of our own in several lines. */
export function writeLines(out: Out, text: string): void {
  for (const line of text.split(/(?<=\n)/)) out.write(line);
}
