/** How long the command line waits for a Lambda function. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { invoke } from '../../cli/admin.ts';
import { EXIT } from '../../cli/io.ts';
import { ROTATION_TIMEOUT_MS } from '../../lambda/contract/keys.ts';

afterEach(() => void vi.restoreAllMocks());

it('the call to a function that never answers ends once Lambda would have ended the function', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const late = new AbortController();
  const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(late.signal);
  try {
    const aws = (region: string) => ({
      region,
      endpoint: `http://127.0.0.1:${port}`,
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    });
    let failure: unknown;
    invoke({ stage: 'local', regions: ['local-a'], args: '', aws }, 'local-a', 'f', 'keys.list', {}).catch(
      (error) => {
        failure = error;
      },
    );
    await once(silent, 'request');
    expect(timeout).toHaveBeenCalledExactlyOnceWith(ROTATION_TIMEOUT_MS + 10_000);
    expect(failure).toBeUndefined();
    late.abort(new DOMException('late', 'TimeoutError'));
    await expect.poll(() => failure).toMatchObject({ exitCode: EXIT.unreachable });
  } finally {
    silent.closeAllConnections();
    silent.close();
  }
});
