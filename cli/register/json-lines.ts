/** Reads users from JSON Lines: one object per line. The failures file of an earlier run has this form too. */
import type { Readable } from 'node:stream';
import { isJsonObject, parseJson } from '../../protocol/json.ts';
import { decode, failureIn, type InputRecord, unreadable } from './record.ts';
import { splitRecords } from './split.ts';

export async function* readJsonLines(input: Readable): AsyncGenerator<InputRecord, void, void> {
  for await (const raw of splitRecords(input, 'jsonl')) {
    const decoded = decode(raw);
    if (decoded.message === undefined && decoded.text.trim() === '') continue;
    const content = decoded.message === undefined ? readUser(decoded.text) : decoded;
    if ('user' in content) yield { line: raw.line, endByte: raw.endByte, user: content.user };
    else yield unreadable(raw, content.text, content.message!);
  }
}

/** Deeper than the platform accepts: so the platform refuses such a user with its own message. */
const LIMITS = { maxDepth: 40, refuseProto: false };
const AMBIGUOUS =
  'is ambiguous JSON: it names a member twice, has a number too large for a double or half of a surrogate pair, or is too deep';

type Content = { readonly user: object } | { readonly text: string; readonly message?: string };

function readUser(text: string): Content {
  const json = parseJson(new TextEncoder().encode(text), LIMITS);
  if (!json) return { text, message: isJson(text) ? AMBIGUOUS : 'is not JSON' };
  if (!isJsonObject(json.value)) return { text, message: 'is not a JSON object' };
  const failure = failureIn(json.value);
  if (!failure) return { user: json.value };
  return 'user' in failure || failure.message !== undefined ? failure : readUser(failure.text);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
