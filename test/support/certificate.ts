/** Makes certificates for a test run (X.509, RFC 5280), so that the repository contains no key. */
import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

const der = (tag: number, ...parts: readonly Buffer[]): Buffer => {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
};
const sequence = (...parts: readonly Buffer[]) => der(0x30, ...parts);
const hex = (text: string) => Buffer.from(text, 'hex');
const ECDSA_SHA256 = sequence(der(0x06, hex('2a8648ce3d040302')));
const COMMON_NAME = der(0x06, hex('550403'));
const BASIC_CONSTRAINTS = der(0x06, hex('551d13'));
const SUBJECT_ALT_NAME = der(0x06, hex('551d11'));

export interface Certificate {
  readonly key: string;
  readonly cert: string;
  readonly name: string;
}

/** @returns key and certificate as PEM: for 127.0.0.1, or for an authority if `ca` is set */
export function issueCertificate(name: string, issuer?: Certificate, ca = false): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const named = (text: string) => sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(text)))));
  const time = (text: string) => der(0x18, Buffer.from(text));
  const address = der(0x87, Buffer.from([127, 0, 0, 1]));
  const extension = ca
    ? sequence(
        BASIC_CONSTRAINTS,
        der(0x01, Buffer.from([255])),
        der(0x04, sequence(der(0x01, Buffer.from([255])))),
      )
    : sequence(SUBJECT_ALT_NAME, der(0x04, sequence(address)));
  const toBeSigned = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ECDSA_SHA256,
    named(issuer?.name ?? name),
    sequence(time('20200101000000Z'), time('21200101000000Z')),
    named(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(extension)),
  );
  const signed = sign('sha256', toBeSigned, issuer ? createPrivateKey(issuer.key) : privateKey);
  const signature = der(0x03, Buffer.from([0]), signed);
  const base64 = sequence(toBeSigned, ECDSA_SHA256, signature)
    .toString('base64')
    .match(/.{1,64}/g)!
    .join('\n');
  return {
    name,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
  };
}

/** @returns both as PEM */
export const selfSigned = (): Certificate => issueCertificate('test');
