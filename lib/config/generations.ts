/** The settings of the generations of `registry` and `clients`. tables.ts reads them. */
import { z } from 'zod';
import { count, regionName } from './forms.ts';

export const tables = z.strictObject({
  /**
   * Generation that the stage uses: part of the names of `registry` and `clients`. A whole number; default 1.
   */
  generation: count(2).default(1),
  /**
   * Tables of another generation, which exist as well but are not in use: the next ones, until they are
   * filled, or the ones before, while they are kept. Default: none.
   */
  other: z
    .strictObject({
      generation: count(2),
      /** As `consistency`, of these tables. Default: by their Regions. */
      consistency: z
        .enum(['strong', 'eventual'])
        .optional()
        .meta({ examples: ['strong'] }),
      /** Regions that have a replica, the home Region among them. Default: those that serve. */
      regions: z
        .array(regionName())
        .min(1, 'must name at least one Region')
        .optional()
        .meta({ examples: [['eu-west-1', 'eu-central-1']] }),
      /** As `witnessRegion`, of these tables. Default: none. */
      witnessRegion: regionName()
        .optional()
        .meta({ examples: ['eu-west-3'] }),
    })
    .optional()
    .meta({ examples: [{ generation: 2 }] }),
});
