/**
 * Reads users from JSON Lines: one object per line. The failures file of an earlier run has this form too.
 */
import type { Readable } from 'node:stream';
import { isJsonObject, parseJson } from '../../protocol/json.ts';
import { usage } from '../io.ts';
import { decode, failureIn, type InputRecord, unreadable } from './record.ts';
import { splitRecords } from './split.ts';

export async function* readJsonLines(input: Readable): AsyncGenerator<InputRecord, void, void> {
  let isFirst = true;
  for await (const raw of splitRecords(input, 'jsonl')) {
    const decoded = decode(raw);
    if (decoded.message === undefined && BLANK.test(decoded.text)) continue;
    // Of an array over several lines, the last element alone could be read as a user.
    if (isFirst && /^[ \t\r]*\[/.test(decoded.text))
      throw usage(
        'the file is a JSON array, and JSON Lines has one object on each line: with jq, `jq -c ".[]" FILE` writes them',
      );
    isFirst = false;
    const content = decoded.message === undefined ? readUser(decoded.text) : decoded;
    if ('user' in content) yield { line: raw.line, endByte: raw.endByte, user: content.user };
    else yield unreadable(raw, content.text, content.message!);
  }
}

/** White space as JSON has it (RFC 8259 §2). Anything else that shows nothing is a line that is not JSON. */
const BLANK = /^[ \t\r\n]*$/;

/** Deeper than the platform takes: it says so itself. */
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
  if ('user' in failure || failure.message !== undefined) return failure;
  const corrected = readUser(failure.text);
  return 'message' in corrected && corrected.message === 'is not JSON'
    ? { ...corrected, message: TEXT_IS_NOT_JSON }
    : corrected;
}

/** Of a CSV file as well: a failure line does not name the columns. */
const TEXT_IS_NOT_JSON =
  'has a "text" that is not JSON: put the user there as "user":{"user_id":…} in its place, also if the text is of a CSV file';

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
