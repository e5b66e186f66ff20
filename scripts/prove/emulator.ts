/** The place without AWS: the emulator, on which `npm run deploy:local` deploys (docs/emulator.md). */
import { type Deployment, startDeployment } from '../../local/deploy/deployment.ts';
import type { Lacks, Place } from './tools.ts';

const STAGE = 'prove';
const REGIONS = ['eu-west-1', 'eu-central-1'];

export const EMULATOR_LACKS: Lacks = {
  account: 'the emulator has no quotas and no delegation for preflight to check',
  alarms: 'the emulator evaluates no alarm and refuses health checks',
  domain: 'the emulator has no DNS',
  generations: 'the emulator has no global tables, and its copies are of generation 1 alone',
  promotion: 'on the emulator a replica of a secret cannot be promoted',
  'aws command': 'it asks AWS by its own command line, for what the emulator does not do',
  'FIS role': 'the emulator has no FIS',
};

/** @returns the emulator, with a bootstrapped account and a Vault that was prepared */
export async function emulator(): Promise<Place> {
  const deployment: Deployment = await startDeployment({ stage: STAGE, regions: REGIONS });
  const { regions, aws, env, vault, replicas } = deployment;
  return {
    ...{ stage: STAGE, regions, aws },
    lacks: EMULATOR_LACKS,
    private: [],
    directory: process.cwd(),
    env: { PATH: process.env.PATH, ...env, VAULT_ADDR: vault.address, VAULT_TOKEN: vault.rootToken },
    vaultSetup: ['--stage', STAGE, '--auth', 'approle'],
    // The deployment begins with it.
    bootstrap: async () => {},
    deploy: () => deployment.deploy(),
    destroy: () => deployment.destroy(),
    replicate: () => replicas.synchronise(),
    stop: () => deployment.stop(),
  };
}
