/** How long the command line waits for a function. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, expect, it, vi } from 'vitest';
import { invoke } from '../../cli/admin.ts';
import { EXIT } from '../../cli/io.ts';
import { ROTATION_TIMEOUT_MS } from '../../lambda/contract/keys.ts';

afterEach(() => void vi.useRealTimers());

it('a function that never answers is given up once Lambda would have ended it', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const aws = (region: string) => ({
      region,
      endpoint: `http://127.0.0.1:${port}`,
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    });
    let failure: unknown;
    invoke({ stage: 'local', regions: ['local-a'], aws }, 'local-a', 'f', 'keys.list', {}).catch((error) => {
      failure = error;
    });
    await once(silent, 'request');
    await vi.advanceTimersByTimeAsync(ROTATION_TIMEOUT_MS);
    for (let i = 0; i < 20; i++) await turn();
    expect(failure).toBeUndefined();
    await vi.advanceTimersByTimeAsync(10_000);
    for (let i = 0; i < 20; i++) await turn();
    expect(failure).toMatchObject({ exitCode: EXIT.unreachable });
  } finally {
    silent.closeAllConnections();
    silent.close();
  }
});
