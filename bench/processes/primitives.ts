/** The cryptography that no registration can be without, by `node:crypto` and nothing else. */
import { createHash, createHmac, createSecretKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import type { Primitives } from '../limits.ts';
import { answerAsks } from './ask.ts';

/** As long as those of the load. */
const SIGNED = Buffer.alloc(560, 'a');
const NONCE = Buffer.alloc(72, 1);
const BODY = Buffer.alloc(110, 'b');

const key = createSecretKey(Buffer.alloc(32, 1));
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');
const ecSignature = sign('sha256', SIGNED, ec.privateKey);
const edSignature = sign(null, SIGNED, ed.privateKey);

const WORK: Readonly<Record<keyof Primitives, () => unknown>> = {
  HS256: () => createHmac('sha256', key).update(SIGNED).digest(),
  ES256: () => verify('sha256', SIGNED, ec.publicKey, ecSignature),
  Ed25519: () => verify(null, SIGNED, ed.publicKey, edSignature),
  nonce: () => createHmac('sha256', key).update(NONCE).digest(),
  fingerprint: () => createHash('sha256').update(BODY).digest(),
};

answerAsks({
  /** @returns microseconds of processor time of one call each */
  costs(calls: number): Primitives {
    const us = Object.entries(WORK).map(([name, work]) => {
      const before = process.cpuUsage();
      for (let i = 0; i < calls; i++) work();
      const { user, system } = process.cpuUsage(before);
      return [name, (user + system) / calls];
    });
    return Object.fromEntries(us);
  },
});
