/** The platform on one machine: the code that gives each guarantee, taken out. */
import type { Mutant } from '../mutant.ts';

export const LOCAL: readonly Mutant[] = [];
