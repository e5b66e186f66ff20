/** Builds the register function in each way that is compared, and the servers that start it. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import defaultSchema from '../lambda/schema/default.json' with { type: 'json' };
import { BUILD_OPTIONS, buildBundles } from '../lib/functions/bundles.ts';

const SCHEMA = 'registration-schema.mjs';

export interface Builds {
  /**
   * The servers. They are built, because Node's own TypeScript loader would cost each start as much as
   * everything else.
   */
  readonly floor: string;
  readonly server: string;
  /** As it is deployed: one module, which reads keysets at its start. */
  readonly deployed: string;
  /** One module, with the AWS SDK's clients, without its chain of credential providers. */
  readonly sdk: string;
}

/** @param outdir an empty directory, which the caller removes */
export function build(outdir: string): Builds {
  const { register } = buildBundles({ outdir, registrationSchema: defaultSchema });
  const sdk = join(outdir, 'sdk', 'index.mjs');
  buildSync({
    ...BUILD_OPTIONS,
    entryPoints: ['bench/processes/register-sdk.ts'],
    outfile: sdk,
    alias: {
      'countersign:registration-schema': `./${SCHEMA}`,
      '@aws-sdk/credential-provider-node': './lib/functions/no-credential-chain.ts',
    },
    external: [`./${SCHEMA}`],
  });
  copyFileSync(join(register, SCHEMA), join(outdir, 'sdk', SCHEMA));
  const server = (name: string) => {
    const outfile = join(outdir, `${name}.mjs`);
    buildSync({ ...BUILD_OPTIONS, entryPoints: [`bench/processes/${name}.ts`], outfile });
    return outfile;
  };
  return {
    floor: server('floor'),
    server: server('function'),
    deployed: join(register, 'index.mjs'),
    sdk,
  };
}
