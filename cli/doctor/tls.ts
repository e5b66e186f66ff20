/** Checks a server's certificates: none may be missing, untrusted, expired, or for another name. */
import { once } from 'node:events';
import { isIP } from 'node:net';
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import { type CheckResult, failed, passed, warned } from './check-result.ts';

const TIMEOUT_MS = 5_000;
const SOON_MS = 14 * 24 * 3600 * 1000;

/** @param ca PEM certificates to trust in place of the machine's own */
export async function checkTls(host: string, port: number, nowMs: number, ca?: string): Promise<CheckResult> {
  // An untrusted certificate is read too, to name what is wrong with it. No data is sent.
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = connect({ host, port, ...name, rejectUnauthorized: false, ...(ca && { ca }) });
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return judge(host, socket, nowMs);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const fix = 'check that this is an https port, and that the server speaks TLS 1.2 or 1.3';
    return failed('tls', host, `no TLS connection (${code ?? message})`, fix);
  } finally {
    socket.destroy();
  }
}

function judge(host: string, socket: TLSSocket, nowMs: number): CheckResult {
  const chain = chainOf(socket.getPeerCertificate(true));
  const [leaf] = chain;
  const protocol = socket.getProtocol() ?? 'unknown';
  const sent = chain.map(({ subject }) => subject.CN ?? subject.O ?? '?').join(' ← ');
  if (socket.authorized) {
    const ends = new Date(leaf!.valid_to);
    const detail = `${protocol}, ${sent}, valid until ${ends.toISOString().slice(0, 10)}`;
    return ends.getTime() - nowMs < SOON_MS
      ? warned('tls', host, detail, 'the certificate expires soon: renew it')
      : passed('tls', host, detail);
  }
  const problem = String(socket.authorizationError);
  return failed('tls', host, `${protocol}, ${sent}: ${problem}`, fixOf(problem, host, chain));
}

function fixOf(problem: string, host: string, chain: readonly DetailedPeerCertificate[]): string {
  const [leaf] = chain;
  const last = chain.at(-1)!;
  const trust =
    "if the certificate authority is your own, set NODE_EXTRA_CA_CERTS to the authority's certificate";
  switch (problem) {
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY': {
      const from = last.infoAccess?.['CA Issuers - URI']?.[0];
      const missing = `the certificate of "${last.issuer.CN ?? last.issuer.O}", which signed "${last.subject.CN}", is missing`;
      return `${missing}: configure the server to send it too${from ? ` (download: ${from})` : ''}; ${trust}`;
    }
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
      return `"${last.subject.CN}" is self-signed, and this machine does not trust it; ${trust}`;
    case 'CERT_HAS_EXPIRED':
      return `the certificate expired on ${leaf?.valid_to}: renew it, and check this machine's clock`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `the certificate is for ${leaf?.subjectaltname ?? 'other names'}, not for ${host}: use one of those names`;
    default:
      return trust;
  }
}

/**
 * @returns the server's own certificate, then each issuer's, as far as the server sent it or this machine has
 * it
 */
function chainOf(leaf: DetailedPeerCertificate): DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = [];
  for (let at: DetailedPeerCertificate | undefined = leaf; at?.subject && !chain.includes(at); ) {
    chain.push(at);
    at = at.issuerCertificate;
  }
  return chain;
}
