/** The cost of a nonce, compared with the one HMAC that it needs in any case. */
import { createHmac, createSecretKey } from 'node:crypto';
import { checkNonce, deriveNonceKey, mintNonce } from '../../protocol/nonce.ts';
import { type Measured, median, progress, spread } from '../report.ts';

const CALLS = 50_000;
const ROUNDS = 9;
const TARGET_US = 5;

export async function measureNonce(): Promise<Measured> {
  const key = deriveNonceKey(new Uint8Array(32).fill(1), 'eu-west-1', 'countersign-bench-ledger-1');
  const content = { kid: 'AAAAAA', region: 'eu-west-1', issuedMs: Date.now(), lifeMs: 300_000 };
  const nonce = mintNonce({ ...content, key, clientId: 'dev' });
  const check = { key, clientId: 'dev', region: 'eu-west-1', nowMs: content.issuedMs, clockErrorMs: 2_000 };
  const message = Buffer.alloc(72, 1);
  const bare = createSecretKey(Buffer.alloc(32, 1));

  const costs = { hmac: [] as number[], mint: [] as number[], check: [] as number[] };
  // In turn, so that a slow moment of the machine affects all three.
  progress(`nonce: ${ROUNDS} rounds`);
  for (let round = 0; round < ROUNDS; round++) {
    costs.hmac.push(perCall(() => createHmac('sha256', bare).update(message).digest()));
    costs.mint.push(perCall(() => mintNonce({ ...content, key, clientId: 'dev' })));
    costs.check.push(perCall(() => checkNonce(nonce, check)));
  }
  const ratios = (values: readonly number[]) => values.map((value, i) => value / costs.hmac[i]!);
  const row = (figure: string, values: readonly number[]) => ({
    figure,
    measured: `${spread(values, 2)} µs; ${spread(ratios(values), 2)} × the HMAC`,
    target: `≤ ${TARGET_US} µs`,
    missed: median(values) > TARGET_US,
  });
  return {
    sections: [
      {
        title: 'Nonce',
        note: `${CALLS.toLocaleString('en')} calls a round, ${ROUNDS} rounds in turn; median (least–greatest).`,
        rows: [
          {
            figure: 'one HMAC-SHA-256 of 72 bytes by `node:crypto`',
            measured: `${spread(costs.hmac, 2)} µs`,
          },
          row('mint', costs.mint),
          row('check', costs.check),
        ],
        remarks: [
          'The HMAC of `node:crypto` takes nearly all of both times. If the HMAC alone is near the target, only a faster processor closes the gap.',
        ],
      },
    ],
    raw: {
      calls: CALLS,
      us: costs.hmac.map((hmac, i) => ({ hmac, mint: costs.mint[i], check: costs.check[i] })),
    },
  };
}

/** Microseconds. */
function perCall(work: () => unknown): number {
  const start = performance.now();
  for (let i = 0; i < CALLS; i++) work();
  return ((performance.now() - start) * 1000) / CALLS;
}
