/** The Python example uses nothing of this project. It registers, and cannot delete with its basic key. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { startPlatform } from '../../local/platform.ts';
import { pythonWith } from '../../local/real/python.ts';
import { CountersignClient } from '../../sdk/typescript/index.ts';

const example = (name: string) => fileURLToPath(new URL(`../../examples/python/${name}`, import.meta.url));

it('registers through the local platform, and cannot delete', async () => {
  const python = await pythonWith(example('requirements.txt'));
  const platform = await startPlatform({ port: 0 });
  try {
    const { url } = platform.info.regions[0]!;
    const apiKey = platform.info.clients.find(({ profile }) => profile === 'basic')!.api_key;
    const env = { ...process.env, COUNTERSIGN_URL: url, COUNTERSIGN_BASIC_KEY: apiKey };
    const { stdout } = await promisify(execFile)(python, [example('register.py'), 'from-python'], { env });
    expect(stdout).toMatch(/^201 /);
    const { id } = JSON.parse(stdout.slice(4));
    await using client = new CountersignClient({ url, apiKey });
    expect(await client.get(id)).toMatchObject({ user_id: 'from-python', client_id: 'dev-basic' });
    await expect(client.delete(id)).rejects.toMatchObject({ code: 'not_allowed' });
    expect(await client.get(id)).toMatchObject({ user_id: 'from-python' });
  } finally {
    await platform.stop();
  }
});

it.each([
  // A strict key must never be sent. Nothing listens at this URL.
  [{ COUNTERSIGN_URL: 'http://127.0.0.1:1', COUNTERSIGN_BASIC_KEY: 'csk_dev_1_a_b' }, 'begins with csb_'],
  [{ COUNTERSIGN_URL: 'http://127.0.0.1:1', COUNTERSIGN_API_KEY: 'csk_dev_1_a_b' }, 'or neither'],
  [{ COUNTERSIGN_BASIC_KEY: 'csb_dev_1_a_b' }, 'or neither'],
])('with %j it says what is wrong, and sends nothing', async (given, message) => {
  const python = await pythonWith(example('requirements.txt'));
  const ran = promisify(execFile)(python, [example('register.py')], {
    env: { PATH: process.env.PATH, ...given },
  });
  await expect(ran).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining(message) });
});
