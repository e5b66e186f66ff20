/**
 * The part of DynamoDB's expression language that the adapters use: conditions without brackets, and the
 * clauses SET, REMOVE and ADD. It refuses every other form, so that a test fails if an adapter starts to use
 * one.
 */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type { Item } from './item.ts';

export interface Placeholders {
  readonly ExpressionAttributeNames?: Record<string, string> | undefined;
  readonly ExpressionAttributeValues?: Record<string, AttributeValue> | undefined;
}
export type Condition = (item: Item | undefined, placeholders: Placeholders) => boolean;
export type Update = (item: Item, placeholders: Placeholders) => void;

/** @throws SyntaxError if this form of expression is not supported here */
export const condition = remembered((text: string): Condition => {
  // AND binds closer than OR.
  const alternatives = text.split(/\s+OR\s+/).map((part) => part.split(/\s+AND\s+/).map(term));
  return (item, placeholders) =>
    alternatives.some((terms) => terms.every((each) => each(item, placeholders)));
});

/** @throws SyntaxError as `condition` */
export const update = remembered((text: string): Update => {
  const clauses = text.split(/\s*\b(SET|REMOVE|ADD)\s+/);
  if (clauses.shift() !== '') throw new SyntaxError(`update expression: ${text}`);
  const steps: Update[] = [];
  for (let i = 0; i + 1 < clauses.length; i += 2)
    for (const operand of clauses[i + 1]!.split(/\s*,\s*/)) steps.push(step(clauses[i]!, operand.trim()));
  return (item, placeholders) => {
    for (const each of steps) each(item, placeholders);
  };
});

function term(text: string): Condition {
  const [, call, first = '', second = ''] = /^(\w+)\((\S+?)(?:,\s*(\S+))?\)$/.exec(text) ?? [];
  if (call === 'attribute_not_exists') return (item, named) => item?.[nameOf(first, named)] === undefined;
  if (call === 'attribute_exists') return (item, named) => item?.[nameOf(first, named)] !== undefined;
  if (call === 'begins_with')
    return (item, named) =>
      item?.[nameOf(first, named)]?.S?.startsWith(given(second, named).S ?? '') === true;
  const [, name, comparison, value] = /^([#\w]+)\s*(=|<>|<=|<|>=|>)\s*(:\w+)$/.exec(text) ?? [];
  if (!name || !comparison || !value) throw new SyntaxError(`condition: ${text}`);
  return (item, named) => {
    const held = item?.[nameOf(name, named)];
    return held !== undefined && compares(held, comparison, given(value, named));
  };
}

/**
 * Compares numbers by value, strings by code units and binary values by bytes. Values of two types have no
 * order and are not equal.
 */
function compares(held: AttributeValue, comparison: string, asked: AttributeValue): boolean {
  const [a, b] = [scalar(held), scalar(asked)];
  const comparable = Object.keys(held)[0] === Object.keys(asked)[0];
  const ordered = comparable && typeof a !== 'boolean';
  if (comparison === '=') return comparable && a === b;
  if (comparison === '<>') return !comparable || a !== b;
  if (comparison === '<') return ordered && a < b;
  if (comparison === '<=') return ordered && a <= b;
  if (comparison === '>') return ordered && a > b;
  return ordered && a >= b;
}

function scalar(value: AttributeValue): string | number | boolean {
  if (value.N !== undefined) return Number(value.N);
  if (value.B !== undefined) return hex(value.B);
  const plain = value.S ?? value.BOOL;
  if (plain === undefined) throw new SyntaxError(`no scalar: ${Object.keys(value).join()}`);
  return plain;
}

/** @param binary off the wire it is base64 text */
const hex = (binary: Uint8Array | string): string =>
  (typeof binary === 'string' ? Buffer.from(binary, 'base64') : Buffer.from(binary)).toString('hex');

function step(clause: string, text: string): Update {
  if (clause === 'REMOVE')
    return (item, named) => {
      delete item[nameOf(text, named)];
    };
  const [, counted, same, more] = /^([#\w]+)\s*=\s*([#\w]+)\s*\+\s*(:\w+)$/.exec(text) ?? [];
  if (clause === 'SET' && counted && counted === same && more)
    return (item, named) => {
      item[nameOf(counted, named)] = sum(item[nameOf(counted, named)], given(more, named));
    };
  const [, name, value] =
    (clause === 'SET' ? /^([#\w]+)\s*=\s*(:\w+)$/ : /^([#\w]+)\s+(:\w+)$/).exec(text) ?? [];
  if (!name || !value) throw new SyntaxError(`${clause} ${text}`);
  if (clause === 'SET')
    return (item, named) => {
      item[nameOf(name, named)] = given(value, named);
    };
  return (item, named) => {
    item[nameOf(name, named)] = sum(item[nameOf(name, named)], given(value, named));
  };
}

function sum(held: AttributeValue | undefined, more: AttributeValue): AttributeValue {
  if (more.N !== undefined) return { N: String(Number(held?.N ?? 0) + Number(more.N)) };
  if (more.SS !== undefined) return { SS: [...new Set([...(held?.SS ?? []), ...more.SS])] };
  throw new SyntaxError(`ADD of ${Object.keys(more).join()}`);
}

const nameOf = (name: string, { ExpressionAttributeNames }: Placeholders): string =>
  name.startsWith('#') ? (ExpressionAttributeNames?.[name] ?? unknown(name)) : name;

const given = (value: string, { ExpressionAttributeValues }: Placeholders): AttributeValue =>
  ExpressionAttributeValues?.[value] ?? unknown(value);

function unknown(placeholder: string): never {
  throw new SyntaxError(`${placeholder} is not given`);
}

function remembered<T>(parse: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    let parsed = known.get(text);
    if (!parsed) {
      parsed = parse(text);
      known.set(text, parsed);
    }
    return parsed;
  };
}
