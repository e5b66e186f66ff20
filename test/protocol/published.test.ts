/** The published keysets that the Regions remember. */
import { describe, expect, it } from 'vitest';
import { parseKeyset } from '../../protocol/keyset.ts';
import { mergePublished, NOTHING_PUBLISHED, withPublished } from '../../protocol/published.ts';
import { LAGS } from '../support/key-lags.ts';

describe('the memory of several Regions', () => {
  it('keeps a key for as long as one of them holds it, in whatever order they are read', () => {
    const holds = { seq: 3, kids: { AAAAAA: null, BBBBBB: 5 } };
    const forgets = { seq: 2, kids: { AAAAAA: 7, BBBBBB: 9 } };
    const both = { seq: 3, kids: { AAAAAA: null, BBBBBB: 9 } };
    expect(mergePublished([holds, forgets])).toEqual(both);
    expect(mergePublished([forgets, holds])).toEqual(both);
    expect(mergePublished([NOTHING_PUBLISHED, forgets, NOTHING_PUBLISHED])).toEqual(forgets);
  });
});

describe('the memory of a Region, from the time a keyset may be the current one', () => {
  it('never moves to a lower seq, whatever is published: readers hold the higher one', () => {
    const older = { ...parseKeyset('{"keys":[]}'), seq: 3 };
    expect(withPublished({ seq: 9, kids: {} }, older, LAGS, 0).seq).toBe(9);
    expect(withPublished({ seq: 2, kids: {} }, older, LAGS, 0).seq).toBe(3);
  });
});
