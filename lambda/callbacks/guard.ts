/**
 * Where a callback may go. Whoever chooses an endpoint's URL must not reach the platform's own network by it:
 * only public addresses are called, whatever the URL looks like and whatever DNS answers, at every dial
 * (docs/threat-model.md, "Callbacks").
 */
import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import ipaddr from 'ipaddr.js';

export interface Guard {
  /** @returns why no endpoint may have this URL, or undefined */
  urlFault(text: string): string | undefined;
  /** Whether an address that DNS answered may be called. */
  mayCall(address: string): boolean;
}

const LONGEST_URL = 2_048;
/** Names that lead to the machine itself or to its own network (RFC 6761, RFC 6762, RFC 8375). */
const OWN_NETWORK = /(^|\.)(localhost|local|internal|intranet|lan|home\.arpa|onion)$/;

export const PUBLIC_ONLY: Guard = {
  urlFault(text) {
    if (text.length > LONGEST_URL) return `must have ${LONGEST_URL} characters at most`;
    // The parser drops tabs and line breaks, and reads a backslash as a slash.
    if (!/^[\x21-\x5b\x5d-\x7e\u0080-\uffff]+$/.test(text))
      return 'must have no space, backslash or control character';
    const url = URL.parse(text);
    if (!url) return 'must be a URL';
    if (url.protocol !== 'https:') return 'must begin with https://';
    if (url.username !== '' || url.password !== '' || /^[^/]*\/\/[^/?#]*@/.test(text))
      return 'must hold no user name and no password';
    if (url.port !== '') return 'must have no port: callbacks go to 443';
    if (url.hash !== '' || text.includes('#')) return 'must have no fragment';
    // After parsing: 0x7f.1 and 2130706433 are addresses, too, and for an address nobody asks DNS.
    if (url.hostname.startsWith('[') || ipaddr.isValid(url.hostname))
      return 'must have a host name, not an address';
    if (url.hostname.endsWith('.')) return 'must have a host name without a full stop at the end';
    if (!url.hostname.includes('.') || OWN_NETWORK.test(url.hostname)) return 'must have a public host name';
    return undefined;
  },

  // Every special range has a name of its own, also IPv4 in IPv6: mapped, NAT64, 6to4 and Teredo.
  mayCall: (address) => ipaddr.isValid(address) && ipaddr.parse(address).range() === 'unicast',
};

export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>;

export const systemResolve: Resolve = (hostname) => lookup(hostname, { all: true });

export class RefusedAddress extends Error {
  readonly code = 'REFUSED_ADDRESS';
}

/**
 * @returns a name's addresses
 * @throws RefusedAddress where one of them may not be called: a name that leads to several places is no
 * mistake
 */
export async function guarded(guard: Guard, resolve: Resolve, hostname: string): Promise<LookupAddress[]> {
  const addresses = await resolve(hostname);
  if (addresses.length === 0) throw Object.assign(new Error('no address'), { code: 'ENOTFOUND' });
  if (!addresses.every(({ address }) => guard.mayCall(address))) throw new RefusedAddress('refused address');
  return [...addresses];
}
