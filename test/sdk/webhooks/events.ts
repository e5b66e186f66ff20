/** Events and keys for the tests of receivers. */
import type { CountersignEvent } from '../../../sdk/typescript/webhooks/index.ts';

export const CREATED = {
  id: 'evt_n0tAHash',
  type: 'registration.created',
  timestamp: '2026-11-23T12:00:00.000Z',
  data: { id: 'A'.repeat(43), client_id: 'dev', version: 'eu-west-1.1763899200000.abc' },
} as const satisfies CountersignEvent;

export const SECRET = `whsec_${Buffer.from('a secret for tests, 32 bytes long').toString('base64')}`;

/** Of the example in the specification, as Svix, who wrote it, publish it. */
export const PRIVATE_KEY =
  'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==';
export const PUBLIC_KEY = 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=';
