// biome-ignore-all lint/suspicious/noTemplateCurlyInString: pieces of other files
/** Mutants of bench: each removes the code behind one guarantee. */
import { type Mutant, mutant } from '../mutant.ts';

export const BENCH: readonly Mutant[] = [
  mutant(
    'bench-store',
    'local/dynamodb/expressions.ts',
    'throw new SyntaxError(`condition: ${text}`);',
    'return () => true;',
    'test/bench/store.test.ts',
  ),
  mutant(
    'bench-store',
    'bench/store/memory-dynamodb.ts',
    'condition(ConditionExpression)(held, placeholders)',
    'true',
    'test/bench/store.test.ts',
  ),
];
