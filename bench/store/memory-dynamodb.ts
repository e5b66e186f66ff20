/**
 * DynamoDB in this process's memory, behind the one method of the SDK client that is used. The real adapters
 * run on it, and nothing is serialised, signed or sent. It passes the contract tests that dynalite and
 * DynamoDB pass (test/bench).
 */
import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import type { SdkDynamodb } from '../../lambda/adapters/aws-sdk.ts';
import { condition, type Placeholders, update } from '../../local/dynamodb/expressions.ts';
import type { Item } from '../../local/dynamodb/item.ts';

/** A table with more items forgets its oldest: oidc-provider's adapter in memory holds as many. */
const ITEMS = 1_000;

/** Called for each command with its operation and table. */
export type OnCall = (operation: string, table: string) => void;

/** Of the adapters or of the SDK: both have these names. */
interface Command {
  readonly constructor: { readonly name: string };
  // biome-ignore lint/suspicious/noExplicitAny: the input of its operation
  readonly input: any;
}

export function memoryDynamodb(onCall: OnCall = () => {}): SdkDynamodb {
  const tables = new Map<string, Table>();
  const send = async ({ constructor: { name: kind }, input }: Command) => {
    const operation = kind.replace('Command', '');
    const name: string = input.TableName ?? '';
    onCall(operation, name);
    if (operation === 'CreateTable') {
      const keys = (input.KeySchema as { AttributeName: string }[]).map(({ AttributeName }) => AttributeName);
      tables.set(name, new Table(keys));
      return {};
    }
    const table = tables.get(name);
    if (!table) throw Object.assign(new Error(`no table ${name}`), { name: 'ResourceNotFoundException' });
    if (operation === 'PutItem') return table.put(input);
    if (operation === 'UpdateItem') return table.update(input);
    if (operation === 'GetItem') return { Item: table.get(input.Key) };
    if (operation === 'Query') return table.query(input);
    if (operation === 'Scan') return table.scan(input);
    if (operation === 'DeleteItem') return table.drop(input);
    throw new Error(`${operation} is not in the stand-in`);
  };
  return { send, destroy: () => {} } as unknown as SdkDynamodb;
}

type Written = Placeholders & {
  readonly ConditionExpression?: string | undefined;
  readonly ReturnValues?: string | undefined;
};
type Searched = Placeholders & {
  readonly KeyConditionExpression?: string | undefined;
  readonly FilterExpression?: string | undefined;
};

class Table {
  readonly #keys: readonly string[];
  readonly #items = new Map<string, Item>();

  constructor(keys: readonly string[]) {
    this.#keys = keys;
  }

  get(key: Item): Item | undefined {
    return this.#items.get(this.#id(key));
  }

  put({ Item: item, ...rest }: Written & { readonly Item: Item | undefined }) {
    const held = this.#checked(item!, rest);
    this.#set(item!);
    return rest.ReturnValues === 'ALL_OLD' && held ? { Attributes: held } : {};
  }

  update({
    Key,
    UpdateExpression,
    ...rest
  }: Written & { readonly Key: Item | undefined; readonly UpdateExpression?: string | undefined }) {
    const held = this.#checked(Key!, rest);
    const item = { ...(held ?? Key!) };
    update(UpdateExpression!)(item, rest);
    this.#set(item);
    if (rest.ReturnValues === 'ALL_NEW') return { Attributes: item };
    if (rest.ReturnValues !== 'UPDATED_NEW') return {};
    const changed = Object.entries(item).filter(([name, value]) => value !== held?.[name] && !(name in Key!));
    return { Attributes: Object.fromEntries(changed) };
  }

  drop({ Key, ...rest }: Written & { readonly Key: Item | undefined }) {
    const held = this.#checked(Key!, rest);
    this.#items.delete(this.#id(Key!));
    return rest.ReturnValues === 'ALL_OLD' && held ? { Attributes: held } : {};
  }

  query({
    KeyConditionExpression,
    FilterExpression,
    Limit,
    ...rest
  }: Searched & { readonly Limit?: number }) {
    const matches = condition(KeyConditionExpression!);
    const { Items } = this.#page((item) => matches(item, rest), FilterExpression, rest);
    const found = Items.sort((a, b) => this.#order(a, b)).slice(0, Limit);
    return { Items: found, Count: found.length };
  }

  scan({ FilterExpression, ...rest }: Searched) {
    return this.#page(() => true, FilterExpression, rest);
  }

  #page(matches: (item: Item) => boolean, filter: string | undefined, placeholders: Placeholders) {
    const found = [...this.#items.values()].filter(
      (item) => matches(item) && (filter === undefined || condition(filter)(item, placeholders)),
    );
    return { Items: found, Count: found.length };
  }

  /** @returns the item that stands there @throws ConditionalCheckFailedException */
  #checked(key: Item, { ConditionExpression, ...placeholders }: Written): Item | undefined {
    const held = this.get(key);
    if (ConditionExpression === undefined || condition(ConditionExpression)(held, placeholders)) return held;
    const message = 'The conditional request failed';
    throw new ConditionalCheckFailedException({ message, $metadata: {} });
  }

  #set(item: Item): void {
    this.#items.set(this.#id(item), item);
    if (this.#items.size > ITEMS) this.#items.delete(this.#items.keys().next().value!);
  }

  /** By the sort key, if there is one: a string or a number. */
  #order(a: Item, b: Item): number {
    const [left, right] = [a, b].map((item) => item[this.#keys[1] ?? '']);
    if (left?.N !== undefined) return Number(left.N) - Number(right?.N);
    return Buffer.compare(Buffer.from(left?.S ?? ''), Buffer.from(right?.S ?? ''));
  }

  #id(item: Item): string {
    return this.#keys.map((name) => item[name]!.S ?? item[name]!.N).join('\n');
  }
}
