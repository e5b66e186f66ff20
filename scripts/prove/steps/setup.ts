/** The steps that make a stage, and the one that destroys it. */
import { isEverywhere, type Keyset } from '../looks.ts';
import { type Step, step } from '../plan.ts';

export const SETUP: readonly Step[] = [
  step({
    name: 'bootstrap',
    does: 'bootstraps the account for the CDK in every Region of the stage',
    after: [],
    needs: [],
    async run({ bootstrap, stacks, regions }) {
      await bootstrap();
      return { bootstrapped: await stacks('CDKToolkit'), regions };
    },
    checks: [
      {
        what: 'each Region has the stack of the bootstrap',
        holds: ({ bootstrapped, regions }) => bootstrapped.length >= regions.length,
      },
    ],
  }),
  step({
    name: 'vault',
    does: 'prepares Vault (`countersign vault setup`), then finds that nothing is left to do',
    after: [],
    needs: ['Vault token'],
    async run({ project, vaultSetup }) {
      await project(['vault', 'setup', ...vaultSetup]);
      const { json } = await project(['vault', 'setup', ...vaultSetup]);
      return json.steps as { readonly state: string }[];
    },
    checks: [
      { what: 'a second run of vault setup changes nothing', holds: (steps) => steps.every(isUnchanged) },
    ],
  }),
  step({
    name: 'preflight',
    does: 'checks the account (`countersign preflight`)',
    after: ['bootstrap'],
    needs: ['account'],
    run: ({ project, stage }) => project(['preflight', '--stage', stage]),
    checks: [{ what: 'preflight finds nothing that would fail', holds: ({ code }) => code === 0 }],
  }),
  step({
    name: 'deploy',
    does: 'deploys every stack, one Region after the other (`countersign deploy`)',
    after: ['bootstrap'],
    needs: [],
    ifFailed: 'Run it again: `countersign deploy` goes on where it ended.',
    async run({ deploy, stacks, regions }) {
      await deploy();
      const discovered = await Promise.all(
        regions.map(async ({ url }) => (await fetch(`${url}/.well-known/countersign`)).json()),
      );
      return { stacks: await stacks(), discovered, regions };
    },
    checks: [
      {
        what: 'CloudFormation made the stacks of every Region',
        holds: ({ stacks, regions }) =>
          regions.every(({ name }) => stacks.some((stack) => stack.endsWith(`-region-${name}`))),
        rows: ['an alias may point to the unpublished version: CreateAlias accepts `$LATEST`'],
      },
      {
        what: 'discovery in each Region names all of them',
        holds: ({ discovered, regions }) =>
          discovered.every((document) => sameNames(document.regions, regions)),
      },
    ],
  }),
  step({
    name: 'keys',
    does: 'makes the first keys (`countersign keys init`)',
    after: ['deploy'],
    needs: [],
    async run({ countersign, regions }) {
      await countersign(['keys', 'init', '--timeout', '15m']);
      return { list: await countersign(['keys', 'list']), regions };
    },
    checks: [
      {
        what: 'a key of each purpose signs, and every Region has it',
        holds: ({ list, regions }) =>
          list.code === 0 && list.json.keysets.every((keyset: Keyset) => isEverywhere(keyset, regions)),
        rows: ['a rotated value reaches the replicas by itself'],
      },
    ],
  }),
];

export const DESTROY: readonly Step[] = [
  step({
    name: 'destroy',
    does: 'destroys the stacks (`countersign destroy`)',
    after: ['deploy'],
    needs: [],
    last: true,
    ifFailed: 'Run it again, or see docs/deploy.md, "Removal".',
    async run({ deleteClient, destroy, stacks }) {
      await deleteClient();
      await destroy();
      return stacks();
    },
    checks: [
      {
        what: 'no stack of a Region is left',
        holds: (left) => !left.some((name) => /-(region-.+|watch)$/.test(name)),
      },
    ],
  }),
];

const isUnchanged = ({ state }: { readonly state: string }): boolean => state === 'unchanged';

const sameNames = (named: readonly { name: string }[], regions: readonly { name: string }[]): boolean =>
  JSON.stringify(named.map(({ name }) => name).sort()) ===
  JSON.stringify(regions.map(({ name }) => name).sort());
