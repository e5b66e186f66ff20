/** The parts of the bench, in the order of the page. */
import { batch } from './parts/batch.ts';
import { bundles } from './parts/bundles.ts';
import { handler } from './parts/handler.ts';
import { keys } from './parts/keys.ts';
import { nonce } from './parts/nonce.ts';
import { platform } from './parts/platform.ts';
import { python } from './parts/python.ts';
import { scale } from './parts/scale.ts';
import { sdk } from './parts/sdk.ts';
import { sizes } from './parts/sizes.ts';
import { start } from './parts/start.ts';
import { steady } from './parts/steady.ts';
import { store } from './parts/store.ts';
import type { Part } from './report.ts';

// biome-ignore lint/suspicious/noExplicitAny: each part reads what it has measured itself
export const PARTS: Readonly<Record<string, Part<any>>> = {
  handler,
  store,
  nonce,
  keys,
  start,
  sizes,
  steady,
  platform,
  scale,
  batch,
  sdk,
  python,
  bundles,
};
