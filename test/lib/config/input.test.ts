/** The documented settings and the schema's settings have the same types: `tsc` fails where they differ. */
import type { IConstruct } from 'constructs';
import { expectTypeOf, it } from 'vitest';
import type { z } from 'zod';
import type { ConfigInput } from '../../../lib/config/input.ts';
import type { configSchema } from '../../../lib/config/schema.ts';

/** The type without CDK objects, which become text before the schema sees them, and without `readonly`. */
type Plain<T> = T extends IConstruct
  ? never
  : T extends readonly (infer Element)[]
    ? Plain<Element>[]
    : T extends object
      ? { -readonly [K in keyof T]: Plain<Exclude<T[K], undefined>> }
      : T;

it('every documented setting is in the schema, and every setting of the schema is documented', () => {
  expectTypeOf<Plain<ConfigInput>>().toEqualTypeOf<Plain<z.input<typeof configSchema>>>();
});
