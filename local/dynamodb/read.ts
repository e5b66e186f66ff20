/** The results of Query and Scan over the items of a table, page by page. */
import { condition, type Placeholders } from './expressions.ts';
import { type Item, type KeySchema, keyOf, keyText } from './item.ts';

export interface PageInput extends Placeholders {
  readonly KeyConditionExpression?: string | undefined;
  readonly FilterExpression?: string | undefined;
  readonly Limit?: number | undefined;
  readonly ExclusiveStartKey?: Item | undefined;
  readonly ScanIndexForward?: boolean | undefined;
  readonly Select?: string | undefined;
}

export interface Page {
  readonly Items?: readonly Item[];
  readonly Count: number;
  readonly ScannedCount: number;
  readonly LastEvaluatedKey?: Item;
}

/** @param items all of the table, in the order of their keys @throws DynamodbException, SyntaxError */
export function page(input: PageInput, items: readonly Item[], keys: KeySchema): Page {
  const { KeyConditionExpression, FilterExpression, Limit, ExclusiveStartKey, Select } = input;
  const forward = input.ScanIndexForward !== false;
  const ordered = forward ? items : items.toReversed();
  const after = ExclusiveStartKey && keyText(keys, ExclusiveStartKey);
  const isAfter = (item: Item) =>
    after === undefined || (forward ? keyText(keys, item) > after : keyText(keys, item) < after);
  const inRange = KeyConditionExpression === undefined ? () => true : condition(KeyConditionExpression);
  const candidates = ordered.filter((item) => isAfter(item) && inRange(item, input));
  // The limit counts items before the filter (Amazon DynamoDB API reference, "Query").
  const seen = Limit === undefined ? candidates : candidates.slice(0, Limit);
  const matches = FilterExpression === undefined ? () => true : condition(FilterExpression);
  const found = seen.filter((item) => matches(item, input));
  // A page that ended at the limit names its last key, even if nothing follows. Only a page without that key
  // is the last.
  const last = seen.length === Limit ? seen.at(-1) : undefined;
  return {
    ...(Select !== 'COUNT' && { Items: found }),
    Count: found.length,
    ScannedCount: seen.length,
    ...(last && { LastEvaluatedKey: keyOf(keys, last) }),
  };
}
