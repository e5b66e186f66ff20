/** Callbacks between the SDK and PyPI's standardwebhooks, as it comes, in both directions. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { pythonWith } from '../../local/real/python.ts';
import { signWebhook, verifyWebhook } from '../../sdk/typescript/webhooks/index.ts';
import { CREATED, PRIVATE_KEY, SECRET } from '../sdk/webhooks/events.ts';

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));

async function python(asked: object): Promise<Record<string, string>> {
  const program = await pythonWith(file('requirements.txt'));
  return new Promise((resolve, reject) => {
    const child = execFile(program, [file('webhooks.py')], (error, stdout) =>
      error ? reject(error) : resolve(JSON.parse(stdout)),
    );
    child.stdin!.end(JSON.stringify(asked));
  });
}

const event = { ...CREATED, data: { ...CREATED.data, version: 'ünïcode 🎉' } };

it('verifies what the SDK signs, beside a v1a that it does not know', async () => {
  const { id: _, ...sent } = event;
  for (const keys of [SECRET, [PRIVATE_KEY, SECRET]]) {
    const { body, headers } = await signWebhook(event, keys);
    expect(await python({ do: 'verify', secret: SECRET, body, headers })).toEqual({ event: sent });
    const refused = await python({ do: 'verify', secret: SECRET, body: `${body} `, headers });
    expect(refused).toEqual({ refused: 'No matching signature found' });
  }
});

it('signs what the SDK verifies', async () => {
  const { id, ...sent } = event;
  const body = JSON.stringify(sent);
  const { timestamp, signature } = await python({ do: 'sign', secret: SECRET, id, body });
  const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature };
  expect(await verifyWebhook(body, headers, SECRET)).toEqual(event);
  await expect(verifyWebhook(`${body} `, headers, SECRET)).rejects.toMatchObject({ code: 'invalid_webhook' });
});
