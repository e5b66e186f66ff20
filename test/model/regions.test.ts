/**
 * Registrations over two Regions, searched exhaustively within small bounds. The search must also find each
 * planted fault.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { type Bounds, RULES, type Rules, regionsModel } from './regions.ts';
import { search } from './search.ts';

/** `npm run model` searches deeper. */
const DEEP = process.env.COUNTERSIGN_MODEL === 'deep';
let searched = 0;
afterAll(() => console.log(`${searched.toLocaleString('en')} states of registrations searched`));

const look = (bounds: Bounds, rules: Partial<Rules> = {}) => {
  const found = search(regionsModel(bounds, { ...RULES, ...rules }), DEEP ? 20_000_000 : 2_000_000);
  searched += found.states;
  return found;
};

const ONE: Bounds = { mode: 'strong', proofs: ['register'], deliveries: DEEP ? 4 : 3, horizon: 2 };
const EXPIRY: Bounds = { mode: 'strong', proofs: ['register'], deliveries: 2, horizon: 6, longerLife: 20 };
const DELETION: Bounds = {
  mode: 'strong',
  proofs: ['register', 'delete'],
  deliveries: DEEP ? 4 : 3,
  horizon: 2,
};
const LOST_LEDGER: Bounds = { ...ONE, deliveries: 2, horizon: 3, lostLedgers: 2 };
const FAILURE: Bounds = { ...ONE, deliveries: 2, horizon: 2, failures: 1 };

describe('nothing is accepted twice, restored or lost', () => {
  it.each<[string, Bounds]>([
    ['one proof, delivered again and again to both Regions', ONE],
    ['the same in eventual mode', { ...ONE, mode: 'eventual' }],
    ['clocks of the Regions that are five minutes apart', { ...ONE, skew: { a: 0, b: 300_000 } }],
    ['a deletion, and clocks that err', { ...DELETION, skew: { a: 2_000, b: -2_000 } }],
    ['a setting that lets nonces live longer, while TTL removes what was used', EXPIRY],
    ['ledgers that are lost', LOST_LEDGER],
    ['a Region that fails, and returns', FAILURE],
    ['a Region that fails, in eventual mode', { ...FAILURE, mode: 'eventual' }],
    ['a deletion, and proofs that were held back', DELETION],
    ['a deletion, and a Region that fails', { ...DELETION, deliveries: 2, failures: 1 }],
  ])('%s', (_, bounds) => {
    const { violation, states } = look(bounds);
    expect(violation?.steps.join('\n')).toBeUndefined();
    expect(states).toBeGreaterThan(500);
  });
});

describe('the search finds', () => {
  it.each<[string, Bounds, Partial<Rules>, string]>([
    ['a Region that is left out of the nonce', ONE, { regionInNonce: false }, 'nonce 0 was accepted twice'],
    [
      'a ledger that replicates, although it should be the Region’s own',
      ONE,
      { regionInNonce: false, ledgerPerRegion: false },
      'nonce 0 was accepted twice',
    ],
    [
      'a ledger that is restored under its old name',
      LOST_LEDGER,
      { newLedgerName: false },
      'nonce 0 was accepted twice',
    ],
    ['an age that the setting decides', EXPIRY, { ownLife: false }, 'nonce 0 was accepted twice'],
    ['a write that is recognised by the jti', ONE, { ownToken: false }, 'nonce 0 was accepted twice'],
    [
      'a tombstone that accepts any nonce',
      DELETION,
      { nonceAfterDeletion: false },
      'proof 0, from before a deletion, registered after it',
    ],
    [
      'an invocation that outlives the row of its nonce',
      EXPIRY,
      { invocationsEnd: false },
      'nonce 0 was accepted twice',
    ],
    [
      'an answer before the second Region has the write',
      FAILURE,
      { waitsForSecond: false },
      'an acknowledged registration was lost with a Region',
    ],
  ])('%s', (_, bounds, rules, broken) => {
    const { violation } = look(bounds, rules);
    expect(violation?.broken).toBe(broken);
    // A timeline that a person can follow: from the first nonce to the last step.
    expect(violation!.steps[0]).toBe('start');
    expect(violation!.steps.length).toBeGreaterThan(3);
  });
});
