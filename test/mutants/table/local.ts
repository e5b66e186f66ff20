/** The platform on one machine: the code that gives each guarantee, taken out. */
import { type Mutant, mutant } from '../mutant.ts';

export const LOCAL: readonly Mutant[] = [
  mutant(
    'raw-bytes',
    'local/gateway/event.ts',
    "body.toString('base64')",
    "Buffer.from(body.toString('utf8')).toString('base64')",
    'test/local/gateway/event.test.ts',
  ),
];
