/** Which endpoints the outbox wakes. */
import { expect, it } from 'vitest';
import { wakeInterested } from '../../../lambda/callbacks/wake.ts';
import { HERE, memoryEndpoints, newEndpoint, T0 } from '../../support/delivery.ts';

it('wakes those of a client and those of all clients, if they are active and of this Region', async () => {
  const endpoints = memoryEndpoints();
  const all = [
    newEndpoint('ep_its', { client: 'acme' }),
    newEndpoint('ep_all', { client: '*' }),
    newEndpoint('ep_other', { client: 'other' }),
    newEndpoint('ep_ended', { client: 'acme', state: 'disabled' }),
    // Its own Region wakes it.
    newEndpoint('ep_away', { client: 'acme', holder: 'eu-central-1' }),
  ];
  for (const each of all) await endpoints.create(each);
  const woken: string[] = [];
  const wake = wakeInterested({
    endpoints,
    wake: async (ids) => void woken.push(...ids),
    region: HERE,
    nowMs: () => T0,
  });
  await wake(new Set(['acme']));
  expect(woken).toEqual(['ep_its', 'ep_all']);
});
