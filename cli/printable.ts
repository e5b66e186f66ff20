/**
 * Others' text on a terminal: registered data, file headers, names in certificates, problem texts. A control character in
 * it can move the cursor or forge a line, a bidirectional one shows it in another order, an invisible one hides in it.
 */

/** But for the joiners U+200C and U+200D, which some scripts and emoji need. */
const UNSAFE = /[[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]--[\u200c\u200d]]/gv;
const SHORT: Readonly<{ [character: string]: string }> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** By JSON's escapes: a JSON document stays the same document. Twice is as once. */
export const printable = (text: string): string =>
  text.replace(UNSAFE, (character) => SHORT[character] ?? character.split('').map(escaped).join(''));

const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** What a command writes to. */
export interface Out {
  /** One line, or a part of one: a line break counts at either end alone; one within is somebody's data. */
  write(text: string): void;
}

/** All that a command writes passes here. */
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
