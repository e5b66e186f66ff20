/** The platform's URLs, as far as the config says. */
import type { Config } from '../config/read.ts';

/** Host name of a Region's own domain. */
export const regionHost = ({ entry }: { readonly entry: string }, region: string): string =>
  `${region}.${entry}`;

/**
 * @returns a Region's base URL; undefined where it is the `execute-api` URL, which is known once the API
 * exists
 */
export function regionUrl(
  { domain }: Config,
  { name, baseUrl }: Config['regions'][number],
): string | undefined {
  return domain ? `https://${regionHost(domain, name)}` : baseUrl;
}

/** @returns the entry's base URL; without a domain, that of the first Region, which clients should prefer */
export function entryUrl(config: Config): string | undefined {
  return config.domain ? `https://${config.domain.entry}` : regionUrl(config, config.regions[0]!);
}
