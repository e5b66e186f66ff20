/** Checks that a host has addresses, and that each of them accepts connections. */
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, isIP } from 'node:net';
import { type CheckResult, failed, passed } from './check-result.ts';

const TIMEOUT_MS = 5_000;

export async function* checkConnection(
  host: string,
  port: number,
): AsyncGenerator<CheckResult, boolean, void> {
  let addresses = [host];
  if (isIP(host) === 0)
    try {
      addresses = (await lookup(host, { all: true })).map(({ address }) => address);
      yield passed('dns', host, addresses.join(', '));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const fix = 'check the URL for a typing error, and the name server that this machine uses';
      yield failed('dns', host, `has no address (${code})`, fix);
      return false;
    }
  let reached = 0;
  for (const address of addresses) {
    const result = await checkAddress(address, port);
    reached += Number(result.status === 'ok');
    yield result;
  }
  return reached > 0;
}

async function checkAddress(address: string, port: number): Promise<CheckResult> {
  const of = `${address}, port ${port}`;
  const begunMs = performance.now();
  const socket = connect({ host: address, port });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return passed('tcp', of, `connects in ${Math.round(performance.now() - begunMs)} ms`);
  } catch (error) {
    const { name, code } = error as NodeJS.ErrnoException;
    const why = name === 'AbortError' ? `no answer within ${TIMEOUT_MS / 1000} s` : (code ?? name);
    return failed('tcp', of, why, 'check for a firewall or proxy on the way, and that the server is running');
  } finally {
    socket.destroy();
  }
}
