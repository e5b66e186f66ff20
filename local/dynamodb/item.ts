/** Items as DynamoDB's JSON has them: `{"pk":{"S":"…"}}`. */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { validation } from './exception.ts';

/**
 * The SDK's type. Off the wire a binary value is base64 text instead of bytes; nothing here looks into it.
 */
export type Item = Record<string, AttributeValue>;

/**
 * Names of the key's attributes: the partition key, then perhaps the sort key. In this platform they are
 * strings, or whole numbers that are not negative.
 */
export type KeySchema = readonly string[];

/** 400 KB, names included (Amazon DynamoDB developer guide, "Constraints"). */
const MAX_ITEM_BYTES = 400 * 1024;

/**
 * @returns the key as one text, by which items are found and sorted @throws DynamodbException
 * ValidationException
 */
export function keyText(keys: KeySchema, item: Item): string {
  return keys
    .map((name) => {
      const { S, N } = item[name] ?? {};
      // Padded, so that texts have the order of the numbers.
      const text = S ?? N?.padStart(20, '0');
      if (text === undefined) throw validation(`The provided key element does not match the schema: ${name}`);
      if (text === '')
        throw validation(`The AttributeValue for a key attribute cannot be empty. Key: ${name}`);
      return text;
    })
    .join('\u0000');
}

export const keyOf = (keys: KeySchema, item: Item): Item =>
  Object.fromEntries(keys.map((name) => [name, item[name]!]));

/** @throws DynamodbException ValidationException */
export function checkSize(item: Item): void {
  // DynamoDB counts a number as fewer bytes and a container as a few more: close enough for a limit of 400
  // KB.
  if (Buffer.byteLength(JSON.stringify(item)) > MAX_ITEM_BYTES)
    throw validation('Item size has exceeded the maximum allowed size');
}
