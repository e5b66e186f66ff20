/** Where requests may go. Discovery is an answer like any other: it names Regions, and does not decide who is trusted. */

/** https, or http to this machine alone; no user, no `/` at the end, no query. */
export function isBaseUrl(url: unknown): url is string {
  // Printable ASCII without `\`: every parser finds the same host in it.
  if (typeof url !== 'string' || !/^[!-[\]-~]{1,2048}$/.test(url) || url.endsWith('/')) return false;
  if (/[?#@]/.test(url) || !URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
}

/**
 * Whether a Region lies where whoever set up `entry` put it: on the same host, or on `<region>.<host>`, as a stage with a
 * domain is deployed. On this machine every port counts as the same host, elsewhere only the same one.
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

/** What precedes the entry's host in a Region's own: the name of an AWS Region. */
const REGION_LABEL = /^[a-z]{2}(-[a-z]+)+-\d\.(?=.*\.)/;
