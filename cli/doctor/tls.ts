/** A server's certificates as this machine sees them: which one is missing, untrusted, ended, or for another name. */
import { once } from 'node:events';
import { isIP } from 'node:net';
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import { type Finding, fail, ok, warn } from './finding.ts';

const TIMEOUT_MS = 5_000;
const SOON_MS = 14 * 24 * 3600 * 1000;

/** @param ca PEM certificates to trust in place of the machine's own */
export async function checkTls(host: string, port: number, nowMs: number, ca?: string): Promise<Finding> {
  // Looked at even where it is not trusted: nothing is sent.
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = connect({ host, port, ...name, rejectUnauthorized: false, ...(ca && { ca }) });
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return judge(host, socket, nowMs);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const fix = 'is this an https port, and does the server speak TLS 1.2 or 1.3?';
    return fail('tls', host, `no TLS connection (${code ?? message})`, fix);
  } finally {
    socket.destroy();
  }
}

function judge(host: string, socket: TLSSocket, nowMs: number): Finding {
  const chain = chainOf(socket.getPeerCertificate(true));
  const [leaf] = chain;
  const protocol = socket.getProtocol() ?? 'unknown';
  const sent = chain.map(({ subject }) => subject.CN ?? subject.O ?? '?').join(' ← ');
  if (socket.authorized) {
    const ends = new Date(leaf!.valid_to);
    const detail = `${protocol}, ${sent}, valid until ${ends.toISOString().slice(0, 10)}`;
    return ends.getTime() - nowMs < SOON_MS
      ? warn('tls', host, detail, 'its certificate ends soon: have it renewed')
      : ok('tls', host, detail);
  }
  const problem = String(socket.authorizationError);
  return fail('tls', host, `${protocol}, ${sent}: ${problem}`, fixOf(problem, host, chain));
}

function fixOf(problem: string, host: string, chain: readonly DetailedPeerCertificate[]): string {
  const [leaf] = chain;
  const last = chain.at(-1)!;
  const trust = 'if its authority is your own, name its certificate in NODE_EXTRA_CA_CERTS';
  switch (problem) {
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY': {
      const from = last.infoAccess?.['CA Issuers - URI']?.[0];
      const missing = `the certificate of "${last.issuer.CN ?? last.issuer.O}", which signed "${last.subject.CN}", is missing`;
      return `${missing}: let the server send it with its own${from ? ` (it is at ${from})` : ''}; ${trust}`;
    }
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
      return `"${last.subject.CN}" is trusted by itself alone; ${trust}`;
    case 'CERT_HAS_EXPIRED':
      return `it ended on ${leaf?.valid_to}; have it renewed, and check this machine's clock`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `it is for ${leaf?.subjectaltname ?? 'other names'}, not for ${host}: use one of those names`;
    default:
      return trust;
  }
}

/** From the server's own certificate up, as far as it was sent or is known here. */
function chainOf(leaf: DetailedPeerCertificate): DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = [];
  for (let at: DetailedPeerCertificate | undefined = leaf; at?.subject && !chain.includes(at); ) {
    chain.push(at);
    at = at.issuerCertificate;
  }
  return chain;
}
