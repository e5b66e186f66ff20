/** The place of a proof on AWS: the account of the credentials, and the stage of the project's config. */
import { spawnSync } from 'node:child_process';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { WATCH_REGION } from '../../lambda/contract/forms.ts';
import { readConfig } from '../../lib/config/read.ts';
import { changedConfig, openProject } from './project.ts';
import { secretsIn } from './redact.ts';
import { runCommand } from './toolbox.ts';
import type { Lacks, Place } from './tools.ts';

export const CONFIG = fileURLToPath(new URL('../../countersign.config.ts', import.meta.url));
const BIN = fileURLToPath(new URL('../../node_modules/.bin', import.meta.url));

/** A proof cannot be made with this config, or in this environment. */
export class Unfit extends Error {}

export interface AccountOptions {
  readonly stage: string;
  /** The proof's own folder. */
  readonly directory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly fisRole?: string;
  readonly signal?: AbortSignal;
  /** Path of the config. */
  readonly config?: string;
}

/** @throws Unfit, ConfigError; AWS was not called then */
export async function account(options: AccountOptions): Promise<Place> {
  const { stage, directory, env: given, fisRole, signal, config: file = CONFIG } = options;
  const config = readConfig(await changedConfig({ file, changes: {} }));
  const { regions, domain } = config;
  if (config.stage.name !== stage)
    throw new Unfit(`--stage ${stage}: the config has stage ${config.stage.name}; name that one`);
  if (config.stage.kind !== 'prod' || regions.length < 2 || domain === undefined)
    throw new Unfit("the config needs stage.kind 'prod', two Regions and a domain: docs/prove.md has one");
  const home = config.homeRegion;
  const { Account: id = '' } = await new STSClient({ region: home })
    .send(new GetCallerIdentityCommand({}))
    .catch((error: Error) => {
      throw new Unfit(`AWS does not say whose credentials these are: ${error.message}`);
    });
  if (config.account !== undefined && config.account !== id)
    throw new Unfit('the credentials are of another account than the config names');

  const project = openProject(directory, file);
  const env = { ...given, PATH: [BIN, given.PATH].join(delimiter), AWS_REGION: home };
  const lacks: Lacks = {
    ...(spawnSync('aws', ['--version']).error && {
      'aws command': "AWS's own command line is not installed",
    }),
    ...(fisRole === undefined && { 'FIS role': 'no --fis-role was given' }),
    ...(!(given.VAULT_TOKEN && given.VAULT_ADDR) && {
      'Vault token': 'VAULT_ADDR and VAULT_TOKEN are not set: prepare Vault yourself (docs/vault.md)',
    }),
  };
  const ordered = [...regions].sort((a, b) => Number(b.name === home) - Number(a.name === home));
  const here = { directory, env };
  const must = async (command: string, args: readonly string[]) => {
    const { code, messages } = await runCommand(command, args, here, signal);
    if (code !== 0) throw new Error(`${command} ${args[0]}: exit code ${code}: ${messages.slice(-600)}`);
  };
  const countersign = (args: readonly string[]) =>
    must(process.execPath, [fileURLToPath(new URL('../../cli/countersign.mjs', import.meta.url)), ...args]);
  const { vault } = config;
  return {
    stage,
    regions: ordered.map(({ name }) => ({ name, url: `https://${name}.${domain.entry}` })),
    entry: `https://${domain.entry}`,
    lacks,
    private: [
      ...[id, domain.entry, domain.hostedZone?.name ?? '', domain.hostedZone?.id ?? ''],
      new URL(vault.address).host,
      ...secretsIn(given),
      ...(vault.namespace === undefined ? [] : [vault.namespace]),
    ],
    ...here,
    vaultSetup: [
      ...['--stage', stage, '--auth', vault.auth],
      ...(vault.auth === 'approle' ? [] : ['--account', id, '--region', regions.map(nameOf).join(',')]),
      ...(vault.stsRegion === undefined ? [] : ['--sts-region', vault.stsRegion]),
    ],
    ...(fisRole !== undefined && { fisRole }),
    aws: (region) => ({ region }),
    async bootstrap() {
      const all = new Set([...regions.map(nameOf), WATCH_REGION]);
      const targets = [...all].map((region) => `aws://${id}/${region}`);
      await must(join(BIN, 'cdk'), ['bootstrap', ...targets, '--no-notices', '--ci']);
    },
    async deploy(changes) {
      if (changes !== undefined) project.change(changes);
      await countersign(['deploy', '--stage', stage, '--watch', '0s', '--yes']);
    },
    destroy: () => countersign(['destroy', '--stage', stage, '--yes']),
    replicate: async () => {},
    stop: async () => {},
  };
}

const nameOf = ({ name }: { readonly name: string }): string => name;
/** The folder of a stage's proof, in the project's folder of files that are not committed. */
export const proofFolder = (stage: string): string => join(dirname(CONFIG), '.countersign', 'prove', stage);
