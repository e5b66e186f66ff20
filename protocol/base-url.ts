/**
 * Decides where requests may go. The discovery document names Regions, but it cannot decide which hosts are
 * trusted.
 */

/**
 * Whether a value is a base URL: https, or http for this machine only; no user, no `/` at the end, no query.
 */
export function isBaseUrl(url: unknown): url is string {
  // Only printable ASCII without `\`: every URL parser then finds the same host.
  if (typeof url !== 'string' || !/^[!-[\]-~]{1,2048}$/.test(url) || url.endsWith('/')) return false;
  if (/[?#@]/.test(url) || !URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
}

/**
 * Whether a Region's URL is trusted beside the entry's. It is if it is on the entry's host, or on a host
 * below it.
 *
 * A host that begins with the name of an AWS Region belongs to that Region, and the rest of it is the entry's
 * host. Then the entry and its other Regions are trusted as well. The port must be the same, except on this
 * machine.
 *
 * @param entry base URL of the entry or of a Region
 */
export function isWithin(entry: string, region: string): boolean {
  const [from, to] = [new URL(entry), new URL(region)];
  if (isLoopback(from.hostname)) return isLoopback(to.hostname);
  if (to.protocol !== from.protocol || to.port !== from.port) return false;
  if (to.hostname === from.hostname || to.hostname.endsWith(`.${from.hostname}`)) return true;
  const domain = from.hostname.replace(AWS_REGION, '');
  return domain !== from.hostname && to.hostname.replace(AWS_REGION, '') === domain;
}

const isLoopback = (hostname: string): boolean => /^(localhost|127\.0\.0\.1|\[::1\])$/.test(hostname);

/**
 * The part of a Region's host before the entry's, such as `eu-central-1.`. The entry's host has two labels or
 * more.
 */
const AWS_REGION =
  /^(af|ap|ca|cn|eu|il|me|mx|sa|us)(-gov)?-(central|(north|south)?(east|west)|north|south)-\d\.(?=[^.]+\.)/;
