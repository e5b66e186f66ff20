/**
 * The change of a stage's tables, searched exhaustively within small bounds. The search must also find each
 * planted fault.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { search } from './search.ts';
import { type Bounds, RULES, type Rules, tablesModel } from './tables.ts';

/** `npm run model` searches deeper. */
const DEEP = process.env.COUNTERSIGN_MODEL === 'deep';
let searched = 0;
afterAll(() => console.log(`${searched.toLocaleString('en')} states of tables searched`));

const look = (bounds: Bounds, rules: Partial<Rules> = {}) => {
  const found = search(tablesModel(bounds, { ...RULES, ...rules }), DEEP ? 20_000_000 : 2_000_000);
  searched += found.states;
  return found;
};

const COPY: Bounds = { requests: ['a', 'b'], deliveries: 2, horizon: DEEP ? 9 : 7 };
const RESTORED: Bounds = { ...COPY, requests: ['a'], deliveries: DEEP ? 2 : 1, damages: 1 };
const LOST_LEDGER: Bounds = { ...COPY, requests: ['a'], horizon: DEEP ? 7 : 6, lostLedgers: 1 };
const BARE: Bounds = { ...COPY, requests: ['a'], deliveries: 1, horizon: 5, bareDeploys: 4 };

describe('nothing is lost or accepted twice', () => {
  it.each<[string, Bounds]>([
    ['while the tables change', COPY],
    ['while a table is restored', RESTORED],
    ['while the tables change, and a ledger is lost', LOST_LEDGER],
    ['while a table is restored, and a Region is evacuated', { ...RESTORED, evacuations: 1 }],
    ['by a deployment outside of the procedure: it is still in one of the tables', BARE],
  ])('%s', (_, bounds) => {
    const { violation, states } = look(bounds);
    expect(violation?.steps.join('\n')).toBeUndefined();
    expect(states).toBeGreaterThan(500);
  });
});

describe('the search finds', () => {
  it.each<[string, Bounds, Partial<Rules>, string]>([
    [
      'a copy that begins while a write is under way',
      COPY,
      { settles: false },
      'u0 was acknowledged, and a does not have it',
    ],
    [
      'writes that go on before every Region uses the same tables',
      COPY,
      { together: false },
      'u0 was acknowledged, and b does not have it',
    ],
    [
      'a table without a mark that has served, and is filled again',
      BARE,
      { marks: false },
      'u0 was acknowledged, and is nowhere',
    ],
    [
      'a ledger that is made again under its old name',
      LOST_LEDGER,
      { newLedgerName: false },
      'request 0 was accepted twice',
    ],
  ])('%s', (_, bounds, rules, broken) => {
    const { violation } = look(bounds, rules);
    expect(violation?.broken).toBe(broken);
    // A timeline that a person can follow: from the first step to the last.
    expect(violation!.steps[0]).toBe('start');
    expect(violation!.steps.length).toBeGreaterThan(3);
  });
});
