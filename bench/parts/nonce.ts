/** The cost of a nonce, compared with the one HMAC that it needs in any case. */
import { createHmac, createSecretKey } from 'node:crypto';
import { checkNonce, deriveNonceKey, mintNonce } from '../../protocol/nonce.ts';
import { median, type Part, progress, ratios, spread } from '../report.ts';

const CALLS = 50_000;
const ROUNDS = 9;
const TARGET_US = 5;

interface Raw {
  readonly calls: number;
  /** By round. */
  readonly us: readonly { readonly hmac: number; readonly mint: number; readonly check: number }[];
}

export const nonce: Part<Raw> = {
  async measure() {
    const key = deriveNonceKey(new Uint8Array(32).fill(1), 'eu-west-1', 'countersign-bench-ledger-1');
    const content = { kid: 'AAAAAA', region: 'eu-west-1', issuedMs: Date.now(), lifeMs: 300_000 };
    const minted = mintNonce({ ...content, key, clientId: 'dev' });
    const check = { key, clientId: 'dev', region: 'eu-west-1', nowMs: content.issuedMs, clockErrorMs: 2_000 };
    const message = Buffer.alloc(72, 1);
    const bare = createSecretKey(Buffer.alloc(32, 1));
    progress(`nonce: ${ROUNDS} rounds`);
    // In turn, so that a slow moment of the machine affects all three.
    const us = Array.from({ length: ROUNDS }, () => ({
      hmac: perCall(() => createHmac('sha256', bare).update(message).digest()),
      mint: perCall(() => mintNonce({ ...content, key, clientId: 'dev' })),
      check: perCall(() => checkNonce(minted, check)),
    }));
    return { calls: CALLS, us };
  },
  sections({ us }) {
    const all = (what: keyof Raw['us'][number]) => us.map((round) => round[what]);
    const row = (figure: 'mint' | 'check') => ({
      figure,
      measured: `${spread(all(figure), 2)} µs; ${spread(ratios(all(figure), all('hmac')), 2)} × the HMAC`,
      values: all(figure),
      target: `≤ ${TARGET_US} µs`,
      missed: median(all(figure)) > TARGET_US,
    });
    return [
      {
        title: 'Nonce',
        note: `${CALLS.toLocaleString('en')} calls a round, ${ROUNDS} rounds in turn; median (least–greatest). The HMAC is the physical limit.`,
        unit: 'µs',
        rows: [
          {
            figure: 'one HMAC-SHA-256 of 72 bytes by `node:crypto`',
            measured: `${spread(all('hmac'), 2)} µs`,
            values: all('hmac'),
            limit: true,
          },
          row('mint'),
          row('check'),
        ],
        remarks: [
          'The HMAC of `node:crypto` takes nearly all of both times. If the HMAC alone is near the target, only a faster processor closes the gap.',
        ],
      },
    ];
  },
};

/** Microseconds. */
function perCall(work: () => unknown): number {
  const start = performance.now();
  for (let i = 0; i < CALLS; i++) work();
  return ((performance.now() - start) * 1000) / CALLS;
}
