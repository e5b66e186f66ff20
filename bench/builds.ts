/** Builds the register function in each way that is compared, and the servers that start it. */
import { copyFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, buildSync } from 'esbuild';
import defaultSchema from '../lambda/schema/default.json' with { type: 'json' };
import { BUILD_OPTIONS, buildBundles } from '../lib/functions/bundles.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SCHEMA = 'registration-schema.mjs';

export interface Builds {
  /**
   * The servers. They are built, because Node's own TypeScript loader would cost each start as much as
   * everything else.
   */
  readonly floor: string;
  readonly server: string;
  /** As it is deployed: one module, without the SDK's chain of credential providers. */
  readonly trimmed: string;
  /** One module, with the SDK whole. */
  readonly bundled: string;
  /** Our code in one module, the packages as npm installs them. */
  readonly shipped: string;
}

/** @param outdir an empty directory, which the caller removes */
export function build(outdir: string): Builds {
  const { register } = buildBundles({ outdir, registrationSchema: defaultSchema });
  const function_ = (name: string, options: BuildOptions) => {
    const outfile = join(outdir, name, 'index.mjs');
    const alias = { 'countersign:registration-schema': `./${SCHEMA}` };
    buildSync({
      ...BUILD_OPTIONS,
      entryPoints: ['lambda/entry/register.ts'],
      outfile,
      alias,
      external: [`./${SCHEMA}`],
      ...options,
    });
    copyFileSync(join(register, SCHEMA), join(outdir, name, SCHEMA));
    return outfile;
  };
  const server = (name: string) => {
    const outfile = join(outdir, `${name}.mjs`);
    buildSync({ ...BUILD_OPTIONS, entryPoints: [`bench/processes/${name}.ts`], outfile });
    return outfile;
  };
  symlinkSync(join(ROOT, 'node_modules'), join(outdir, 'node_modules'), 'junction');
  return {
    floor: server('floor'),
    server: server('function'),
    trimmed: join(register, 'index.mjs'),
    bundled: function_('bundled', {}),
    shipped: function_('shipped', { packages: 'external' }),
  };
}
