/** How keys-watch judges an answer: one that it cannot read is never a healthy keyset. */
import type { LambdaClient } from '@aws-sdk/client-lambda';
import { expect, it } from 'vitest';
import { askByLambda } from '../../../lambda/rotate/watch/ask.ts';
import { keysWatchHandler } from '../../../lambda/rotate/watch/handler.ts';
import { DAY, newToken, operate, rotate, rotationParts } from './parts.ts';

const parts = rotationParts();
await rotate(parts, newToken());
const GOOD = await operate(parts.rotator(), 'keys.list');

/** Runs keys-watch over two purposes. The test supplies the answer of the nonce's function. */
async function watch(answer: string | undefined) {
  const log: unknown[] = [];
  const send = async ({ input }: { input: { FunctionName: string } }) => {
    const text = input.FunctionName.includes('nonce') ? answer : JSON.stringify(GOOD);
    return { ...(text !== undefined && { Payload: { transformToString: () => text } }) };
  };
  const lambda = { send } as unknown as LambdaClient;
  const handler = keysWatchHandler({
    ask: askByLambda(lambda, 'test'),
    rotates: true,
    rotationPeriodsMs: { nonce: 30 * DAY, token: 30 * DAY },
    nowMs: () => parts.clock.nowMs,
    log: (entry) => log.push(entry),
  });
  const outcome = await handler().then(
    () => 'in order',
    (error: Error) => error.message,
  );
  return { outcome, log };
}

it('a well-formed answer is judged', async () => {
  expect(await watch(JSON.stringify(GOOD))).toEqual({ outcome: 'in order', log: [] });
});

const [key] = GOOD.result.keys;
const [home, away] = GOOD.result.regions;
it.each([
  ['nothing', undefined],
  ['', ''],
  ['no JSON', '<html>'],
  ['a list', '[]'],
  ['null', 'null'],
  ['no verdict', '{}'],
  ['success without a result', '{"ok":true}'],
  ['a failure without a problem', '{"ok":false}'],
  ...Object.entries({
    seq: [undefined, '1'],
    published_seq: [undefined, null, '1'],
    revoked: [undefined, null, 'AAAAAA', [7]],
    pending: [undefined, 7],
    changed_at: [undefined, 'yesterday', 7],
    windows: [undefined, null, {}, { ...GOOD.result.windows, finish: '1' }],
    keys: [
      undefined,
      {},
      [null],
      [{ ...key, kid: 7 }],
      [{ ...key, state: 'new' }],
      [{ ...key, activates_at: '' }],
    ],
    regions: [
      undefined,
      [],
      [null],
      [{ ...home, region: 1 }, away],
      [{ ...home, kids: 'all' }],
      [{ ...home, kids: [7] }],
      [{ ...home, revoked: undefined }],
      [{ ...home, revoked: 'all' }],
    ],
  }).flatMap(([member, values]) =>
    values.map((value): [string, string] => [
      `${member} ${JSON.stringify(value)}`,
      JSON.stringify({ ok: true, result: { ...GOOD.result, [member]: value } }),
    ]),
  ),
])('%s means that the keyset could not be checked; the others are', async (_, answer) => {
  const { outcome, log } = await watch(answer);
  expect(outcome).toBe('1 of 2 keysets could not be checked');
  expect(log).toEqual([
    { level: 'ERROR', message: 'keyset', purpose: 'nonce', error: 'SyntaxError', stack: expect.any(Array) },
  ]);
});

it('a refusal means the same', async () => {
  const { outcome } = await watch(JSON.stringify(await operate(parts.rotator(), 'keys.unknown')));
  expect(outcome).toBe('1 of 2 keysets could not be checked');
});
