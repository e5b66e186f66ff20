/** The time limits of a rotation function: no work continues after its answer. */
import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { expect, it } from 'vitest';
import { Unavailable } from '../../../lambda/adapters/call.ts';
import { createSecretVersions, type SecretVersions } from '../../../lambda/adapters/secret-versions.ts';
import { ROTATION_TIMEOUT_MS } from '../../../lambda/contract/keys.ts';
import { Deadline, TIMES } from '../../../lambda/rotate/deadline.ts';
import { fakeVault, rotationParts } from './parts.ts';

/** The limit on revoking the Vault token. */
const LOG_OUT_MS = 1_000;

it('all steps of a revocation end before Lambda ends the function', () => {
  const { eachMs, replicatedMs, swapMs, answerMs } = TIMES;
  // After the swap it refuses the kids of a rotation that it overtook, writes the record, and reads every
  // Region.
  expect(swapMs + 3 * eachMs + LOG_OUT_MS).toBeLessThan(ROTATION_TIMEOUT_MS);
  expect(answerMs + LOG_OUT_MS).toBeLessThan(ROTATION_TIMEOUT_MS);
  // Before AWSCURRENT moves, every Region remembers the keyset, and this one confirms it; the remaining time
  // is for Vault.
  expect(replicatedMs + 2 * eachMs).toBeLessThan(swapMs);
});

it('work whose time is over can change neither the secret nor Vault', async () => {
  const { secret } = rotationParts();
  const vault = fakeVault();
  const failed: string[] = [];
  let ends: Promise<unknown> | undefined;
  const late = new Deadline().changing(5, { secret, vault }, async (closing) => {
    ends = delay(20).then(async () => {
      const calls = [
        () => closing.secret.put('v', '{}'),
        () => closing.secret.move('AWSPENDING', 'v', undefined),
        () => closing.vault.rotate('k'),
        () => closing.vault.versions('k'),
        () => closing.vault.exportKey('k', 1),
        () => closing.vault.trim('k', 2),
      ];
      for (const call of calls) await call().catch((error: Error) => failed.push(error.name));
      return closing.secret.describe();
    });
    await ends;
  });
  await expect(late).rejects.toThrow('not done within 0.005 s');
  // Reads are harmless.
  expect(await ends).toMatchObject({ pending: undefined });
  expect(failed).toEqual(Array(6).fill('TooLate'));
  expect([vault.made.length, vault.min]).toEqual([0, 1]);
});

it('a write of the secret that is under way when the work ends is not sent again', async () => {
  let sent = 0;
  const events = new EventEmitter();
  const secrets = new SecretsManagerClient({
    region: 'eu-west-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 3,
    requestHandler: {
      async handle() {
        sent += 1;
        const fails = once(events, 'fail');
        events.emit('sent');
        await fails;
        throw Object.assign(new Error('no answer'), { name: 'TimeoutError' });
      },
    },
  });
  const writes = [
    (secret: SecretVersions) => secret.put('v'.repeat(32), '{}'),
    (secret: SecretVersions) => secret.move('AWSPENDING', 'v'.repeat(32), undefined),
  ];
  for (const write of writes) {
    let ends: Promise<unknown> | undefined;
    const parts = { secret: createSecretVersions(secrets, 'test/keys'), vault: fakeVault() };
    await new Deadline().changing(TIMES.swapMs, parts, async ({ secret }) => {
      const isSent = once(events, 'sent');
      ends = expect(write(secret)).rejects.toThrow(Unavailable);
      await isSent;
    });
    // Each further request would fail as well.
    events.on('sent', () => events.emit('fail'));
    events.emit('fail');
    await ends;
    events.removeAllListeners();
  }
  expect(sent).toBe(writes.length);
});
