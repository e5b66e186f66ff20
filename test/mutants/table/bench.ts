// biome-ignore-all lint/suspicious/noTemplateCurlyInString: pieces of other files
/** bench: the code that gives each guarantee, taken out. */
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
