/** In a browser there is no platform: only a function can get a token. */
import { InvalidArgumentError } from '../errors.ts';
import type { IdentitySource, Platform } from './source.ts';

export const platformSource = (platform: Platform): IdentitySource => {
  throw new InvalidArgumentError(`identity ${JSON.stringify(platform)} is for Node; give a function instead`);
};
