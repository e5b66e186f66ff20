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
  mutant(
    'bench-calls',
    'bench/aws-calls.ts',
    "TableName === EVENTS || isOfEndpoints ? 'events'",
    "isOfEndpoints ? 'events'",
    'test/bench/aws-calls.test.ts',
  ),
  mutant(
    'bench-calls',
    'bench/aws-calls.ts',
    "TableName === EVENTS || isOfEndpoints ? 'events'",
    "TableName === EVENTS ? 'events'",
    'test/bench/aws-calls.test.ts',
  ),
  mutant(
    'bench-calls',
    'bench/aws-calls.ts',
    'if (input.TableName === EVENTS) writtenMs',
    'if (input.TableName === undefined) writtenMs',
    'test/bench/aws-calls.test.ts',
  ),
  mutant('bench-limits', 'bench/limits.ts', 'NONCES * cost.nonce', 'cost.nonce', 'test/bench/limits.test.ts'),
  mutant(
    'bench-page',
    'bench/report.ts',
    "const verdict = target === '' ? '' : missed ?",
    "const verdict = target === '' ? '' : !missed ?",
    'test/bench/page.test.ts',
  ),
  mutant(
    'bench-plot',
    'bench/plot.ts',
    'const greatest = most(bars.map(({ to }) => to));',
    'const greatest = most(bars.map(({ at }) => at));',
    'test/bench/plot.test.ts',
  ),
];
