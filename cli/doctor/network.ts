/** Checks that a host has addresses, and that each of them accepts connections. */
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, isIP } from 'node:net';
import { type Finding, fail, ok } from './finding.ts';

const TIMEOUT_MS = 5_000;

export async function* checkNetwork(host: string, port: number): AsyncGenerator<Finding, boolean, void> {
  let addresses = [host];
  if (isIP(host) === 0)
    try {
      addresses = (await lookup(host, { all: true })).map(({ address }) => address);
      yield ok('dns', host, addresses.join(', '));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const fix = 'check the URL for a typing error, and the name server that this machine uses';
      yield fail('dns', host, `has no address (${code})`, fix);
      return false;
    }
  let reached = 0;
  for (const address of addresses) {
    const finding = await checkAddress(address, port);
    reached += Number(finding.status === 'ok');
    yield finding;
  }
  return reached > 0;
}

async function checkAddress(address: string, port: number): Promise<Finding> {
  const of = `${address}, port ${port}`;
  const begunMs = performance.now();
  const socket = connect({ host: address, port });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return ok('tcp', of, `connects in ${Math.round(performance.now() - begunMs)} ms`);
  } catch (error) {
    const { name, code } = error as NodeJS.ErrnoException;
    const why = name === 'AbortError' ? `no answer within ${TIMEOUT_MS / 1000} s` : (code ?? name);
    return fail('tcp', of, why, 'check for a firewall or proxy on the way, and that the server is running');
  } finally {
    socket.destroy();
  }
}
