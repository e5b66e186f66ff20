/** Callbacks on this machine may also go to programs on it, which have neither a public address nor TLS. */
import { type Guard, PUBLIC_ONLY, type Resolve, systemResolve } from '../lambda/callbacks/guard.ts';

const LOOPBACK_HOST = /^(127\.0\.0\.1|localhost|\[::1\])$/;
const LOOPBACK_ADDRESS = /^(127\.0\.0\.1|::1)$/;

export const LOOPBACK_TOO: Guard = {
  urlFault(text) {
    const url = URL.parse(text);
    const isLoopback =
      url && /^https?:$/.test(url.protocol) && LOOPBACK_HOST.test(url.hostname) && url.username === '';
    return isLoopback ? undefined : PUBLIC_ONLY.urlFault(text);
  },
  mayCall: (address) => LOOPBACK_ADDRESS.test(address) || PUBLIC_ONLY.mayCall(address),
};

/** The system's resolver knows no address with brackets. */
export const resolveLoopback: Resolve = (hostname) => systemResolve(hostname.replace(/^\[|\]$/g, ''));
