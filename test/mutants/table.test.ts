/** A mutant that no longer applies tests nothing. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { mutated } from './mutant.ts';
import { MUTANTS } from './table.ts';

const root = new URL('../../', import.meta.url);

describe.each(MUTANTS.map((mutant) => [`${mutant.guarantee}: ${mutant.file}`, mutant] as const))(
  '%s',
  (_, mutant) => {
    test(mutant.find.slice(0, 60), () => {
      const text = readFileSync(new URL(mutant.file, root), 'utf8');
      const changed = mutated(mutant, text);
      expect(changed, `this must stand in ${mutant.file} exactly once: ${mutant.find}`).toBeDefined();
      expect(changed).not.toBe(text);
      for (const file of mutant.tests.split(' ')) expect(existsSync(new URL(file, root)), file).toBe(true);
    });
  },
);
