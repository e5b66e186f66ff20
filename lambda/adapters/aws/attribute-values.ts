/** DynamoDB's attribute values: bytes travel as Base64, everything else as it is. */
import type { Item } from '../dynamodb.ts';

/** @returns JSON of an operation's input */
export const toJson = (input: object): string => JSON.stringify(input, bytesAsBase64);

/** `JSON.stringify` has called a Buffer's `toJSON` before it asks, so the object itself is looked at. */
function bytesAsBase64(this: Record<string, unknown>, name: string, value: unknown): unknown {
  const raw = this[name];
  if (!(raw instanceof Uint8Array)) return value;
  return Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('base64');
}

/** Decodes the bytes in an answer, or in an exception that names the item it found. */
export function decodeItems(answer: Record<string, unknown>): void {
  for (const name of ['Item', 'Attributes', 'LastEvaluatedKey'])
    if (answer[name]) decodeItem(answer[name] as Item);
  for (const item of (answer.Items as Item[] | undefined) ?? []) decodeItem(item);
}

function decodeItem(item: Item): void {
  for (const name in item) decode(item[name] as Encoded);
}

/** As it travels. */
interface Encoded {
  B?: string | Uint8Array;
  BS?: (string | Uint8Array)[];
  readonly L?: Encoded[];
  readonly M?: Item;
}

function decode(value: Encoded): void {
  if (value.B !== undefined) value.B = fromBase64(value.B);
  else if (value.BS) value.BS = value.BS.map(fromBase64);
  else if (value.L) value.L.forEach(decode);
  else if (value.M) decodeItem(value.M);
}

const fromBase64 = (text: string | Uint8Array): Uint8Array =>
  typeof text === 'string' ? new Uint8Array(Buffer.from(text, 'base64')) : text;
