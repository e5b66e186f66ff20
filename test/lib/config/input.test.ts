/** The documented settings are those that the schema takes, with the same types: `tsc` fails where they differ. */
import type { IConstruct } from 'constructs';
import { expectTypeOf, it } from 'vitest';
import type { z } from 'zod';
import type { ConfigInput } from '../../../lib/config/input.ts';
import type { configSchema } from '../../../lib/config/schema.ts';

/** A type without objects of the CDK, which become text before the schema sees them, and without `readonly`. */
type Plain<T> = T extends IConstruct
  ? never
  : T extends readonly (infer Element)[]
    ? Plain<Element>[]
    : T extends object
      ? { -readonly [K in keyof T]: Plain<Exclude<T[K], undefined>> }
      : T;

it('every documented setting is one of the schema, and the other way round', () => {
  expectTypeOf<Plain<ConfigInput>>().toEqualTypeOf<Plain<z.input<typeof configSchema>>>();
});
