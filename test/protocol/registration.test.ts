/** How long a tombstone is needed. */
import { expect, it } from 'vitest';
import { isExpiredEverywhere, LONGEST_DPOP_NONCE_LIFE_MS } from '../../protocol/nonce.ts';
import { decideRegister, erasableAtMs } from '../../protocol/registration.ts';

it('a tombstone may be removed once every nonce that it stops has expired on every clock, and no sooner', () => {
  const [deletedAtMs, E_MS] = [1_795_430_000_000, 2_000];
  const registration = { id: 'i', clientId: 'c', userId: 'u', createdAtMs: deletedAtMs, data: {} };
  const stops = (issuedMs: number) =>
    decideRegister({ deletedAtMs }, registration, issuedMs, E_MS).kind === 'deleted';
  const lastMs = deletedAtMs + 2 * E_MS;
  expect([stops(lastMs), stops(lastMs + 1)]).toEqual([true, false]);
  const last = { kid: 'AAAAAA', region: 'r', issuedMs: lastMs, lifeMs: LONGEST_DPOP_NONCE_LIFE_MS };
  const expired = (nowMs: number) => isExpiredEverywhere({ ...last, text: '' } as never, E_MS, nowMs);
  const atMs = erasableAtMs(deletedAtMs, E_MS);
  expect([expired(atMs), expired(atMs + 1)]).toEqual([false, true]);
});
