/** Operators' actions on the tables that all Regions share: which ones a Region uses, and the write stop. */
import * as z from 'zod';
import type { WriteStop } from '../adapters/write-stop.ts';
import type { ShownTables } from '../contract/admin.ts';
import { type Action, type Actions, AdminError } from './actions.ts';
import { action } from './params.ts';

export interface TableOptions {
  readonly stop: WriteStop;
  /** Names of the tables that this Region's functions use. */
  readonly registry: string;
  readonly clients: string;
  readonly consistency: ShownTables['consistency'];
  /** All Regions of the stage. */
  readonly regions: ShownTables['regions'];
  readonly nowMs: () => number;
}

const None = z.strictObject({});
const target = () => 'tables';

export const tableReadActions = (options: TableOptions): Actions => ({
  'tables.show': action(None, target, async () => shown(options, await options.stop.read())),
});

/**
 * @param markGeneration marks the registry's generation as used. The copy of a stage's tables never fills a
 * generation that has the mark, so both actions leave it even where no health check runs.
 */
export const tableWriteActions = (options: TableOptions, markGeneration: () => Promise<void>): Actions => ({
  'tables.stop': action(None, target, async () => {
    const atMs = await options.stop.stop(options.nowMs());
    await markGeneration();
    return shown(options, atMs);
  }),
  'tables.resume': action(None, target, async () => {
    await markGeneration();
    await options.stop.resume();
    return shown(options, undefined);
  }),
});

/** @param atMs since when writes are stopped */
function shown(
  { registry, clients, consistency, regions, nowMs }: TableOptions,
  atMs: number | undefined,
): ShownTables {
  return {
    registry,
    clients,
    consistency,
    regions,
    stopped_at: atMs === undefined ? null : new Date(atMs).toISOString(),
    // By this Region's clock, which set the time as well.
    stopped_ms: atMs === undefined ? null : nowMs() - atMs,
  };
}

/**
 * Actions that change `registry` or `clients`: none of them begins while writes are stopped, or before the
 * generation in use is marked.
 */
export function stoppable(actions: Actions, stop: WriteStop, markGeneration: () => Promise<void>): Actions {
  const guarded = (each: Action): Action => ({
    ...each,
    async run(params) {
      if ((await stop.read()) !== undefined)
        throw new AdminError(
          503,
          'unavailable',
          'writes are stopped while the tables are copied (countersign registry show); repeat the command after ' +
            'countersign registry resume-writes',
        );
      await markGeneration();
      return each.run(params);
    },
  });
  return Object.fromEntries(Object.entries(actions).map(([name, each]) => [name, guarded(each)]));
}
