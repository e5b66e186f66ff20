/** Copies the public half of a keyset to where a function finds it that reads no private key. */
import { publicHalf } from '../../protocol/keyset.ts';
import type { PublicKeys } from '../adapters/public-keys.ts';
import type { KeysetCache } from '../request/keyset-cache.ts';

/** So often the copy is written anew: its age tells whether the keyset could be read. */
const EVERY_MS = 3_600_000;

/** @returns copies the keyset if it changed; it throws Unavailable where that is not possible */
export function publishKeys(
  keyset: Pick<KeysetCache, 'current'>,
  copy: Pick<PublicKeys, 'write'>,
  nowMs: () => number,
): () => Promise<void> {
  let written: { readonly text: string; readonly atMs: number } | undefined;
  return async () => {
    const half = publicHalf(await keyset.current());
    const text = JSON.stringify(half);
    const atMs = nowMs();
    if (written?.text === text && atMs < written.atMs + EVERY_MS) return;
    await copy.write(half, atMs);
    written = { text, atMs };
  };
}
