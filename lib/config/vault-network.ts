/** The network that leads a Region's rotation functions to Vault. */
import type { Config } from './read.ts';

/** @returns the VPC of a Region's rotation functions, if they are in one */
export const vaultNetwork = ({ vault }: Config, { vaultNetwork: own }: Config['regions'][number]) =>
  own ?? (vault.network === 'public' ? undefined : vault.network);
