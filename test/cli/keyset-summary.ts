/** A keyset as a rotation function shows it, with nothing unusual but what a test gives it. */
import type { KeySummary, KeysetSummary } from '../../lambda/contract/keys.ts';

const HOUR = 3_600_000;

export const keysetSummary = (
  keys: readonly KeySummary[],
  rest: Partial<KeysetSummary> = {},
): KeysetSummary => ({
  purpose: 'nonce',
  seq: 1,
  published_seq: 1,
  version_id: 'v1',
  unreadable: null,
  fall_back: null,
  pending: null,
  changed_at: '2026-11-23T00:00:00.000Z',
  keys,
  revoked: [],
  windows: { finish: HOUR, publish_to_sign: 26 * HOUR, sign_to_remove: 25 * HOUR },
  regions: [],
  known_kids: [],
  managed_by: 'local-a',
  promoted_to: null,
  primary_region: 'local-a',
  replicas: [],
  missing_kids: [],
  next_rotation_at: null,
  last_failure: null,
  ...rest,
});
