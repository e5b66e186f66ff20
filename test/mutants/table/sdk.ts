/** The SDK: the code that gives each guarantee, taken out. */
import { type Mutant, mutant } from '../mutant.ts';

export const SDK: readonly Mutant[] = [
  mutant(
    'waits-as-told',
    'sdk/typescript/caller.ts',
    "if (region && next && error.code === 'quota_exceeded')",
    'if (false as boolean && region && next)',
    'test/sdk/client.test.ts',
  ),
];
