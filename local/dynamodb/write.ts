/**
 * The effect of PutItem, UpdateItem and DeleteItem on their item. Pure functions: the caller keeps the store.
 */
import { DynamodbException, validation } from './exception.ts';
import { condition, type Placeholders, update } from './expressions.ts';
import { checkSize, type Item, type KeySchema, keyOf, keyText } from './item.ts';

export const WRITES = ['PutItem', 'UpdateItem', 'DeleteItem'] as const;
export type TableWrite = (typeof WRITES)[number];

export interface WriteInput extends Placeholders {
  readonly TableName?: string | undefined;
  /** Only PutItem has it. */
  readonly Item?: Item | undefined;
  /** Only UpdateItem and DeleteItem have it. */
  readonly Key?: Item | undefined;
  readonly UpdateExpression?: string | undefined;
  readonly ConditionExpression?: string | undefined;
  readonly ReturnValues?: string | undefined;
  readonly ReturnValuesOnConditionCheckFailure?: string | undefined;
}

export interface Written {
  /** The item after the write; undefined if there is none. */
  readonly item: Item | undefined;
  readonly answer: { readonly Attributes?: Item };
}

/** @returns the key of the item that is written @throws DynamodbException ValidationException */
export const writtenKey = (keys: KeySchema, { Item: item, Key }: WriteInput): string =>
  keyText(keys, item ?? Key ?? {});

/**
 * @param held the item that stands there
 * @throws DynamodbException ConditionalCheckFailedException, ValidationException
 */
export function write(
  operation: TableWrite,
  input: WriteInput,
  held: Item | undefined,
  keys: KeySchema,
): Written {
  checkCondition(input, held);
  if (operation === 'DeleteItem') return { item: undefined, answer: old(input, held) };
  if (operation === 'PutItem') {
    checkSize(input.Item!);
    return { item: input.Item!, answer: old(input, held) };
  }
  const key = keyOf(keys, input.Key!);
  const item: Item = { ...(held ?? key) };
  if (input.UpdateExpression !== undefined) update(input.UpdateExpression)(item, input);
  if (keyText(keys, item) !== keyText(keys, key))
    throw validation('Cannot update attribute: this attribute is part of the key');
  checkSize(item);
  return { item, answer: updated(input, held, item, keys) };
}

function checkCondition(input: WriteInput, held: Item | undefined): void {
  const { ConditionExpression, ReturnValuesOnConditionCheckFailure } = input;
  if (ConditionExpression === undefined || condition(ConditionExpression)(held, input)) return;
  const beside = ReturnValuesOnConditionCheckFailure === 'ALL_OLD' && held ? { Item: held } : {};
  throw new DynamodbException(
    'ConditionalCheckFailedException',
    'The conditional request failed',
    400,
    beside,
  );
}

const old = ({ ReturnValues }: WriteInput, held: Item | undefined): Written['answer'] =>
  ReturnValues === 'ALL_OLD' && held ? { Attributes: held } : {};

function updated(input: WriteInput, held: Item | undefined, item: Item, keys: KeySchema): Written['answer'] {
  if (input.ReturnValues === 'ALL_NEW') return { Attributes: item };
  if (input.ReturnValues !== 'UPDATED_NEW') return old(input, held);
  const changed = Object.entries(item).filter(
    ([name, value]) => value !== held?.[name] && !keys.includes(name),
  );
  return { Attributes: Object.fromEntries(changed) };
}
