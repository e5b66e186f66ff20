/** How an issuer's keys are fetched: from where the operator says, whole, and from nowhere else. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { httpsJson } from '../../../lambda/oauth/issuer-keys.ts';

let close = async () => {};
afterEach(() => close());

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
/** The server of this test alone. */
const here = httpsJson((url) => url.startsWith('http://127.0.0.1'));

it('a document is read as JSON', async () => {
  const url = await serve((request, response) => response.end(JSON.stringify({ path: request.url })));
  expect(await here(`${url}/keys`)).toEqual({ path: '/keys' });
});

it('no redirect is followed', async () => {
  let followed = 0;
  const url = await serve((request, response) => {
    if (request.url === '/other') followed += 1;
    response.writeHead(302, { Location: '/other' }).end('{}');
  });
  await expect(here(`${url}/keys`)).rejects.toThrow();
  expect(followed).toBe(0);
});

it.each<[string, RequestListener]>([
  ['another status', (_, response) => response.writeHead(500).end('{}')],
  ['what is no JSON', (_, response) => response.end('<html>')],
  ['a member twice', (_, response) => response.end('{"keys":[],"keys":[]}')],
  ['more than 256 KB', (_, response) => response.end(JSON.stringify({ keys: 'x'.repeat(262_144) }))],
])('%s is no answer', async (_, listener) => {
  const url = await serve(listener);
  await expect(here(url)).rejects.toThrow();
});

it('an endless answer ends', async () => {
  const url = await serve((_, response) => {
    const write = () => {
      while (response.write('x'.repeat(65_536)));
    };
    response.on('drain', write);
    write();
  });
  await expect(here(url)).rejects.toThrow('too long');
});

it.each(['http://127.0.0.1:1/keys', 'file:///etc/passwd', 'ftp://issuer.example.com/keys', 'keys'])(
  'only https is asked, not %s',
  async (url) => {
    await expect(httpsJson()(url)).rejects.toThrow('over https alone');
  },
);
