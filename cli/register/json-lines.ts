/** Users from JSON Lines: one object a line. A failures file of an earlier run is one, too. */
import type { Readable } from 'node:stream';
import { type InputRecord, isBroken, isFailureLine, NOT_UTF8 } from './record.ts';

export async function* readJsonLines(input: Readable): AsyncGenerator<InputRecord, void, void> {
  let line = 0;
  let endByte = 0;
  for await (const text of splitLines(input)) {
    line += 1;
    endByte += Buffer.byteLength(text) + 1;
    const content = line === 1 ? text.replace(/^\uFEFF/, '') : text;
    if (content.trim() === '') continue;
    yield { line, endByte, ...readUser(content) };
  }
}

type Content = { readonly user: object } | { readonly text: string; readonly message: string };

function readUser(text: string): Content {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { text, message: isBroken(text) ? NOT_UTF8 : 'is not JSON' };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { text, message: 'is not a JSON object' };
  if (isFailureLine(value)) return value.user ? { user: value.user } : readUser(value.text ?? '');
  return isBroken(text) ? { text, message: NOT_UTF8 } : { user: value };
}

/** By LF alone, with or without CR: unlike node:readline, which also splits at characters that JSON allows in texts. */
async function* splitLines(input: Readable): AsyncGenerator<string, void, void> {
  let rest = '';
  for await (const chunk of input.setEncoding('utf8')) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) yield line.replace(/\r$/, '');
  }
  if (rest !== '') yield rest;
}
