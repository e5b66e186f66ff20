/** Decides where requests may go. The discovery document names Regions, but it cannot decide which hosts are trusted. */

/** Whether a value is a base URL: https, or http for this machine only; no user, no `/` at the end, no query. */
export function isBaseUrl(url: unknown): url is string {
  // Only printable ASCII without `\`: every URL parser then finds the same host.
  if (typeof url !== 'string' || !/^[!-[\]-~]{1,2048}$/.test(url) || url.endsWith('/')) return false;
  if (/[?#@]/.test(url) || !URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
}

/**
 * Whether a Region's host belongs to the operator of `entry`: it is the same host, or a sub-domain of it, such as
 * `<region>.<host>`. On this machine any port may be used; elsewhere only the port of `entry`.
 *
 * @param entry base URL of the entry or of a Region
 */
export function isWithin(entry: string, region: string): boolean {
  const [from, to] = [new URL(entry), new URL(region)];
  if (isLoopback(from.hostname)) return isLoopback(to.hostname);
  const domain = from.hostname.replace(REGION_LABEL, '');
  const below = to.hostname === from.hostname || to.hostname === domain || to.hostname.endsWith(`.${domain}`);
  return below && to.protocol === from.protocol && to.port === from.port;
}

const isLoopback = (hostname: string): boolean => /^(localhost|127\.0\.0\.1|\[::1\])$/.test(hostname);

/** The label that a Region's host has before the entry's host: the name of an AWS Region. */
const REGION_LABEL = /^[a-z]{2}(-[a-z]+)+-\d\.(?=.*\.)/;
